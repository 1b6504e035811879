//! What the rules of a method have refused lately, and why: for people, so that only what is refused
//! pays for it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::governance::Moment;
use crate::governance::rules::RuleKey;
use crate::status::Status;

/// Refusals that are kept word for word.
const KEPT: usize = 32;
/// Counts are per ten seconds, so that a minute is six of them.
const SPAN_NANOS: u64 = 10_000_000_000;
const SPANS: u64 = 6; // as `Tally::spans` has

/// The refusals of one method's rules.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    last: VecDeque<Refused>,
    refused: [Tally; RuleKey::ALL.len()],
    /// What dark rules would have refused.
    dark: [Tally; RuleKey::ALL.len()],
}

/// One refusal.
#[derive(Clone, Debug)]
pub struct Refused {
    pub(crate) at: Moment,
    pub(crate) by: RuleKey,
    pub(crate) dark: bool,
    pub(crate) why: Status,
}

impl Refused {
    /// Which rule refused.
    pub fn by(&self) -> RuleKey {
        self.by
    }

    /// Whether it was only counted.
    pub fn is_dark(&self) -> bool {
        self.dark
    }

    /// What the caller was told, or would have been.
    pub fn why(&self) -> &Status {
        &self.why
    }
}

/// How many calls a rule has refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusalCount {
    /// In the last minute, to within ten seconds.
    pub last_minute: u64,
    /// In all.
    pub total: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    total: u64,
    /// The number of the latest span, and the counts of it and those before it, in a ring.
    latest: u64,
    spans: [u64; 6],
}

impl Tally {
    fn add(&mut self, now: Moment) {
        self.roll(now);
        self.total += 1;
        self.spans[index(self.latest)] += 1;
    }

    fn count(mut self, now: Moment) -> RefusalCount {
        self.roll(now);
        RefusalCount { last_minute: self.spans.iter().sum(), total: self.total }
    }

    fn roll(&mut self, now: Moment) {
        let span = now.as_nanos() / SPAN_NANOS;
        if span <= self.latest {
            return;
        }
        for passed in 1..=(span - self.latest).min(SPANS) {
            self.spans[index(self.latest + passed)] = 0;
        }
        self.latest = span;
    }
}

/// Where a span of this number is kept.
fn index(span: u64) -> usize {
    (span % SPANS) as usize
}

impl Refusals {
    /// A rule has refused a call, or would have. The call goes on if the rule is dark.
    ///
    /// # Errors
    /// The refusal, if it is in earnest.
    pub(super) fn refuse(
        &self,
        by: RuleKey,
        is_dark: bool,
        why: Status,
        now: Moment,
    ) -> Result<(), Status> {
        self.note(by, is_dark, &why, now);
        if is_dark { Ok(()) } else { Err(why) }
    }

    fn note(&self, by: RuleKey, dark: bool, why: &Status, now: Moment) {
        let mut log = self.lock();
        let tallies = if dark { &mut log.dark } else { &mut log.refused };
        tallies[by as usize].add(now);
        if log.last.len() == KEPT {
            log.last.pop_front();
        }
        log.last.push_back(Refused { at: now, by, dark, why: why.clone() });
    }

    /// How many calls a rule has refused.
    pub(crate) fn count(&self, by: RuleKey, now: Moment) -> RefusalCount {
        self.lock().refused[by as usize].count(now)
    }

    /// How many calls a dark rule would have refused.
    pub(crate) fn dark_count(&self, by: RuleKey, now: Moment) -> RefusalCount {
        self.lock().dark[by as usize].count(now)
    }

    /// The last refusals, the latest first.
    pub(crate) fn last(&self) -> Vec<Refused> {
        self.lock().last.iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Code;

    #[test]
    fn a_minute_passes_and_the_total_stays() {
        let refusals = Refusals::default();
        let why = Status::local(Code::ResourceExhausted, "full");
        let at = |seconds: u64| Moment::from_nanos(seconds * 1_000_000_000);
        for second in 0..90 {
            refusals.note(RuleKey::Limit, false, &why, at(second));
        }
        let count = refusals.count(RuleKey::Limit, at(89));
        assert_eq!(count, RefusalCount { last_minute: 60, total: 90 });
        assert_eq!(refusals.count(RuleKey::Limit, at(1_000)).last_minute, 0);
        assert_eq!(refusals.count(RuleKey::Breaker, at(89)), RefusalCount::default());
        assert_eq!(refusals.last().len(), KEPT);
    }

    #[test]
    fn what_is_dark_is_counted_apart() {
        let refusals = Refusals::default();
        let why = Status::local(Code::Unavailable, "open");
        refusals.note(RuleKey::Breaker, true, &why, Moment::from_nanos(5));
        assert_eq!(refusals.count(RuleKey::Breaker, Moment::from_nanos(6)).total, 0);
        assert_eq!(refusals.dark_count(RuleKey::Breaker, Moment::from_nanos(6)).total, 1);
        assert!(refusals.last()[0].is_dark());
    }
}
