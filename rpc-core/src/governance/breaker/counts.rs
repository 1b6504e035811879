//! Numbers of calls, by how they ended.

use std::fmt;

use crate::governance::outcome::Outcome;

use super::verdict::Verdict;

/// How many calls ended how, within what a breaker looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Those that count; whether from their beginning or their end is a setting.
    pub requests: u32,
    /// Those that succeeded.
    pub successes: u32,
    /// Those that failed.
    pub failures: u32,
    /// Those that ended without a verdict for or against: neutral or abandoned.
    pub exclusions: u32,
    /// Successes since the last failure.
    pub consecutive_successes: u32,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Those that were slow, however they ended.
    pub slow: u32,
    /// Those that their callers did not wait for.
    pub abandoned: u32,
    /// Those of them that were slow by then.
    pub abandoned_slow: u32,
    by: [u32; FAILURES.len()],
}

/// The outcomes that failures are told apart by: those that can be one. Any other, from whoever
/// judges otherwise, is the last.
const FAILURES: [Outcome; 5] = [
    Outcome::ServerFault,
    Outcome::TransportFailure,
    Outcome::Deadline,
    Outcome::Overload,
    Outcome::BusinessError,
];

fn place(outcome: Outcome) -> usize {
    match outcome {
        Outcome::ServerFault => 0,
        Outcome::TransportFailure => 1,
        Outcome::Deadline => 2,
        Outcome::Overload => 3,
        _ => 4,
    }
}

/// One call's part in the counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) verdict: Verdict,
    pub(super) slow: bool,
}

impl Counts {
    /// Failures that ended like this.
    pub fn failures_by(&self, outcome: Outcome) -> u32 {
        self.by[place(outcome)]
    }

    /// How many failed of which kind: "12 server fault, 2 deadline".
    pub fn by_kind(&self) -> impl fmt::Display {
        ByKind(self.by)
    }

    pub(super) fn begin(&mut self) {
        self.requests = self.requests.saturating_add(1);
    }

    #[inline]
    pub(super) fn end(&mut self, ending: Ending) {
        match ending.verdict {
            Verdict::Success => {
                self.successes = self.successes.saturating_add(1);
                self.run_on(1);
            }
            Verdict::Failure(outcome) => {
                self.failures = self.failures.saturating_add(1);
                self.consecutive_failures = self.consecutive_failures.saturating_add(1);
                self.consecutive_successes = 0;
                let by = &mut self.by[place(outcome)];
                *by = by.saturating_add(1);
            }
            Verdict::Neutral => self.exclusions = self.exclusions.saturating_add(1),
            Verdict::Abandoned => {
                self.exclusions = self.exclusions.saturating_add(1);
                self.abandoned = self.abandoned.saturating_add(1);
                let slow = u32::from(ending.slow);
                self.abandoned_slow = self.abandoned_slow.saturating_add(slow);
            }
        }
        self.slow = self.slow.saturating_add(u32::from(ending.slow));
    }

    /// So many calls, which succeeded.
    pub(super) fn succeed(&mut self, calls: u32) {
        self.requests = self.requests.saturating_add(calls);
        self.successes = self.successes.saturating_add(calls);
        self.run_on(calls);
    }

    /// The run of successes goes on for so many calls.
    pub(super) fn run_on(&mut self, calls: u32) {
        self.consecutive_successes = self.consecutive_successes.saturating_add(calls);
        if calls > 0 {
            self.consecutive_failures = 0;
        }
    }

    /// Takes back one of the oldest calls. Runs stay: they are of the newest.
    #[inline]
    pub(super) fn forget(&mut self, ending: Ending) {
        let slow = u32::from(ending.slow);
        match ending.verdict {
            Verdict::Success => {
                self.requests = self.requests.saturating_sub(1);
                self.successes = self.successes.saturating_sub(1);
            }
            Verdict::Failure(outcome) => {
                self.requests = self.requests.saturating_sub(1);
                self.failures = self.failures.saturating_sub(1);
                let by = &mut self.by[place(outcome)];
                *by = by.saturating_sub(1);
            }
            Verdict::Neutral => self.exclusions = self.exclusions.saturating_sub(1),
            Verdict::Abandoned => {
                self.exclusions = self.exclusions.saturating_sub(1);
                self.abandoned = self.abandoned.saturating_sub(1);
                self.abandoned_slow = self.abandoned_slow.saturating_sub(slow);
            }
        }
        self.slow = self.slow.saturating_sub(slow);
    }

    /// Takes back a bucket that leaves. A run shrinks only if it reaches back into that bucket:
    /// if everything since then is part of it.
    pub(super) fn forget_bucket(&mut self, leaving: &Self) {
        let since = |all: u32, left: u32| all.saturating_sub(left);
        let run = leaving.consecutive_successes;
        let all_since = since(self.successes, leaving.successes).saturating_add(run);
        if self.consecutive_successes == all_since {
            self.consecutive_successes -= run;
        }
        let run = leaving.consecutive_failures;
        let all_since = since(self.failures, leaving.failures).saturating_add(run);
        if self.consecutive_failures == all_since {
            self.consecutive_failures -= run;
        }
        self.forget_totals(leaving);
    }

    /// Adds those of the bucket that follows.
    pub(super) fn append(&mut self, next: &Self) {
        self.consecutive_successes = match next.failures {
            0 => self.consecutive_successes.saturating_add(next.successes),
            _ => next.consecutive_successes,
        };
        self.consecutive_failures = match next.successes {
            0 => self.consecutive_failures.saturating_add(next.failures),
            _ => next.consecutive_failures,
        };
        self.add_totals(next);
    }

    /// Adds those of another bucket of the same window. Runs are left to the caller.
    pub(super) fn add_totals(&mut self, other: &Self) {
        self.each_total(other, u32::saturating_add);
    }

    fn forget_totals(&mut self, other: &Self) {
        self.each_total(other, u32::saturating_sub);
    }

    fn each_total(&mut self, other: &Self, then: impl Fn(u32, u32) -> u32) {
        self.requests = then(self.requests, other.requests);
        self.successes = then(self.successes, other.successes);
        self.failures = then(self.failures, other.failures);
        self.exclusions = then(self.exclusions, other.exclusions);
        self.slow = then(self.slow, other.slow);
        self.abandoned = then(self.abandoned, other.abandoned);
        self.abandoned_slow = then(self.abandoned_slow, other.abandoned_slow);
        for (mine, others) in self.by.iter_mut().zip(other.by) {
            *mine = then(*mine, others);
        }
    }
}

struct ByKind([u32; FAILURES.len()]);

impl fmt::Display for ByKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.0.iter().zip(FAILURES).filter(|(count, _)| **count > 0);
        for (at, (count, outcome)) in kinds.enumerate() {
            write!(f, "{}{count} {}", if at == 0 { "" } else { ", " }, outcome.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(endings: &[Verdict]) -> Counts {
        let mut counts = Counts::default();
        for &verdict in endings {
            counts.begin();
            counts.end(Ending { verdict, slow: false });
        }
        counts
    }

    const FAILED: Verdict = Verdict::Failure(Outcome::Deadline);

    #[test]
    fn what_is_added_can_be_taken_back() {
        let first = counts(&[Verdict::Success, FAILED, Verdict::Neutral, Verdict::Abandoned]);
        let mut both = first;
        both.add_totals(&first);
        both.forget_bucket(&first);
        assert_eq!(Counts { consecutive_failures: first.consecutive_failures, ..both }, first);
    }

    #[test]
    fn single_calls_can_be_taken_back() {
        for verdict in [Verdict::Success, FAILED, Verdict::Neutral, Verdict::Abandoned] {
            let ending = Ending { verdict, slow: true };
            let mut counts = Counts::default();
            counts.end(ending);
            counts.forget(ending);
            (counts.consecutive_successes, counts.consecutive_failures) = (0, 0);
            assert_eq!(counts, Counts::default(), "{verdict:?}");
        }
    }

    #[test]
    fn a_run_shrinks_only_with_the_bucket_it_reaches_into() {
        let old = counts(&[FAILED, FAILED]);
        let mut all = old;
        all.add_totals(&counts(&[FAILED]));
        all.consecutive_failures = 3;
        all.forget_bucket(&old);
        assert_eq!(all.consecutive_failures, 1);

        let mut all = old;
        all.add_totals(&counts(&[Verdict::Success, FAILED, FAILED, FAILED]));
        all.consecutive_failures = 2;
        all.forget_bucket(&old);
        assert_eq!(all.consecutive_failures, 2, "the success in between ended the older run");
    }

    #[test]
    fn kinds_are_named() {
        let mut counts = counts(&[FAILED, FAILED]);
        counts.end(Ending { verdict: Verdict::Failure(Outcome::TransportFailure), slow: false });
        assert_eq!(counts.by_kind().to_string(), "1 transport failure, 2 deadline");
    }
}
