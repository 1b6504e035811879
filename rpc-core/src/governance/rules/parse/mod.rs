//! From a document to a set of rules: all of it, or all that is wrong with it.
//!
//! Nothing is skipped that is not understood. A key that one side ignores, or a misspelt entry that
//! no method ever looks at, would read as if it were in force.

mod reader;
mod values;

use std::sync::Arc;

use self::reader::{Reader, described};
use super::document::{self, Field, Node, Syntax, Value};
use super::keys::{Side, names};
use super::mistake::{Mistake, Mistakes, Wrong};
use super::set::{Entry, RuleSet, Section, Strength, Target};
use super::suggest::{listed, meant, nearest};
use super::types::{ConcurrencyRule, FallbackRule, HedgeAfter, RuleKey, Rules, Setting};
use super::units::{Written, quoted};

/// What has to be known of a method to say whether a rule fits it.
///
/// It is asked of entries for one method only. In an entry for many, `hedge` is meant for those of them
/// that are idempotent, and whoever runs a call has to see to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodFacts {
    /// Calling it twice is as good as calling it once.
    pub idempotent: bool,
    /// It is never answered.
    pub oneway: bool,
    /// What it returns has a `Default`.
    pub returns_default: bool,
}

/// Finds what is known of the method of this path. One that is not known is not checked: it may be
/// another program's.
pub type Catalogue<'a> = &'a dyn Fn(&str) -> Option<MethodFacts>;

/// A path, `service/method`, is at most this long on the wire.
const MAX_PATH_BYTES: usize = 255;

impl RuleSet {
    /// Reads what the source of this name says.
    ///
    /// # Errors
    /// Everything that is wrong with it; then none of it is to be used.
    pub fn parse(
        strength: Strength,
        source: impl Into<Arc<str>>,
        syntax: Syntax,
        text: &str,
        methods: Option<Catalogue<'_>>,
    ) -> Result<Self, Mistakes> {
        let source = source.into();
        let root = document::read(&source, syntax, text)?;
        let mut reader = Reader::of(&source, strength, methods);
        let mut set = Self::empty(strength, source.clone());
        sides(&mut reader, &root, &mut set);
        match Mistakes::found(reader.mistakes) {
            Some(mistakes) => Err(mistakes),
            None => Ok(set),
        }
    }
}

/// Reads one value as a person types it at a console: `200ms`, `"200ms"`, `{ attempts = 3 }`.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn one(
    source: &Arc<str>,
    side: Side,
    target: &str,
    key: &str,
    value: &str,
    methods: Option<Catalogue<'_>>,
) -> Result<(Target, RuleKey, Rules), Mistakes> {
    let node = typed(value).map_err(|(problem, column)| {
        let problem = format!("{problem}, at character {column} of {}", quoted(value));
        wrong_switch(source, side, &[target, key], Wrong::new(problem))
    })?;
    let place = node.place;
    let field = |name: &str, node| Field { name: name.to_owned(), place, node };
    let table = |field| Node { value: Value::Table(vec![field]), place };
    let entry = field(target, table(field(key, node)));
    let mut reader = Reader::of(source, Strength::Console, methods);
    let mut section = Section::default();
    reader.inside(side.name(), |reader| named_entry(reader, side, &entry, &mut section));
    let nowhere = |mistake| Mistake { place: None, ..mistake };
    let mistakes = reader.mistakes.into_iter().map(nowhere).collect();
    if let Some(mistakes) = Mistakes::found(mistakes) {
        return Err(mistakes);
    }
    let said = section.entries().find_map(|(target, entry)| {
        let key = entry.rules().keys().next()?;
        Some((target.clone(), key, entry.rules().clone()))
    });
    Ok(said.expect("what has no mistakes says something"))
}

/// Reads what a switch is about, as a person types it.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn named(
    source: &Arc<str>,
    side: Side,
    target: &str,
    key: &str,
) -> Result<(Target, RuleKey), Mistakes> {
    let refused = |names: &[&str], wrong| wrong_switch(source, side, names, wrong);
    let about = self::target(target).map_err(|wrong| refused(&[target], wrong))?;
    let is_cap = about == Target::Caps;
    let key = RuleKey::named(key)
        .ok_or_else(|| {
            let known = known_keys(side, is_cap);
            let near = meant(key, &known).map(|near| format!("`{near}`"));
            Wrong::new("there is no such key").meant(near).expected(listed(&known))
        })
        .and_then(|key| out_of_place(side, is_cap, key).map_or(Ok(key), Err))
        .map_err(|wrong| refused(&[target, key], wrong))?;
    Ok((about, key))
}

/// What is wrong with a switch, at the key that these names lead to.
fn wrong_switch(source: &Arc<str>, side: Side, names: &[&str], wrong: Wrong) -> Mistakes {
    let Wrong { problem, meant, expected } = wrong;
    let mut field = side.name().to_owned();
    names.iter().for_each(|name| field.push_str(&format!(".{}", as_key(name))));
    let (source, place) = (source.clone(), None);
    Mistakes::only(Mistake { source, place, field, problem, meant, expected })
}

/// The keys that an entry may have.
fn known_keys(side: Side, is_cap: bool) -> Vec<&'static str> {
    names(|key| key.is_for(side) && (!is_cap || key.can_be_capped()))
}

/// Why such an entry can't have this key, if it can't.
fn out_of_place(side: Side, is_cap: bool, key: RuleKey) -> Option<Wrong> {
    let name = key.name();
    let problem = match () {
        () if !key.is_for(side) => format!("`{name}` is for clients, this is a server's"),
        () if is_cap && !key.can_be_capped() => format!("a cap can't bound `{name}`"),
        () => return None,
    };
    Some(Wrong::new(problem).expected(listed(&known_keys(side, is_cap))))
}

/// A value in TOML or JSON, or a word without its quotes.
///
/// # Errors
/// What is wrong with it, and at which character.
fn typed(value: &str) -> Result<Node, (String, u32)> {
    const BEFORE: &str = "value = ";
    let source = &Arc::from("");
    let first = |mistakes: Mistakes| {
        let mistake = mistakes.iter().next();
        let problem = mistake.map(|mistake| mistake.problem.clone()).unwrap_or_default();
        let column = mistake.and_then(|mistake| mistake.place).map_or(1, |place| place.column);
        let before = u32::try_from(BEFORE.len()).unwrap_or(0);
        (problem, column.saturating_sub(before).max(1))
    };
    let only = |node: Node| match node.value {
        Value::Table(mut fields) if fields.len() == 1 => fields.pop().map(|field| field.node),
        _ => None,
    };
    let toml = document::read(source, Syntax::Toml, &format!("{BEFORE}{value}"));
    let json = document::read(source, Syntax::Json, &format!("{{\"value\":{value}}}"));
    match (toml.map(only), json.map(only)) {
        (Ok(Some(node)), _) | (_, Ok(Some(node))) => Ok(node),
        (Err(mistakes), _) if value.starts_with(['{', '[', '"', '\'']) => Err(first(mistakes)),
        _ => {
            let place = super::mistake::Place { line: 1, column: 1 };
            Ok(Node { value: Value::Text(value.to_owned()), place })
        }
    }
}

fn sides(reader: &mut Reader<'_>, root: &Node, set: &mut RuleSet) {
    let Value::Table(fields) = &root.value else {
        let wrong = Wrong::new(format!("{} holds no rules", described(&root.value)));
        return reader.refuse(root.place, wrong.expected("a table of `client` and `server`"));
    };
    for field in fields {
        if reader.has_enough() {
            break;
        }
        let side = [Side::Client, Side::Server].into_iter().find(|side| side.name() == field.name);
        reader.inside(&field.name, |reader| match (side, &field.node.value) {
            (Some(side), Value::Table(entries)) => {
                section(reader, side, entries, set.side_mut(side));
            }
            (Some(side), other) => {
                let wrong = Wrong::new(format!("{} holds no rules", described(other)));
                let expected = format!("entries, as in [{side}.defaults]");
                reader.refuse(field.node.place, wrong.expected(expected));
            }
            (None, _) => reader.refuse(field.place, neither_side(&field.name)),
        });
    }
}

fn neither_side(name: &str) -> Wrong {
    let meant = match nearest(name, &["client", "server"]) {
        Some(near) => Some(format!("`{near}`")),
        None if RuleKey::named(name).is_some_and(|key| key.is_for(Side::Server)) => {
            Some(format!("`{name}` in [client.defaults] or in [server.defaults]"))
        }
        None if RuleKey::named(name).is_some() => Some(format!("`{name}` in [client.defaults]")),
        None if target(name).is_ok() => Some(format!("[client.{}]", as_key(name))),
        None => None,
    };
    Wrong::new("rules are a client's or a server's").meant(meant).expected("`client` or `server`")
}

/// What is said about one side.
fn section(reader: &mut Reader<'_>, side: Side, fields: &[Field], section: &mut Section) {
    for field in fields {
        if reader.has_enough() {
            break;
        }
        if field.name != "level" {
            named_entry(reader, side, field, section);
            continue;
        }
        reader.inside("level", |reader| match side {
            Side::Client => {
                let level = values::level(reader, &field.node, 0);
                section.level = level.map(|level| (level, reader.origin(field.place)));
            }
            Side::Server => {
                let wrong = Wrong::new("only clients have a level: it is about their fallbacks");
                reader.refuse(field.place, wrong.meant(Some("[client] level")));
            }
        });
    }
    section.tidy();
}

/// What is said of the target that a field names.
fn named_entry(reader: &mut Reader<'_>, side: Side, field: &Field, section: &mut Section) {
    reader.inside(&field.name, |reader| {
        let target = match (&field.node.value, target(&field.name)) {
            (Value::Table(_), Ok(target)) => target,
            (Value::Table(_), Err(wrong)) => return reader.refuse(field.place, wrong),
            (other, _) => return reader.refuse(field.place, no_entry(side, &field.name, other)),
        };
        let Value::Table(fields) = &field.node.value else { return };
        let mut read = Entry::default();
        entry(reader, side, &target, &field.name, fields, &mut read);
        for key in read.rules().keys() {
            if let Some(origin) = read.origin(key) {
                section.entry_mut(target.clone()).say(key, read.rules(), origin.clone());
            }
        }
    });
}

fn no_entry(side: Side, name: &str, value: &Value) -> Wrong {
    if RuleKey::named(name).is_some() {
        return Wrong::new(format!("`{name}` stands outside of an entry"))
            .meant(Some(format!("[{side}.defaults]")))
            .expected(format!("an entry around it, as in [{side}.\"shop.Inventory\"]"));
    }
    let near = match side {
        Side::Client => nearest(name, &["level"]).map(|near| format!("`{near}`")),
        Side::Server => None,
    };
    Wrong::new(format!("{} is no entry", described(value)))
        .meant(near)
        .expected("a table of rules, for `defaults`, `caps`, a service or a method")
}

/// Which methods an entry of this name is about.
fn target(name: &str) -> Result<Target, Wrong> {
    const NAMES: &str = "`defaults`, `caps`, a service, as in \"shop.Inventory\", or a method, as in \
                         \"shop.Inventory/price\" or \"shop.Inventory/*\"";
    const RESERVED: [&str; 3] = ["defaults", "caps", "level"];
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let is_service = |name: &str| name.split('.').all(is_word);
    let refuse = |problem: String| Wrong::new(problem).expected(NAMES);
    if name.len() > MAX_PATH_BYTES {
        return Err(refuse(format!("a name of {} bytes is longer than any", name.len())));
    }
    match (name, name.split_once('/')) {
        ("defaults", _) => Ok(Target::Defaults),
        ("caps", _) => Ok(Target::Caps),
        ("*", _) => {
            Err(refuse("\"*\" alone names no service".to_owned()).meant(Some("`defaults`")))
        }
        (_, Some((service, "*"))) if is_service(service) => Ok(Target::Methods(service.to_owned())),
        (_, Some((service, method))) if is_service(service) && is_word(method) => {
            Ok(Target::Method(name.to_owned()))
        }
        (_, Some((service, ""))) if is_service(service) => {
            let meant = format!("\"{service}\" or \"{service}/*\"");
            Err(refuse(format!("{} names no method", quoted(name))).meant(Some(meant)))
        }
        (_, None) => {
            match nearest(name, &RESERVED) {
                // A service of that name would be a wonder, a slip is not.
                Some(near) => Err(refuse(format!("{} is no service", quoted(name)))
                    .meant(Some(format!("`{near}`")))),
                None if is_service(name) => Ok(Target::Service(name.to_owned())),
                None => {
                    // "shop.*", all services of a package, is not to be had.
                    let last =
                        |name: &str| name.rsplit('.').next().and_then(|it| it.chars().next());
                    let is_type = |name: &str| last(name).is_some_and(char::is_uppercase);
                    let meant = name.strip_suffix(".*").or(name.strip_suffix('*'));
                    let meant = meant.filter(|service| is_service(service) && is_type(service));
                    let meant = meant.map(|service| format!("\"{service}/*\""));
                    let why = match name.contains('*') {
                        true => ": `*` stands for the methods of one service",
                        false => "",
                    };
                    Err(refuse(format!("{} names no service{why}", quoted(name))).meant(meant))
                }
            }
        }
        _ => {
            let meant = name.trim().trim_matches('/').replace("::", ".").replace(' ', "");
            let meant = Some(meant).filter(|meant| meant != name && target(meant).is_ok());
            let meant = meant.map(|meant| format!("\"{meant}\""));
            Err(refuse(format!("{} names no method", quoted(name))).meant(meant))
        }
    }
}

fn entry(
    reader: &mut Reader<'_>,
    side: Side,
    target: &Target,
    name: &str,
    fields: &[Field],
    entry: &mut Entry,
) {
    let is_cap = *target == Target::Caps;
    let known = known_keys(side, is_cap);
    for field in fields {
        if reader.has_enough() {
            break;
        }
        reader.inside(&field.name, |reader| match RuleKey::named(&field.name) {
            Some(key) => {
                if let Some(wrong) = out_of_place(side, is_cap, key) {
                    return reader.refuse(field.place, wrong);
                }
                let mut rules = Rules::NONE;
                match is_cap {
                    true => values::read_cap(reader, side, key, &field.node, &mut rules),
                    false => values::read(reader, side, key, &field.node, &mut rules),
                }
                if rules.written(key).is_some() {
                    entry.say(key, &rules, reader.origin(field.place));
                }
            }
            None => reader.refuse(field.place, unknown_key(side, name, field, &known)),
        });
    }
    if !is_cap {
        check(reader, target, fields, entry.rules());
    }
}

fn unknown_key(side: Side, entry: &str, field: &Field, known: &[&str]) -> Wrong {
    let near = meant(&field.name, known).map(|near| format!("`{near}`"));
    let meant = near.or_else(|| match &field.node.value {
        Value::Table(_) if matches!(entry, "defaults" | "caps") => None,
        Value::Table(inner) => Some(format!("[{side}.{}]", unquoted(entry, &field.name, inner))),
        _ => None,
    });
    Wrong::new("there is no such key").meant(meant).expected(listed(known))
}

/// The name that was taken apart because it has no quotes: `[client.shop.Inventory]` is an
/// `Inventory` in a `shop`.
fn unquoted(outer: &str, name: &str, inner: &[Field]) -> String {
    let is_type = name.starts_with(|letter: char| letter.is_ascii_uppercase());
    let joint =
        if is_type || !outer.contains('.') && inner.iter().all(is_table) { '.' } else { '/' };
    let joined = format!("{outer}{joint}{name}");
    match inner {
        [only] if RuleKey::named(&only.name).is_none() => match &only.node.value {
            Value::Table(fields) if joined.len() < MAX_PATH_BYTES => {
                unquoted(&joined, &only.name, fields)
            }
            _ => as_key(&joined),
        },
        _ => as_key(&joined),
    }
}

fn is_table(field: &Field) -> bool {
    matches!(field.node.value, Value::Table(_)) && RuleKey::named(&field.name).is_none()
}

/// A name as TOML needs it.
fn as_key(name: &str) -> String {
    let is_bare = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// What an entry's keys say against each other, and against what is known of the method.
fn check(reader: &mut Reader<'_>, target: &Target, fields: &[Field], rules: &Rules) {
    let mut refuse = |key: RuleKey, wrong: Wrong| {
        if let Some(field) = fields.iter().find(|field| field.name == key.name()) {
            reader.inside(key.name(), |reader| reader.refuse(field.node.place, wrong));
        }
    };
    let timeout = rules.timeout.as_ref().and_then(Setting::on);
    if let (Some(timeout), Some(per_try)) = (timeout, rules.per_try.as_ref().and_then(Setting::on))
        && per_try > timeout
    {
        let (per_try, timeout) = (Written(*per_try), Written(*timeout));
        let problem = format!("no try gets {per_try} of a `timeout` of {timeout}");
        refuse(RuleKey::PerTry, Wrong::new(problem).expected(format!("at most \"{timeout}\"")));
    }
    let hedge = rules.hedge.as_ref().and_then(Setting::on);
    if let (Some(timeout), Some(HedgeAfter::Delay(after))) =
        (timeout, hedge.map(|hedge| hedge.after))
        && after >= *timeout
    {
        let (after, timeout) = (Written(after), Written(*timeout));
        let problem = format!("no hedge ever begins after {after} of a `timeout` of {timeout}");
        refuse(RuleKey::Hedge, Wrong::new(problem).expected(format!("less than \"{timeout}\"")));
    }
    let per_try = rules.per_try.as_ref().and_then(Setting::on);
    if let (Some(per_try), Some(HedgeAfter::Delay(after))) =
        (per_try, hedge.map(|hedge| hedge.after))
        && after >= *per_try
        && timeout.is_none_or(|timeout| after < *timeout)
    {
        let (after, per_try) = (Written(after), Written(*per_try));
        let problem = format!("no hedge ever begins after {after} of a `per_try` of {per_try}");
        refuse(RuleKey::Hedge, Wrong::new(problem).expected(format!("less than \"{per_try}\"")));
    }
    let backoff = rules.retry.as_ref().and_then(Setting::on).map(|retry| retry.backoff);
    if let (Some(timeout), Some(backoff)) = (timeout, backoff)
        && backoff / 2 >= *timeout
    {
        let (backoff, timeout) = (Written(backoff), Written(*timeout));
        let problem = format!(
            "no retry comes after a pause of half of {backoff} or more, of a `timeout` of {timeout}"
        );
        let expected = "a `backoff` that leaves time for another attempt";
        refuse(RuleKey::Retry, Wrong::new(problem).expected(expected));
    }
    let slow = rules.breaker.as_ref().and_then(Setting::on).filter(|it| it.slow_rate.is_some());
    if let (Some(timeout), Some(slow)) = (timeout, slow.map(|breaker| breaker.slow))
        && slow > *timeout
    {
        let (slow, timeout) = (Written(slow), Written(*timeout));
        let problem = format!("no call takes {slow} with a `timeout` of {timeout}");
        let expected = format!("a `slow` of at most \"{timeout}\"");
        refuse(RuleKey::Breaker, Wrong::new(problem).expected(expected));
    }
    let limit = rules.limit.as_ref().and_then(Setting::on).map(|limit| limit.wait);
    let concurrency = rules.concurrency.as_ref().and_then(Setting::on);
    let concurrency = concurrency.and_then(|concurrency| match concurrency {
        ConcurrencyRule::Fixed { wait, .. } => Some(*wait),
        ConcurrencyRule::Adaptive => None,
    });
    for (key, wait) in [(RuleKey::Limit, limit), (RuleKey::Concurrency, concurrency)] {
        if let (Some(timeout), Some(wait)) = (timeout, wait)
            && wait > *timeout
        {
            let (wait, timeout) = (Written(wait), Written(*timeout));
            let problem = format!("no call waits {wait} with a `timeout` of {timeout}");
            refuse(key, Wrong::new(problem).expected(format!("a `wait` of at most \"{timeout}\"")));
        }
    }
    let Target::Method(path) = target else { return };
    let Some(facts) = reader.methods.and_then(|methods| methods(path)) else { return };
    let mut refuse = |key: RuleKey, wrong: Wrong| {
        if let Some(field) = fields.iter().find(|field| field.name == key.name()) {
            reader.inside(key.name(), |reader| reader.refuse(field.node.place, wrong));
        }
    };
    if facts.oneway {
        let needless = [RuleKey::PerTry, RuleKey::Retry, RuleKey::Hedge, RuleKey::Fallback];
        for key in needless.into_iter().filter(|key| rules.is_on(*key)) {
            let wrong = Wrong::new("this method is one-way: nobody learns whether this is needed");
            refuse(key, wrong.expected("\"off\""));
        }
        return;
    }
    if hedge.is_some() && !facts.idempotent {
        let wrong = Wrong::new("a hedge calls twice, and this method is not marked `idempotent`");
        refuse(RuleKey::Hedge, wrong.expected("\"off\", or `idempotent` in its attribute"));
    }
    let fallback = rules.fallback.as_ref().and_then(Setting::on);
    if fallback == Some(&FallbackRule::Default) && !facts.returns_default {
        let wrong = Wrong::new(
            "this method's attribute has no `fallback = \"default\"`, and only that can bring one",
        );
        refuse(RuleKey::Fallback, wrong.expected("\"off\" or { last_good = \"30s\" }"));
    }
}
