//! The rules of a process: sources, overrides, and everyone who has to be told when they change.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::client::{About, ClientMethod};
use super::explain;
use super::file::FileSource;
use super::given::BUILDER;
use super::history::{History, NoSuchVersion, Version};
use super::register::Register;
use super::served::{Listed, Served};
use super::server::ServerMethod;
use super::source::{Source, Standing, Trouble, follow};
use super::switches::Switches;
use crate::governance::Moment;
use crate::governance::retry::{Budget, BudgetSettings};
use crate::governance::rules::{
    Decision, MethodFacts, Origin, Overrides, Resolved, RuleKey, RuleSet, Rules, Side, Strength,
    resolve,
};

/// What governs the calls of this process: the rules of all sources, and for each method that is
/// called or served the machines behind them. Cheap to clone; clones are the same.
///
/// Every channel and server uses [`Governance::global`] unless its builder is told otherwise, so that
/// a limit is one for the process, however many clients of a target there are.
///
/// ```no_run
/// use rpc_core::control::Governance;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// Governance::global().watch_file("rules.toml").await?;
/// println!("{}", Governance::global().explain("shop.Inventory/price"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Governance(pub(super) Arc<Inner>);

/// A method at a target. What the builder says of its rules is part of it: whoever says something else
/// shares no machines, or its words would be lost on those of whoever came first.
type MethodAt = (Arc<str>, Cow<'static, str>, String);

#[derive(Default)]
pub(super) struct Inner {
    pub(super) said: Mutex<Said>,
    /// Each method at each target, while somebody calls it.
    clients: Mutex<Register<MethodAt, ClientMethod>>,
    /// Each target's budget for retries and hedges.
    budgets: Mutex<Register<Arc<str>, Budget>>,
    servers: Served,
    /// Tells tasks that nobody is left for whom they could work.
    pub(super) alive: watch::Sender<()>,
    /// That of the last server.
    pub(super) runtime: Mutex<Option<Handle>>,
    /// Somebody measures how busy the CPU is.
    pub(super) is_measured: AtomicBool,
}

/// What has been said, by whom.
#[derive(Default)]
pub(super) struct Said {
    /// By the sources' names.
    sources: BTreeMap<Arc<str>, History>,
    pub(super) switches: Switches,
    troubles: BTreeMap<Arc<str>, Arc<Trouble>>,
}

impl Governance {
    /// One of its own, that shares nothing with the rest of the process: for tests, and for who
    /// wants two.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// The one of this process.
    pub fn global() -> Self {
        static GLOBAL: OnceLock<Governance> = OnceLock::new();
        GLOBAL.get_or_init(Self::new).clone()
    }

    /// Puts a set of rules in force, in place of what its source said before.
    pub fn apply(&self, rules: impl Into<Arc<RuleSet>>) {
        let rules = rules.into();
        let name = rules.source().clone();
        let mut said = lock(&self.0.said);
        said.troubles.remove(&name);
        said.sources.entry(name.clone()).or_default().record(rules, name, Moment::now());
        drop(said);
        self.renew();
    }

    /// Follows a rules file: TOML, or JSON if its name ends so. What it says is in force when this
    /// returns, and what it says later a second or so later. See [`FileSource`] for what happens
    /// when it is broken or missing.
    ///
    /// What is returned tells how it stands with the file. Whoever wants to hear of a mistake as it is made
    /// waits for it there; to drop it changes nothing:
    ///
    /// ```no_run
    /// # use rpc_core::Governance;
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut rules = Governance::global().watch_file("rules.toml").await?;
    /// tokio::spawn(async move {
    ///     loop {
    ///         if let Some(trouble) = &rules.borrow_and_update().trouble {
    ///             eprintln!("the rules that are in force are older ones: {trouble}");
    ///         }
    ///         if rules.changed().await.is_err() {
    ///             return;
    ///         }
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If there are no rules to begin with: the file is broken or missing, and no last good set was
    /// kept. It is followed even so, and comes into force once it is right.
    ///
    /// # Cancel safety
    /// Dropped before it is ready the file is followed all the same.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn watch_file(
        &self,
        path: impl Into<PathBuf>,
    ) -> Result<watch::Receiver<Standing>, Arc<Trouble>> {
        let inner = Arc::downgrade(&self.0);
        let known = move |path: &str| Self(inner.upgrade()?).facts_of(path);
        let source = FileSource::new(path).with_methods(known);
        let name = source.name().into();
        let mut standing = self.watch(source);
        let heard = |standing: &Standing| standing.rules.is_some() || standing.trouble.is_some();
        let Ok(first) = standing.wait_for(heard).await.map(|first| first.clone()) else {
            return Ok(standing); // the runtime is ending
        };
        let is_without_rules = first.rules.is_none();
        self.hear(name, &first);
        match first.trouble {
            Some(trouble) if is_without_rules => Err(trouble),
            _ => Ok(standing),
        }
    }

    /// Follows a source of rules for as long as this exists, and tells how it stands.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn watch(&self, source: impl Source + 'static) -> watch::Receiver<Standing> {
        let name: Arc<str> = source.name().into();
        let (sender, standing) = watch::channel(Standing::default());
        tokio::spawn(follow(source, sender));
        tokio::spawn(obey(
            Arc::downgrade(&self.0),
            self.0.alive.subscribe(),
            name,
            standing.clone(),
        ));
        standing
    }

    /// Goes back to what a source said before: to that version, or the one before what is in force. It
    /// holds until the source says something else. A file's name is its path, as it was given.
    ///
    /// # Errors
    /// There is no such version, or no such source.
    pub fn roll_back(&self, source: &str, to: Option<u64>, by: &str) -> Result<u64, NoSuchVersion> {
        let mut said = lock(&self.0.said);
        let Said { sources, .. } = &mut *said;
        let Some(history) = sources.get_mut(source) else {
            return Err(NoSuchVersion::of_source(source, sources.keys().cloned()));
        };
        let version = history.roll_back(to, by, Moment::now())?.number;
        drop(said);
        self.renew();
        Ok(version)
    }

    /// The versions of what a source said that are kept, the latest first; none if it said nothing yet. A
    /// file's name is its path, as it was given.
    pub fn history(&self, source: &str) -> Vec<Version> {
        let said = lock(&self.0.said);
        said.sources
            .get(source)
            .map(|history| history.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// What is wrong with sources at present; what they said before is still in force.
    pub fn troubles(&self) -> Vec<Arc<Trouble>> {
        lock(&self.0.said).troubles.values().cloned().collect()
    }

    /// The same, each with whether its source has said anything before.
    pub(super) fn troubled(&self) -> Vec<(Arc<Trouble>, bool)> {
        let said = lock(&self.0.said);
        let troubles = said.troubles.iter();
        troubles.map(|(name, it)| (it.clone(), said.sources.contains_key(name))).collect()
    }

    /// Sources from which somebody has gone back to an earlier version.
    pub(super) fn gone_back(&self) -> Vec<(Arc<str>, Version)> {
        let said = lock(&self.0.said);
        let current = said.sources.iter().filter_map(|(name, it)| Some((name, it.current()?)));
        let back = current.filter(|(_, version)| version.again.is_some());
        back.map(|(name, version)| (name.clone(), version.clone())).collect()
    }

    /// What is in force for a method (`"shop.Inventory/price"`), for each of a service
    /// (`"shop.Inventory"`) or for all that this process calls and serves (`""`), who says so, and what was
    /// refused: for a person.
    pub fn explain(&self, path: &str) -> String {
        explain::explained(self, path, Moment::now())
    }

    /// The method at this target, with its machines. Who calls it keeps it.
    pub(crate) fn client(
        &self,
        target: &Arc<str>,
        about: About,
        base: &Arc<RuleSet>,
    ) -> Arc<ClientMethod> {
        let budget = {
            let mut budgets = lock(&self.0.budgets);
            budgets
                .get_or_insert(target.clone(), || {
                    Budget::new(BudgetSettings::DEFAULT, Moment::now())
                })
                .0
        };
        let said = base.said_of(Side::Client, &about.path);
        let key = (target.clone(), about.path.clone(), said);
        let known = about.known.get().cloned();
        // Its rules are in force before anybody else can find it.
        let make = || {
            let method = ClientMethod::new(target.clone(), about, base.clone(), &budget);
            self.renew_client(&method);
            method
        };
        let (method, is_new) = lock(&self.0.clients).get_or_insert(key, make);
        if !is_new
            && let Some(known) = known
            && method.about.known.set(known).is_ok()
        {
            self.renew_client(&method);
        }
        method
    }

    /// Methods that are served from now on at this address, by a server of this runtime.
    pub(crate) fn serve(&self, at: &str, methods: Vec<Arc<ServerMethod>>) -> Listed {
        *lock(&self.0.runtime) = Some(Handle::current());
        let listed = Listed::new(self.clone(), at, methods.clone());
        methods.iter().for_each(|method| self.renew_server(method));
        listed
    }

    pub(super) fn served(&self) -> &Served {
        &self.0.servers
    }

    /// Every target's method of this path.
    pub(super) fn clients_of(&self, path: &str) -> Vec<Arc<ClientMethod>> {
        let clients = lock(&self.0.clients);
        let of_path = clients.things.iter().filter(|((_, own, _), _)| own == path);
        let mut methods: Vec<_> = of_path.filter_map(|(_, method)| method.upgrade()).collect();
        methods.sort_by(|one, other| one.target.cmp(&other.target));
        methods
    }

    /// What all sources say, the people at the switches last, for as long as `look` looks at it.
    pub(super) fn with_sets<T>(&self, look: impl FnOnce(&[&RuleSet]) -> T) -> T {
        let said = lock(&self.0.said);
        let sources = said.sources.values().filter_map(History::current);
        let sets = sources.map(|version| &*version.rules).chain([said.switches.overrides.as_set()]);
        look(&sets.collect::<Vec<_>>())
    }

    /// The methods that this process calls, or those that it serves.
    pub(super) fn paths(&self, side: Side) -> Vec<String> {
        match side {
            Side::Client => {
                let clients = lock(&self.0.clients);
                let used = clients.things.iter().filter(|(_, method)| method.strong_count() > 0);
                used.map(|((_, path, _), _)| path.to_string()).collect()
            }
            Side::Server => {
                self.0.servers.all().iter().map(|method| method.path.to_string()).collect()
            }
        }
    }

    /// Those of services that are known in full: all that are served, and those called by a stub.
    pub(super) fn known_paths(&self, side: Side) -> Vec<String> {
        if side == Side::Server {
            return self.paths(side);
        }
        let clients = lock(&self.0.clients);
        let used = clients.things.values().filter_map(Weak::upgrade);
        let known = used.filter(|method| method.about.known.get().is_some());
        known.map(|method| method.about.path.to_string()).collect()
    }

    /// The level of this process, and who says so.
    pub(super) fn level(&self) -> Option<(u8, Origin)> {
        self.resolve(Side::Client, "", &Rules::NONE, &RuleSet::empty(Strength::Attribute, BUILDER))
            .level
    }

    /// What is known of the method of this path, once somebody calls it by a generated client.
    pub(super) fn facts_of(&self, path: &str) -> Option<MethodFacts> {
        let method = self.clients_of(path).pop()?;
        method.about.known.get().map(|known| known.facts)
    }

    /// What is in force for a client's method.
    pub(super) fn resolve_client(&self, method: &ClientMethod) -> Resolved {
        self.resolve(Side::Client, &method.about.path, method.about.attribute(), &method.base)
    }

    /// What is in force for a server's method.
    pub(super) fn resolve_server(&self, method: &ServerMethod) -> Resolved {
        self.resolve(Side::Server, &method.path, &Rules::NONE, &method.base)
    }

    /// Who would decide `key` for each method of a service, if these were the switches.
    pub(super) fn decisions_with(
        &self,
        side: Side,
        service: &str,
        key: RuleKey,
        switches: &Overrides,
    ) -> Vec<Decision> {
        let is_of = |path: &str| path.split_once('/').is_some_and(|(name, _)| name == service);
        let decided = |path: &str, attribute: &Rules, base: &RuleSet| {
            let resolved = self.resolve_with(side, path, attribute, base, Some(switches));
            resolved.decision(key).cloned()
        };
        match side {
            Side::Client => {
                let clients = lock(&self.0.clients);
                let clients: Vec<_> = clients.things.values().filter_map(Weak::upgrade).collect();
                let of_service = clients.iter().filter(|method| is_of(&method.about.path));
                of_service
                    .filter_map(|it| decided(&it.about.path, it.about.attribute(), &it.base))
                    .collect()
            }
            Side::Server => {
                let servers = self.0.servers.all();
                let of_service = servers.iter().filter(|method| is_of(&method.path));
                of_service.filter_map(|it| decided(&it.path, &Rules::NONE, &it.base)).collect()
            }
        }
    }

    fn resolve(&self, side: Side, path: &str, attribute: &Rules, base: &RuleSet) -> Resolved {
        self.resolve_with(side, path, attribute, base, None)
    }

    /// What is in force, with these switches or those that are thrown.
    fn resolve_with(
        &self,
        side: Side,
        path: &str,
        attribute: &Rules,
        base: &RuleSet,
        switches: Option<&Overrides>,
    ) -> Resolved {
        let said = lock(&self.0.said);
        let sources = said.sources.values().filter_map(History::current);
        let mut sets = vec![base];
        sets.extend(sources.map(|version| &*version.rules));
        sets.push(switches.unwrap_or(&said.switches.overrides).as_set());
        resolve(side, path, attribute, &sets)
    }

    /// Tells everyone that something else may be in force.
    pub(super) fn renew(&self) {
        let clients: Vec<_> =
            lock(&self.0.clients).things.values().filter_map(Weak::upgrade).collect();
        clients.iter().for_each(|method| self.renew_client(method));
        self.0.servers.all().iter().for_each(|method| self.renew_server(method));
    }

    fn renew_client(&self, method: &ClientMethod) {
        let forced = || lock(&self.0.said).switches.forced.get(&*method.about.path).cloned();
        method.renew(|| (self.resolve_client(method), forced()), Moment::now());
    }

    fn renew_server(&self, method: &ServerMethod) {
        method.renew(|| self.resolve_server(method), Moment::now());
        self.measure();
    }

    /// A source stands like this now.
    fn hear(&self, name: Arc<str>, standing: &Standing) {
        let mut said = lock(&self.0.said);
        match &standing.trouble {
            Some(trouble) => said.troubles.insert(name.clone(), trouble.clone()),
            None => said.troubles.remove(&name),
        };
        if let Some(rules) = &standing.rules {
            let history = said.sources.entry(name.clone()).or_default();
            history.hear(rules, &name, Moment::now());
        }
        if let Some(Trouble::Refused(_)) = standing.trouble.as_deref()
            && let Some(history) = said.sources.get_mut(&name)
        {
            history.hear_nonsense();
        }
        drop(said);
        self.renew();
    }
}

/// Puts in force what a source says, for as long as there is somebody to obey.
async fn obey(
    inner: Weak<Inner>,
    mut alive: watch::Receiver<()>,
    name: Arc<str>,
    mut standing: watch::Receiver<Standing>,
) {
    loop {
        tokio::select! {
            changed = standing.changed() => if changed.is_err() { return },
            _ = alive.changed() => return,
        }
        let Some(inner) = inner.upgrade() else { return };
        let now = standing.borrow_and_update().clone();
        Governance(inner).hear(name.clone(), &now);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Governance {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Governance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(lock(&self.0.said).sources.keys()).finish()
    }
}
