//! What people switch at the console or the command line, until it expires.
//!
//! A switch that was thrown during an outage and forgotten is the next outage, so each one expires:
//! what is to stay belongs into a file or the registry.

use std::sync::Arc;

use super::keys::Side;
use super::mistake::{Mistake, Mistakes};
use super::parse::{Catalogue, named, one};
use super::set::{Origin, RuleSet, Strength, Target};
use super::types::{RuleKey, Rules};
use crate::governance::Moment;

/// More are no switches, they are a rules file.
const MAX_OVERRIDES: usize = 1_000;

/// One switch, in the words of a person.
#[derive(Clone, Copy, Debug)]
pub struct Override<'a> {
    /// For callers, or for the called.
    pub side: Side,
    /// `defaults`, `caps`, `shop.Inventory`, `shop.Inventory/*`, `shop.Inventory/price`.
    pub target: &'a str,
    /// `timeout`, `limit`, ..
    pub key: &'a str,
    /// As a file would say it; a single word needs no quotes.
    pub value: &'a str,
    /// Who threw it; empty if nobody knows.
    pub by: &'a str,
    /// When it falls away.
    pub expires: Moment,
}

/// The switches that are thrown: the strongest source of rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Overrides {
    set: RuleSet,
}

impl Default for Overrides {
    fn default() -> Self {
        Self { set: RuleSet::empty(Strength::Console, "console") }
    }
}

impl Overrides {
    /// Throws a switch, in place of an earlier one for the same key of the same target; which one it
    /// is.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub fn set(
        &mut self,
        switch: Override<'_>,
        methods: Option<Catalogue<'_>>,
    ) -> Result<(Target, RuleKey), Mistakes> {
        let Override { side, target, key, value, by, expires } = switch;
        let source = self.set.source().clone();
        let (target, key, rules) = one(&source, side, target, key, value, methods)?;
        let is_new = self.set.side(side).entry(&target).is_none_or(|it| it.origin(key).is_none());
        if is_new && self.count() >= MAX_OVERRIDES {
            let problem = format!("{MAX_OVERRIDES} overrides are in force already");
            let (place, field, meant) = (None, String::new(), None);
            let expected = "some to be cleared, or these in a file".to_owned();
            return Err(Mistakes::only(Mistake { source, place, field, problem, meant, expected }));
        }
        let origin = Self::origin(by, expires);
        self.set.side_mut(side).entry_mut(target.clone()).say(key, &rules, origin);
        Ok((target, key))
    }

    /// What a switch of these words is about.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn named(side: Side, target: &str, key: &str) -> Result<(Target, RuleKey), Mistakes> {
        named(&Self::source(""), side, target, key)
    }

    /// Sets the level of the process.
    pub fn set_level(&mut self, level: u8, by: &str, expires: Moment) {
        self.set.side_mut(Side::Client).level = Some((level, Self::origin(by, expires)));
    }

    /// Takes a switch back; whether it was thrown.
    pub fn clear(&mut self, side: Side, target: &Target, key: RuleKey) -> bool {
        let section = self.set.side_mut(side);
        let was_thrown =
            section.entry(target).is_some() && section.entry_mut(target.clone()).forget(key);
        section.tidy();
        was_thrown
    }

    /// Leaves the level to others; whether it was set here.
    pub fn clear_level(&mut self) -> bool {
        self.set.side_mut(Side::Client).level.take().is_some()
    }

    /// Lets go of what has expired; whether that was anything.
    pub fn expire(&mut self, now: Moment) -> bool {
        let is_over = |origin: &Origin| origin.expires.is_some_and(|expires| expires <= now);
        let mut over = Vec::new();
        for side in [Side::Client, Side::Server] {
            for (target, entry) in self.set.side(side).entries() {
                let keys =
                    entry.rules().keys().filter(|key| entry.origin(*key).is_some_and(is_over));
                over.extend(keys.map(|key| (side, target.clone(), key)));
            }
        }
        for (side, target, key) in &over {
            self.clear(*side, target, *key);
        }
        let level = &self.set.side(Side::Client).level;
        let level_is_over = level.as_ref().is_some_and(|(_, origin)| is_over(origin));
        level_is_over && self.clear_level() || !over.is_empty()
    }

    /// When the next one expires.
    pub fn next_expiry(&self) -> Option<Moment> {
        let level =
            self.set.side(Side::Client).level.iter().filter_map(|(_, origin)| origin.expires);
        level.chain(self.iter().filter_map(|(_, _, _, _, origin)| origin.expires)).min()
    }

    /// Each switch that is thrown: where, what, and by whom.
    pub fn iter(&self) -> impl Iterator<Item = (Side, &Target, RuleKey, &Rules, &Origin)> {
        [Side::Client, Side::Server].into_iter().flat_map(|side| {
            self.set.side(side).entries().flat_map(move |(target, entry)| {
                entry.rules().keys().filter_map(move |key| {
                    Some((side, target, key, entry.rules(), entry.origin(key)?))
                })
            })
        })
    }

    /// How many switches are thrown.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    /// Them as a source of rules.
    pub fn as_set(&self) -> &RuleSet {
        &self.set
    }

    fn origin(by: &str, expires: Moment) -> Origin {
        let (strength, source) = (Strength::Console, Self::source(by));
        Origin { strength, source, place: None, expires: Some(expires) }
    }

    /// What is said by this person comes from there.
    pub(crate) fn source(by: &str) -> Arc<str> {
        match by {
            "" => "console".into(),
            by => format!("console ({by})").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::governance::rules::resolve;

    const PRICE: &str = "shop.Inventory/price";

    fn at(second: u64) -> Moment {
        Moment::from_nanos(second * 1_000_000_000)
    }

    fn switch<'a>(key: &'a str, value: &'a str, expires: u64) -> Override<'a> {
        let (side, target) = (Side::Client, PRICE);
        Override { side, target, key, value, by: "anna", expires: at(expires) }
    }

    fn in_force(overrides: &Overrides) -> String {
        resolve(Side::Client, PRICE, &Rules::NONE, &[overrides.as_set()]).rules.to_string()
    }

    #[test]
    fn values_are_typed_with_or_without_quotes_in_toml_or_json() {
        for (key, typed, reads) in [
            ("timeout", "200ms", "timeout = \"200ms\"\n"),
            ("timeout", "\"200ms\"", "timeout = \"200ms\"\n"),
            ("timeout", "off", "timeout = \"off\"\n"),
            ("concurrency", "64", "concurrency = 64\n"),
            ("degrade", "true", "degrade = true\n"),
            ("limit", "{ rate = \"5/s\" }", "limit = { rate = \"5/s\" }\n"),
            ("limit", "{\"rate\": \"5/s\"}", "limit = { rate = \"5/s\" }\n"),
            ("dark", "[\"limit\"]", "dark = [\"limit\"]\n"),
        ] {
            let mut overrides = Overrides::default();
            overrides.set(switch(key, typed, 1), None).expect(typed);
            assert_eq!(in_force(&overrides), reads, "{typed}");
        }
    }

    #[test]
    fn a_wrong_one_changes_nothing_and_says_why() {
        let mut overrides = Overrides::default();
        overrides.set(switch("timeout", "1s", 9), None).expect("right");
        for (key, value, why) in [
            (
                "timeout",
                "200",
                "console: client.\"shop.Inventory/price\".timeout: 200 is no duration; did you mean \"200ms\"?",
            ),
            (
                "timeuot",
                "200ms",
                "console: client.\"shop.Inventory/price\".timeuot: there is no such key; did you mean `timeout`?",
            ),
            (
                "limit",
                "{ rate = 5/s }",
                "console: client.\"shop.Inventory/price\".limit: this is not TOML: string values must be quoted, expected literal string, at character 10 of",
            ),
            (
                "timeout",
                "1s\"\nretry = \"off",
                "console: client.\"shop.Inventory/price\".timeout: \"1s\\\"\\nretry = \\\"off\" is no duration",
            ),
        ] {
            let before = overrides.clone();
            let refusal = overrides.set(switch(key, value, 9), None).expect_err(value).to_string();
            assert!(refusal.starts_with(why), "{refusal}");
            assert_eq!(overrides, before);
        }
    }

    #[test]
    fn an_override_that_was_forgotten_falls_away() {
        let mut overrides = Overrides::default();
        overrides.set(switch("timeout", "1s", 10), None).expect("right");
        overrides.set(switch("concurrency", "5", 20), None).expect("right");
        overrides.set_level(3, "", at(15));
        assert_eq!(overrides.next_expiry(), Some(at(10)));
        assert!(!overrides.expire(at(9)) && overrides.count() == 2);
        assert!(overrides.expire(at(10)));
        assert_eq!(in_force(&overrides), "concurrency = 5\n");
        assert_eq!(overrides.next_expiry(), Some(at(15)));
        assert!(overrides.expire(at(15)) && overrides.as_set().side(Side::Client).level.is_none());
        assert!(overrides.expire(at(20).plus(Duration::from_secs(1))));
        assert!(overrides.as_set().is_empty() && overrides.next_expiry().is_none());
    }

    #[test]
    fn a_switch_is_taken_back() {
        let mut overrides = Overrides::default();
        overrides.set(switch("timeout", "1s", 10), None).expect("right");
        let target = Target::Method(PRICE.to_owned());
        assert!(overrides.clear(Side::Client, &target, RuleKey::Timeout));
        assert!(!overrides.clear(Side::Client, &target, RuleKey::Timeout));
        assert!(overrides.as_set().is_empty());
    }

    #[test]
    fn more_switches_than_allowed_are_refused_and_the_others_stay() {
        let mut overrides = Overrides::default();
        let targets: Vec<_> = (0..=MAX_OVERRIDES).map(|index| format!("s.S/m{index}")).collect();
        for target in &targets[..MAX_OVERRIDES] {
            let switch = Override { target, ..switch("timeout", "1s", 10) };
            overrides.set(switch, None).expect("there is room");
        }
        let one_more = Override { target: &targets[MAX_OVERRIDES], ..switch("timeout", "1s", 10) };
        let refusal = overrides.set(one_more, None).expect_err("it is full").to_string();
        assert!(refusal.contains("1000 overrides are in force already"), "{refusal}");
        let again = Override { target: &targets[0], ..switch("timeout", "2s", 10) };
        overrides.set(again, None).expect("one that is there may change");
        assert_eq!(overrides.count(), MAX_OVERRIDES);
    }
}
