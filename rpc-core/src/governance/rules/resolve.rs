//! What is in force for a method, of all that is said: the more specific entry wins, then the
//! stronger source; a key is taken whole; caps bound everything.
//!
//! Sources that are merged field by field surprise: a limit of 100/s with someone else's burst is
//! nobody's rule. And a strong source that wins over a more specific entry makes one line of
//! defaults in a registry undo what each method needs (seen: a default of the control plane that
//! dropped as soon as any rule was there). A source that must win over attributes for a whole
//! service says so, by `"shop.Inventory/*"`.

use std::time::Duration;

use rpc_codec::Priority;

use super::keys::Side;
use super::set::{Origin, RuleSet, Target};
use super::types::{ConcurrencyRule, LimitKind, LimitRule, Rate, RuleKey, Rules, Setting};
use super::words::PRIORITIES;
use crate::governance::fallback::Degrade;

/// What is in force for one method on one side, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Resolved {
    /// The side.
    pub side: Side,
    /// The method, `service/method`.
    pub path: String,
    /// What is in force, caps applied.
    pub rules: Rules,
    /// The caps themselves. They also bound what nobody said here: the framework's own default
    /// timeout, a call's option, an adaptive concurrency, a priority that a caller claims.
    pub caps: Rules,
    /// The level of the process, and who says so.
    pub level: Option<(u8, Origin)>,
    /// For each key of which something is said or that is capped: who decided it.
    pub decisions: Vec<Decision>,
}

/// Who decided a key.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// The key.
    pub key: RuleKey,
    /// Who said it; nobody, where only a cap says something.
    pub said: Option<Said>,
    /// The cap that cut it.
    pub capped: Option<Capped>,
    /// Who said something else, the strongest first.
    pub overruled: Vec<Said>,
}

/// Something that was said.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Said {
    /// By whom.
    pub origin: Origin,
    /// Of which methods.
    pub target: Target,
    /// What, in short.
    pub words: String,
}

/// A cap that changed what was said.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Capped {
    /// Whose cap.
    pub origin: Origin,
}

impl Resolved {
    /// Whether the method is answered by its fallback on purpose, without being called. A
    /// degradation that is dark is only counted, by whoever asks.
    pub fn is_degraded(&self) -> bool {
        let level = self.level.as_ref().map_or(0, |(level, _)| *level);
        Degrade::of(&self.rules).is_forced(level)
    }

    /// Whether `key` only counts what it would do.
    pub fn is_dark(&self, key: RuleKey) -> bool {
        matches!(self.rules.dark, Some(Setting::On(keys)) if keys.contains(key))
    }

    /// Who decided `key`.
    pub fn decision(&self, key: RuleKey) -> Option<&Decision> {
        self.decisions.iter().find(|decision| decision.key == key)
    }
}

/// What is in force for the method `path`.
///
/// `attribute` is what the method's attribute says; of that a server takes the keys that are for
/// servers. Of `sets` of the same strength the later one wins.
pub fn resolve(side: Side, path: &str, attribute: &Rules, sets: &[&RuleSet]) -> Resolved {
    let mut sets = sets.to_vec();
    sets.sort_by_key(|set| set.strength());
    let (caps, cappers) = all_caps(side, &sets);
    let level = sets.iter().rev().find_map(|set| set.side(side).level.clone());
    let mut resolved = Resolved {
        side,
        path: path.to_owned(),
        rules: Rules::NONE,
        caps,
        level,
        decisions: Vec::new(),
    };
    let spoken = spoken(side, path, attribute, &sets);
    for key in RuleKey::ALL.into_iter().filter(|key| key.is_for(side)) {
        let mut said = spoken.iter().filter_map(|voice| voice.says(key));
        let winner = said.next();
        if let Some((rules, _)) = &winner {
            resolved.rules.take(key, rules);
        }
        let overruled = said.map(|(_, said)| said).collect();
        let was_cut = cut(key, &mut resolved.rules, &resolved.caps);
        let capper = cappers.iter().find(|(capped, _)| *capped == key).filter(|_| was_cut);
        let capped = capper.map(|(_, origin)| Capped { origin: origin.clone() });
        let said = winner.map(|(_, said)| said);
        if said.is_some() || capped.is_some() {
            resolved.decisions.push(Decision { key, said, capped, overruled });
        }
    }
    resolved
}

/// What one entry says, in the order of who wins.
struct Voice<'a> {
    target: Target,
    rules: &'a Rules,
    entry: Option<&'a super::set::Entry>,
}

impl<'a> Voice<'a> {
    fn says(&self, key: RuleKey) -> Option<(&'a Rules, Said)> {
        let words = self.rules.shown(key)?;
        let origin = match self.entry {
            Some(entry) => entry.origin(key)?.clone(),
            None => Origin::attribute(),
        };
        Some((self.rules, Said { origin, target: self.target.clone(), words }))
    }
}

/// Everybody who says something of this method, the winner first.
fn spoken<'a>(
    side: Side,
    path: &str,
    attribute: &'a Rules,
    sets: &[&'a RuleSet],
) -> Vec<Voice<'a>> {
    let service = path.split_once('/').map_or(path, |(service, _)| service);
    let hear = |set: &'a RuleSet, target: Target| {
        let entry = set.side(side).entry(&target)?;
        Some(Voice { target, rules: entry.rules(), entry: Some(entry) })
    };
    let strongest_first = || sets.iter().copied().rev();
    let method = Target::Method(path.to_owned());
    let methods = Target::Methods(service.to_owned());
    // An exact entry goes before `/*` of its own source only.
    let named = strongest_first()
        .flat_map(|set| [hear(set, method.clone()), hear(set, methods.clone())])
        .flatten();
    let attribute = Voice { target: method.clone(), rules: attribute, entry: None };
    let service =
        strongest_first().filter_map(|set| hear(set, Target::Service(service.to_owned())));
    let defaults = strongest_first().filter_map(|set| hear(set, Target::Defaults));
    named.chain([attribute]).chain(service).chain(defaults).collect()
}

/// The caps of all sources together, and whose each is. The tightest binds: a cap that a stronger
/// source could lift would be a default.
fn all_caps(side: Side, sets: &[&RuleSet]) -> (Rules, Vec<(RuleKey, Origin)>) {
    let (mut caps, mut cappers) = (Rules::NONE, Vec::new());
    for set in sets {
        let Some(entry) = set.side(side).entry(&Target::Caps) else { continue };
        for key in entry.rules().keys() {
            let Some(origin) = entry.origin(key) else { continue };
            let is_first = caps.words(key).is_none();
            if is_first {
                caps.take(key, entry.rules());
            }
            if is_first || cut(key, &mut caps, entry.rules()) {
                cappers.retain(|(capped, _)| *capped != key);
                cappers.push((key, origin.clone()));
            }
        }
    }
    (caps, cappers)
}

/// Bounds `key` of `rules` by `caps`; whether that changed it.
///
/// What nobody said stays unsaid where that means less than any cap (no retry, no hedge) or where
/// the framework's default is still to come (timeout, priority). It becomes the cap where it would
/// mean no bound at all.
fn cut(key: RuleKey, rules: &mut Rules, caps: &Rules) -> bool {
    let before = rules.words(key);
    match key {
        RuleKey::Timeout => {
            if let (Some(said), Some(Setting::On(cap))) = (&mut rules.timeout, caps.timeout) {
                *said = Setting::On(said.on().map_or(cap, |said| cap.min(*said)));
            }
        }
        RuleKey::PerTry => {
            if let Some(Setting::On(cap)) = caps.per_try {
                let said = rules.per_try.as_ref().and_then(Setting::on);
                rules.per_try = Some(Setting::On(said.map_or(cap, |said| cap.min(*said))));
            }
        }
        RuleKey::Retry => {
            if let (Some(Setting::On(said)), Some(Setting::On(cap))) =
                (&mut rules.retry, caps.retry)
            {
                said.attempts = said.attempts.min(cap.attempts);
            }
        }
        RuleKey::Hedge => {
            if let (Some(Setting::On(said)), Some(Setting::On(cap))) =
                (&mut rules.hedge, caps.hedge)
            {
                said.max = said.max.min(cap.max);
            }
            if matches!(rules.hedge, Some(Setting::On(hedge)) if hedge.max == 0) {
                rules.hedge = Some(Setting::Off);
            }
        }
        RuleKey::Limit => {
            if let Some(Setting::On(cap)) = &caps.limit {
                match &mut rules.limit {
                    Some(Setting::On(said)) => cut_limit(said, cap),
                    other => *other = Some(Setting::On(cap.clone())),
                }
            }
        }
        RuleKey::Concurrency => {
            if let Some(Setting::On(cap)) = caps.concurrency {
                match &mut rules.concurrency {
                    Some(Setting::On(said)) => cut_concurrency(said, cap),
                    other => *other = Some(Setting::On(cap)),
                }
            }
        }
        RuleKey::Priority => {
            if let (Some(Setting::On(said)), Some(Setting::On(cap))) =
                (&mut rules.priority, caps.priority)
            {
                *said = lesser(*said, cap);
            }
        }
        RuleKey::Breaker
        | RuleKey::Fallback
        | RuleKey::Degrade
        | RuleKey::Optional
        | RuleKey::Dark => {}
    }
    rules.words(key) != before
}

fn cut_limit(said: &mut LimitRule, cap: &LimitRule) {
    if is_faster(said.rate, cap.rate) {
        said.rate = cap.rate;
    }
    // What is not said is a second's worth in a bucket of tokens, and nothing elsewhere.
    let burst = match said.kind {
        LimitKind::Token => Some(said.burst.unwrap_or(seconds_worth(said.rate))),
        LimitKind::Leaky | LimitKind::Fixed | LimitKind::Sliding => said.burst,
    };
    if let (Some(burst), Some(cap)) = (burst, cap.burst) {
        said.burst = Some(burst.min(cap));
    }
}

/// Whether `a` lets more through than `b`.
fn is_faster(a: Rate, b: Rate) -> bool {
    let product = |permits: u32, per: Duration| u128::from(permits).saturating_mul(per.as_nanos());
    product(a.permits, b.per) > product(b.permits, a.per)
}

/// The burst of a bucket of tokens that does not say one.
fn seconds_worth(rate: Rate) -> u32 {
    let permits = u128::from(rate.permits) * 1_000_000_000 / rate.per.as_nanos().max(1);
    u32::try_from(permits).unwrap_or(u32::MAX).max(1)
}

/// An adaptive one is not cut: whoever runs it takes the cap for its upper bound.
fn cut_concurrency(said: &mut ConcurrencyRule, cap: ConcurrencyRule) {
    let ConcurrencyRule::Fixed { max: cap, .. } = cap else { return };
    if let ConcurrencyRule::Fixed { max, .. } = said {
        *max = cap.min(*max);
    }
}

/// The one that matters less.
pub(crate) fn lesser(a: Priority, b: Priority) -> Priority {
    let rank = |priority| PRIORITIES.iter().position(|other| *other == priority);
    if rank(a) >= rank(b) { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::rules::{Strength, Syntax};

    fn set(strength: Strength, name: &str, text: &str) -> RuleSet {
        RuleSet::parse(strength, name, Syntax::Toml, text, None).expect("valid rules")
    }

    /// What is in force for shop.Inventory/price on the client, and whose word that is.
    fn in_force(attribute: &Rules, sets: &[&RuleSet], key: RuleKey) -> String {
        let resolved = resolve(Side::Client, "shop.Inventory/price", attribute, sets);
        let whose = resolved.decision(key).and_then(|decision| decision.said.as_ref());
        let whose = whose.map_or("nobody".to_owned(), |said| said.origin.to_string());
        format!("{} by {whose}", resolved.rules.shown(key).unwrap_or_default())
    }

    fn timeout(millis: u64) -> Rules {
        Rules { timeout: Some(Setting::On(Duration::from_millis(millis))), ..Rules::NONE }
    }

    const NOTHING: Rules = Rules::NONE;

    #[test]
    fn the_more_specific_entry_wins_then_the_stronger_source() {
        let entries = |time: &str, targets: &[&str]| {
            let entry = |target: &&str| format!("[client.{target}]\ntimeout = \"{time}\"\n");
            targets.iter().map(entry).collect::<String>()
        };
        let [exact, star, service, defaults] =
            ["\"shop.Inventory/price\"", "\"shop.Inventory/*\"", "\"shop.Inventory\"", "defaults"];
        for (file, registry, attribute, wins) in [
            (vec![defaults], vec![], &NOTHING, "1s by f:2"),
            (vec![defaults], vec![defaults], &NOTHING, "2s by r:2"),
            (vec![service], vec![defaults], &NOTHING, "1s by f:2"),
            (vec![service], vec![service], &NOTHING, "2s by r:2"),
            (vec![service, defaults], vec![service, defaults], &timeout(50), "50ms by attribute"),
            (vec![star], vec![service, defaults], &timeout(50), "1s by f:2"),
            (vec![exact], vec![star], &timeout(50), "2s by r:2"),
            (vec![star, exact], vec![], &timeout(50), "1s by f:4"),
            (vec![exact], vec![star, exact], &NOTHING, "2s by r:4"),
            (vec![], vec![], &NOTHING, " by nobody"),
        ] {
            let file = set(Strength::File, "f", &entries("1s", &file));
            let registry = set(Strength::Registry, "r", &entries("2s", &registry));
            // The order in which sources are given does not matter, their strength does.
            for sets in [[&file, &registry], [&registry, &file]] {
                assert_eq!(in_force(attribute, &sets, RuleKey::Timeout), wins);
            }
        }
    }

    #[test]
    fn a_key_is_taken_whole() {
        let file = set(
            Strength::File,
            "f",
            "[client.defaults]\nlimit = { rate = \"10/s\", burst = 5, wait = \"1s\" }\n\
             [client.\"shop.Inventory\"]\nlimit = { rate = \"20/s\" }",
        );
        assert_eq!(in_force(&NOTHING, &[&file], RuleKey::Limit), "20/s by f:4");
    }

    #[test]
    fn off_is_a_word_like_any_other() {
        let file = set(Strength::File, "f", "[client.\"shop.Inventory/*\"]\ntimeout = \"off\"");
        let resolved = resolve(Side::Client, "shop.Inventory/price", &timeout(50), &[&file]);
        assert_eq!(resolved.rules.timeout, Some(Setting::Off));
        let decision = resolved.decision(RuleKey::Timeout).expect("a decision");
        assert_eq!(decision.overruled[0].words, "50ms");
    }

    #[test]
    fn another_methods_and_the_other_sides_rules_do_not_count() {
        let file = set(
            Strength::File,
            "f",
            "[client.\"shop.Inventory/reserve\"]\ntimeout = \"1s\"\n\
             [client.\"shop.InventoryTwo\"]\ntimeout = \"1s\"\n\
             [server.defaults]\nlimit = { rate = \"1/s\" }",
        );
        let resolved = resolve(Side::Client, "shop.Inventory/price", &NOTHING, &[&file]);
        assert_eq!(resolved.decisions, []);
    }

    #[test]
    fn a_server_takes_of_an_attribute_what_is_for_servers() {
        let attribute =
            Rules { concurrency: Some(Setting::On(ConcurrencyRule::Adaptive)), ..timeout(50) };
        let resolved = resolve(Side::Server, "shop.Inventory/price", &attribute, &[]);
        assert_eq!(resolved.rules.to_string(), "concurrency = \"adaptive\"\n");
    }

    #[test]
    fn caps_always_win() {
        let file = set(
            Strength::File,
            "f",
            "[client.caps]\ntimeout = \"5s\"\nretry = { attempts = 3 }\nlimit = { rate = \"100/s\", burst = 10 }\n\
             concurrency = 64\npriority = \"normal\"\nper_try = \"1s\"\nhedge = { max = 1 }",
        );
        let console = set(
            Strength::Console,
            "c",
            "[client.\"shop.Inventory/price\"]\ntimeout = \"8s\"\nretry = { attempts = 9, backoff = \"2ms\" }\n\
             limit = { rate = \"90/100ms\", wait = \"1s\" }\nconcurrency = { max = 100, queue = 5, wait = \"1s\" }\n\
             priority = \"critical\"\nhedge = { after = \"5ms\", max = 4 }",
        );
        let resolved = resolve(Side::Client, "shop.Inventory/price", &NOTHING, &[&file, &console]);
        assert_eq!(
            resolved.rules.to_string(),
            "timeout = \"5s\"\nper_try = \"1s\"\nretry = { attempts = 3, backoff = \"2ms\" }\n\
             hedge = { after = \"5ms\" }\nlimit = { rate = \"100/s\", burst = 10, wait = \"1s\" }\n\
             concurrency = { max = 64, queue = 5, wait = \"1s\" }\npriority = \"normal\"\n"
        );
        assert!(resolved.decisions.iter().all(|decision| decision.capped.is_some()));
    }

    #[test]
    fn a_cap_bounds_what_is_off_or_unsaid_but_never_raises_it() {
        let caps = set(
            Strength::File,
            "f",
            "[client.caps]\ntimeout = \"30s\"\nlimit = { rate = \"9/s\" }\nretry = { attempts = 3 }\nconcurrency = 64",
        );
        let price = "shop.Inventory/price";
        let unsaid = resolve(Side::Client, price, &NOTHING, &[&caps]);
        let said = "limit = { rate = \"9/s\" }\nconcurrency = 64\n";
        assert_eq!(unsaid.rules.to_string(), said, "the framework's 10 s is to stay 10 s");
        assert_eq!(unsaid.caps.shown(RuleKey::Timeout).as_deref(), Some("30s"));
        let off = set(
            Strength::Console,
            "c",
            "[client.defaults]\ntimeout = \"off\"\nlimit = \"off\"\nretry = \"off\"\nconcurrency = \"adaptive\"",
        );
        let rules = resolve(Side::Client, price, &NOTHING, &[&caps, &off]).rules.to_string();
        let said = "timeout = \"30s\"\nretry = \"off\"\nlimit = { rate = \"9/s\" }\nconcurrency = \"adaptive\"\n";
        assert_eq!(rules, said);
    }

    #[test]
    fn a_cap_of_no_hedges_and_one_attempt_lets_a_call_be_sent_once() {
        let file = "[client.caps]\nhedge = { max = 0 }\nretry = { attempts = 1 }\n\
                    [client.\"shop.Inventory/*\"]\nhedge = {}\nretry = {}";
        let file = set(Strength::File, "f", file);
        let resolved = resolve(Side::Client, "shop.Inventory/price", &NOTHING, &[&file]);
        assert_eq!(resolved.rules.to_string(), "retry = { attempts = 1 }\nhedge = \"off\"\n");
    }

    #[test]
    fn of_two_caps_the_tighter_binds() {
        let caps = |time: &str| format!("[client.caps]\ntimeout = \"{time}\"");
        for (file, console, whose) in
            [("5s", "9s", "f:2"), ("9s", "5s", "c:2"), ("5s", "5s", "f:2")]
        {
            let file = set(Strength::File, "f", &caps(file));
            let console = set(Strength::Console, "c", &caps(console));
            let sets = [&console, &file];
            let resolved = resolve(Side::Client, "shop.Inventory/price", &timeout(20_000), &sets);
            assert_eq!(resolved.rules.shown(RuleKey::Timeout).as_deref(), Some("5s"));
            let decision = resolved.decision(RuleKey::Timeout).expect("a decision");
            let capped = decision.capped.as_ref().expect("cut");
            assert_eq!(capped.origin.to_string(), whose);
        }
    }

    #[test]
    fn a_level_degrades_what_is_optional_up_to_it() {
        for (level, optional, degraded) in
            [(0, 1, false), (1, 2, false), (2, 2, true), (3, 2, true)]
        {
            let file =
                format!("[client]\nlevel = {level}\n[client.defaults]\noptional = {optional}");
            let file = set(Strength::File, "f", &file);
            let resolved = resolve(Side::Client, "shop.Inventory/price", &NOTHING, &[&file]);
            assert_eq!(resolved.is_degraded(), degraded, "{level} {optional}");
        }
        let console = set(Strength::Console, "c", "[client.defaults]\ndegrade = true");
        let resolved = resolve(Side::Client, "shop.Inventory/price", &NOTHING, &[&console]);
        assert!(resolved.is_degraded());
    }
}
