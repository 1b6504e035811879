//! What a source said before, so that a change that turned out badly can be taken back while its
//! author looks for the reason.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;

use super::wall::wall;
use crate::governance::Moment;
use crate::governance::rules::RuleSet;

/// A set of rules as it was put in force.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its number, from 1 on.
    pub number: u64,
    /// When it was put in force.
    pub at: Moment,
    /// By whom, or by what.
    pub by: Arc<str>,
    /// The earlier version that it is again.
    pub again: Option<u64>,
    /// What it says.
    pub rules: Arc<RuleSet>,
}

/// The last versions of what one source said, the latest of them in force.
///
/// Going back to one is a new version: numbers only grow, and nothing that was in force is
/// forgotten by it. It holds until the source says something else, as what is wrong has to be
/// repaired there.
#[derive(Clone, Debug)]
pub struct History {
    versions: VecDeque<Version>,
    kept: usize,
    latest: u64,
    /// What the source said last, which may not be in force any more.
    heard: Option<Arc<RuleSet>>,
    /// Since then it was wrong: somebody has a hand in it.
    is_edited: bool,
}

/// A version that never was, or is no longer kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoSuchVersion {
    /// The one asked for; none if it was whatever came before.
    pub asked: Option<u64>,
    /// The oldest and the latest there are.
    pub kept: Option<(u64, u64)>,
    /// It was asked of this source, which is not there.
    pub source: Option<String>,
    /// Those that are there instead.
    pub sources: Vec<Arc<str>>,
}

impl NoSuchVersion {
    /// There is no such source, but there are others.
    pub(super) fn of_source(source: &str, others: impl Iterator<Item = Arc<str>>) -> Self {
        let (asked, kept, source) = (None, None, Some(source.to_owned()));
        Self { asked, kept, source, sources: others.collect() }
    }
}

impl Default for History {
    fn default() -> Self {
        Self::keeping(16)
    }
}

impl History {
    /// Keeps so many versions, at least the one in force.
    pub fn keeping(versions: usize) -> Self {
        let (kept, latest) = (versions.max(1), 0);
        Self { versions: VecDeque::new(), kept, latest, heard: None, is_edited: false }
    }

    /// Puts `rules` in force; the number of that version. Rules that say what is in force already are no
    /// new version, wherever in the source they stand by now.
    pub fn record(&mut self, rules: Arc<RuleSet>, by: impl Into<Arc<str>>, now: Moment) -> u64 {
        match self.versions.back_mut() {
            Some(current) if current.again.is_none() && current.rules.says_the_same(&rules) => {
                current.rules = rules;
                current.number
            }
            _ => self.push(rules, by.into(), now, None),
        }
    }

    /// The source was read again and says this. Whoever has gone back from it stays there, as long as
    /// it says the same and nobody has had a hand in it.
    pub(super) fn hear(&mut self, rules: &Arc<RuleSet>, by: &Arc<str>, now: Moment) {
        let heard = self.heard.replace(rules.clone());
        if heard.as_ref().is_some_and(|heard| Arc::ptr_eq(heard, rules)) {
            return;
        }
        let is_edited = mem::take(&mut self.is_edited);
        let says_the_same = heard.is_some_and(|heard| heard.says_the_same(rules));
        let is_gone_back = self.current().is_some_and(|current| current.again.is_some());
        if !is_gone_back || !says_the_same || is_edited {
            self.record(rules.clone(), by.clone(), now);
        }
    }

    /// The source was read again and is wrong.
    pub(super) fn hear_nonsense(&mut self) {
        self.is_edited = true;
    }

    /// Goes back to a version: that one, or the one before what is in force. Asked again, it goes
    /// one further back, not to what it has just left.
    ///
    /// # Errors
    /// There is no such version.
    pub fn roll_back(
        &mut self,
        to: Option<u64>,
        by: impl Into<Arc<str>>,
        now: Moment,
    ) -> Result<&Version, NoSuchVersion> {
        let current = self.current().map(|current| current.again.unwrap_or(current.number));
        let found = match (to, current) {
            (Some(number), _) => self.versions.iter().find(|version| version.number == number),
            // One that is itself a return to an earlier one is no step back.
            (None, Some(current)) => self
                .versions
                .iter()
                .rev()
                .find(|version| version.number < current && version.again.is_none()),
            (None, None) => None,
        };
        let kept = self.versions.front().zip(self.versions.back());
        let kept = kept.map(|(oldest, latest)| (oldest.number, latest.number));
        let (source, sources) = (None, Vec::new());
        let found = found.ok_or(NoSuchVersion { asked: to, kept, source, sources })?;
        let (again, rules) = match found.again {
            Some(again) => (again, found.rules.clone()),
            None => {
                let name = format!("version {} of {}", found.number, found.rules.source());
                (found.number, Arc::new(found.rules.renamed(name.into())))
            }
        };
        self.push(rules, by.into(), now, Some(again));
        Ok(self.current().expect("one was just put in force"))
    }

    /// The version in force.
    pub fn current(&self) -> Option<&Version> {
        self.versions.back()
    }

    /// The versions that are kept, the latest first.
    pub fn iter(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().rev()
    }

    fn push(&mut self, rules: Arc<RuleSet>, by: Arc<str>, at: Moment, again: Option<u64>) -> u64 {
        if self.versions.len() == self.kept {
            self.versions.pop_front();
        }
        self.latest += 1;
        self.versions.push_back(Version { number: self.latest, at, by, again, rules });
        self.latest
    }
}

/// `version 3, 12:03:07.214Z, by anna: version 1 again`; what it says is its `rules`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, at, by, .. } = self;
        write!(f, "version {number}, {}, by {by}", wall(Moment::now().since(*at)))?;
        self.again.iter().try_for_each(|again| write!(f, ": version {again} again"))
    }
}

impl fmt::Display for NoSuchVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(source) = &self.source {
            write!(f, "no rules have come from {source:?}")?;
            let others: Vec<_> = self.sources.iter().map(|other| format!("{other:?}")).collect();
            return match others.is_empty() {
                true => f.write_str(", nor from anywhere else"),
                false => write!(f, ", only from {}", others.join(", ")),
            };
        }
        match self.asked {
            Some(number) => write!(f, "there is no version {number} of these rules")?,
            None => f.write_str("there is no version before the one in force")?,
        }
        match self.kept {
            Some((oldest, latest)) => write!(f, ", only {oldest} to {latest}"),
            None => f.write_str(", nor any other"),
        }
    }
}

impl std::error::Error for NoSuchVersion {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::rules::{RuleKey, Side, Strength, Syntax, Target};

    fn rules(concurrency: u32) -> Arc<RuleSet> {
        let text = format!("[client.defaults]\nconcurrency = {concurrency}");
        let set = RuleSet::parse(Strength::File, "f", Syntax::Toml, &text, None);
        Arc::new(set.expect("valid rules"))
    }

    const NOW: Moment = Moment::from_nanos(0);

    fn history(of: u32, kept: usize) -> History {
        let mut history = History::keeping(kept);
        for version in 1..=of {
            assert_eq!(history.record(rules(version), "file", NOW), u64::from(version));
        }
        history
    }

    /// The version that each step back leads to; 0 for none.
    fn steps_back(history: &mut History, steps: usize) -> Vec<u64> {
        let mut step = || history.roll_back(None, "anna", NOW).ok()?.again;
        (0..steps).map(|_| step().unwrap_or(0)).collect()
    }

    #[test]
    fn each_step_back_goes_further_back() {
        let mut history = history(3, 16);
        assert_eq!(steps_back(&mut history, 3), [2, 1, 0]);
        assert_eq!(history.current().expect("a version").number, 5);
        assert_eq!(history.record(rules(9), "file", NOW), 6);
        assert_eq!(steps_back(&mut history, 1), [3]);
    }

    #[test]
    fn any_version_that_is_kept_can_be_had_again() {
        let mut history = history(5, 3);
        let back = history.roll_back(Some(3), "anna", NOW).expect("kept").clone();
        assert_eq!((back.number, back.again, &*back.by), (6, Some(3), "anna"));
        assert!(back.rules.says_the_same(&rules(3)));
        let entry = back.rules.side(Side::Client).entry(&Target::Defaults).expect("said");
        let origin = entry.origin(RuleKey::Concurrency).expect("said").to_string();
        assert_eq!(origin, "version 3 of f:2", "the file may say something else there by now");
        let gone = history.roll_back(Some(2), "anna", NOW).expect_err("no longer kept");
        assert_eq!(gone.to_string(), "there is no version 2 of these rules, only 4 to 6");
        assert_eq!(history.iter().map(|version| version.number).collect::<Vec<_>>(), [6, 5, 4]);
    }

    #[test]
    fn who_went_back_stays_there_until_the_source_says_something_else_or_is_edited() {
        let (by, mut history) = ("file".into(), History::default());
        let in_force = |history: &History| history.current().expect("a version").rules.to_string();
        let hear = |history: &mut History, rules: &Arc<RuleSet>| {
            history.hear(rules, &by, NOW);
            in_force(history)
        };
        let moved = |concurrency: u32| {
            let text = format!("# a comment\n[client.defaults]\nconcurrency = {concurrency}");
            let set = RuleSet::parse(Strength::File, "f", Syntax::Toml, &text, None);
            Arc::new(set.expect("valid rules"))
        };
        hear(&mut history, &rules(1));
        hear(&mut history, &rules(2));
        history.roll_back(None, "anna", NOW).expect("there is one");
        let one = rules(1).to_string();
        assert_eq!(hear(&mut history, &rules(2)), one, "the disk was gone for a while");
        assert_eq!(hear(&mut history, &moved(2)), one, "a comment says nothing");
        history.hear_nonsense();
        assert_eq!(in_force(&history), one);
        assert_eq!(hear(&mut history, &rules(2)), rules(2).to_string(), "it was repaired");
        history.roll_back(None, "anna", NOW).expect("there is one");
        assert_eq!(hear(&mut history, &rules(3)), rules(3).to_string(), "something else");
        let number = history.current().expect("a version").number;
        hear(&mut history, &moved(3));
        let current = history.current().expect("a version");
        assert_eq!(
            (current.number, &current.rules),
            (number, &moved(3)),
            "only the lines are others"
        );
    }

    #[test]
    fn the_same_rules_are_no_new_version() {
        let mut history = history(1, 16);
        assert_eq!(history.record(rules(1), "file", NOW), 1);
        let none = History::default().roll_back(None, "", NOW).expect_err("nothing was there");
        assert_eq!(none.to_string(), "there is no version before the one in force, nor any other");
    }
}
