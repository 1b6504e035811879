//! What one source says: of which methods, on which side, and under which bounds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::keys::Side;
use super::mistake::Place;
use super::suggest::nearest;
use super::types::{RuleKey, Rules};
use super::words::Quoted;
use crate::governance::Moment;

/// How much a source's word counts: a later one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// The method's attribute.
    Attribute,
    /// A file.
    File,
    /// A registry's key-value store.
    Registry,
    /// A person, at the console or the command line.
    Console,
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attribute => "attribute",
            Self::File => "file",
            Self::Registry => "registry",
            Self::Console => "console",
        })
    }
}

/// Who said something, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// How much it counts.
    pub strength: Strength,
    /// `rules.toml`, `console (anna)`.
    pub source: Arc<str>,
    /// Where in it, if it has lines.
    pub place: Option<Place>,
    /// When it falls away.
    pub expires: Option<Moment>,
}

impl Origin {
    /// The method's attribute.
    pub fn attribute() -> Self {
        let source = "attribute".into();
        Self { strength: Strength::Attribute, source, place: None, expires: None }
    }

    /// `, expires in 12 min`, if it does.
    pub(crate) fn expiry(&self, now: Moment) -> String {
        let left = self.expires.map(|expires| in_words(expires.since(now)));
        left.map(|left| format!(", expires in {left}")).unwrap_or_default()
    }
}

/// `rules.toml:8`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        match self.place {
            Some(place) => write!(f, ":{}", place.line),
            None => Ok(()),
        }
    }
}

/// Which methods an entry is about, from the least specific to the most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `defaults`: every method of every service.
    Defaults,
    /// `"shop.Inventory"`: every method of it.
    Service(String),
    /// `"shop.Inventory/*"`: the same, but it counts as if each method had been named.
    Methods(String),
    /// `"shop.Inventory/price"`: one method.
    Method(String),
    /// `caps`: what bounds all the others.
    Caps,
}

impl Target {
    /// Whether it is about some of the methods of these paths.
    pub(crate) fn is_about_any(&self, paths: &[String]) -> bool {
        let service = |path: &str| path.split_once('/').map_or(path.len(), |(name, _)| name.len());
        match self {
            Self::Defaults | Self::Caps => true,
            Self::Service(name) | Self::Methods(name) => {
                paths.iter().any(|path| path[..service(path)] == **name)
            }
            Self::Method(name) => paths.contains(name),
        }
    }

    /// What it should have been about, if it is about none of the methods of these paths, but about
    /// something like them.
    pub(crate) fn meant<'a>(&self, paths: &'a [String]) -> Option<&'a str> {
        let service_of = |path: &'a str| path.split_once('/').map_or(path, |(service, _)| service);
        let services: Vec<_> = paths.iter().map(|path| service_of(path)).collect();
        // The method alone, or after a dot; the service without what it belongs to.
        let named_in_part = |name: &str| {
            let is_method = |path: &&str| {
                path.split_once('/').is_some_and(|(service, method)| {
                    name == method || name.strip_suffix(method) == Some(&format!("{service}."))
                })
            };
            let is_service = |service: &&&str| {
                service.strip_suffix(name).is_some_and(|package| package.ends_with('.'))
            };
            let method = paths.iter().map(String::as_str).find(is_method);
            method.or_else(|| services.iter().find(is_service).copied())
        };
        match self {
            Self::Defaults | Self::Caps => None,
            Self::Service(name) | Self::Methods(name) => {
                let is_known = services.contains(&name.as_str());
                let meant = || named_in_part(name).or_else(|| nearest(name, &services));
                if is_known { None } else { meant() }
            }
            Self::Method(name) if paths.contains(name) => None,
            Self::Method(name) => {
                let paths: Vec<_> = paths.iter().map(String::as_str).collect();
                let service = name.split_once('/').map_or(&**name, |(service, _)| service);
                let of_service = paths.iter().find(|path| service_of(path) == service);
                nearest(name, &paths).or_else(|| of_service.copied())
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("defaults"),
            Self::Service(name) | Self::Method(name) => write!(f, "{}", Quoted(name)),
            Self::Methods(service) => write!(f, "\"{service}/*\""),
            Self::Caps => f.write_str("caps"),
        }
    }
}

/// What is said of a target, and who said each key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    rules: Rules,
    origins: BTreeMap<RuleKey, Origin>,
}

impl Entry {
    /// What is said.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Who said `key`.
    pub fn origin(&self, key: RuleKey) -> Option<&Origin> {
        self.origins.get(&key)
    }

    /// Says what `rules` say of `key`, and nothing if they don't.
    pub(crate) fn say(&mut self, key: RuleKey, rules: &Rules, origin: Origin) {
        self.rules.take(key, rules);
        self.origins.insert(key, origin);
    }

    /// Says nothing of `key` any more; whether it did.
    pub(crate) fn forget(&mut self, key: RuleKey) -> bool {
        self.rules.take(key, &Rules::NONE);
        self.origins.remove(&key).is_some()
    }

    fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }
}

/// What one source says about one side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// `level`: from which `optional` methods are answered by their fallback.
    pub level: Option<(u8, Origin)>,
    entries: BTreeMap<Target, Entry>,
}

impl Section {
    /// What is said of `target`.
    pub fn entry(&self, target: &Target) -> Option<&Entry> {
        self.entries.get(target)
    }

    /// Everything that is said, the least specific first, caps last.
    pub fn entries(&self) -> impl Iterator<Item = (&Target, &Entry)> {
        self.entries.iter()
    }

    pub(crate) fn entry_mut(&mut self, target: Target) -> &mut Entry {
        self.entries.entry(target).or_default()
    }

    /// Forgets entries that say nothing.
    pub(crate) fn tidy(&mut self) {
        self.entries.retain(|_, entry| !entry.is_empty());
    }

    fn is_empty(&self) -> bool {
        self.level.is_none() && self.entries.is_empty()
    }
}

/// Everything that one source says. It was valid as a whole when it was read.
///
/// Its `Display` is TOML that says the same.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSet {
    strength: Strength,
    source: Arc<str>,
    client: Section,
    server: Section,
}

impl RuleSet {
    /// A source that says nothing.
    pub fn empty(strength: Strength, source: impl Into<Arc<str>>) -> Self {
        let (client, server) = (Section::default(), Section::default());
        Self { strength, source: source.into(), client, server }
    }

    /// How much it counts.
    pub fn strength(&self) -> Strength {
        self.strength
    }

    /// The source's name.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// What it says about that side.
    pub fn side(&self, side: Side) -> &Section {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// Whether the other says the same, wherever in its source.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self == other || self.to_string() == other.to_string()
    }

    /// The same, from a source of another name.
    pub(crate) fn renamed(&self, source: Arc<str>) -> Self {
        let mut set = Self { source, ..self.clone() };
        for section in [&mut set.client, &mut set.server] {
            let level = section.level.iter_mut().map(|(_, origin)| origin);
            let entries = section.entries.values_mut().flat_map(|entry| entry.origins.values_mut());
            level.chain(entries).for_each(|origin| origin.source = set.source.clone());
        }
        set
    }

    /// What it says of the method of this path, alone or among others.
    pub(crate) fn said_of(&self, side: Side, path: &str) -> String {
        let paths = [path.to_owned()];
        let entries = self.side(side).entries().filter(|(target, _)| target.is_about_any(&paths));
        entries.map(|(target, entry)| format!("[{target}]\n{}", entry.rules)).collect()
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        self.client.is_empty() && self.server.is_empty()
    }

    pub(crate) fn side_mut(&mut self, side: Side) -> &mut Section {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

impl fmt::Display for RuleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for side in [Side::Client, Side::Server] {
            let section = self.side(side);
            if let Some((level, _)) = &section.level {
                writeln!(f, "[{side}]\nlevel = {level}\n")?;
            }
            for (target, entry) in section.entries() {
                writeln!(f, "[{side}.{target}]")?;
                for key in entry.rules.keys() {
                    let words = match target {
                        Target::Caps => entry.rules.cap_words(key),
                        _ => entry.rules.words(key),
                    };
                    words.iter().try_for_each(|words| writeln!(f, "{} = {words}", key.name()))?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

/// How long until `expires`, as a person says it: `12 min`.
pub(crate) fn in_words(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..60 => format!("{} s", seconds.max(1)),
        seconds @ 60..3600 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

impl Rules {
    /// Says of `key` what `from` says.
    pub fn take(&mut self, key: RuleKey, from: &Self) {
        match key {
            RuleKey::Timeout => self.timeout = from.timeout,
            RuleKey::PerTry => self.per_try = from.per_try,
            RuleKey::Retry => self.retry = from.retry,
            RuleKey::Hedge => self.hedge = from.hedge,
            RuleKey::Limit => self.limit.clone_from(&from.limit),
            RuleKey::Concurrency => self.concurrency = from.concurrency,
            RuleKey::Breaker => self.breaker.clone_from(&from.breaker),
            RuleKey::Fallback => self.fallback.clone_from(&from.fallback),
            RuleKey::Degrade => self.degrade = from.degrade,
            RuleKey::Optional => self.optional = from.optional,
            RuleKey::Priority => self.priority = from.priority,
            RuleKey::Dark => self.dark = from.dark,
        }
    }
}
