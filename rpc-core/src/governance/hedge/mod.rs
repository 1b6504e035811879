//! A further attempt beside a slow one; the first answer wins.
//!
//! The failure this prevents: one call in a hundred meets a node that is just collecting garbage, and a
//! page of a hundred calls meets it always (Dean and Barroso, "The Tail at Scale", 2013). The failure
//! it brings: when everything is slow every call is sent twice. So the delay follows the measured
//! latency, as in Finagle's `BackupRequestFilter`, and each hedge is paid from the retry
//! [`Budget`](super::retry::Budget) by whoever sends it.
//!
//! Attempts that are given up count as slow ones, else a node that swallows calls has no
//! latency at all and the rest look faster than they are.

mod latencies;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

pub use latencies::Latencies;

use super::Moment;
use super::moment::nanos;
use super::outcome::Sample;
use super::rules::{HedgeAfter, HedgeRule};
use super::sync::{Mutex, lock};

/// How often the percentile is read anew (Finagle: three seconds).
const REFRESH: Duration = Duration::from_secs(1);
/// No measured delay is shorter: below that, a hedge costs more than the wait (Finagle).
const LEAST: Duration = Duration::from_millis(1);

/// The delay is not known: there are too few samples.
const UNKNOWN: u64 = u64::MAX;
/// The delay is what the rule says and is never read anew.
const FIXED: u64 = u64::MAX;

/// When further attempts of a method's calls join those under way.
#[derive(Debug)]
pub struct Hedge {
    /// In nanoseconds, or [`UNKNOWN`].
    delay: AtomicU64,
    /// When to read it anew, or [`FIXED`].
    due: AtomicU64,
    max: AtomicU32,
    latencies: Latencies,
    rule: Mutex<HedgeRule>,
}

impl Hedge {
    /// As the rule says.
    pub fn new(rule: HedgeRule, now: Moment) -> Self {
        let hedge = Self {
            delay: AtomicU64::new(UNKNOWN),
            due: AtomicU64::new(FIXED),
            max: AtomicU32::new(0),
            latencies: Latencies::new(now),
            rule: Mutex::new(rule),
        };
        hedge.reconfigure(rule, now);
        hedge
    }

    /// How long after the last attempt another one may join a call that `joined` have joined already;
    /// `None` if there may be none, or as long as too little is known of how long answers take.
    pub fn after(&self, joined: u32, now: Moment) -> Option<Duration> {
        if joined >= self.max.load(Ordering::Relaxed) {
            return None;
        }
        if now.as_nanos() >= self.due.load(Ordering::Relaxed) {
            self.refresh(now);
        }
        match self.delay.load(Ordering::Relaxed) {
            UNKNOWN => None,
            delay => Some(Duration::from_nanos(delay)),
        }
    }

    /// An attempt took so long, and that is worth what [`Outcome::sample`] says.
    ///
    /// One that was given up before the delay was over says nothing that is not known. One that was
    /// given up later counts as having taken the delay, however long it was: that it is slower than
    /// that is all there is to know, and were it counted for as long as it was waited for, each reading would
    /// lengthen the delay and the wait with it.
    ///
    /// [`Outcome::sample`]: super::outcome::Outcome::sample
    pub fn record(&self, sample: Sample, took: Duration, now: Moment) {
        let due = self.due.load(Ordering::Relaxed);
        if due == FIXED || sample == Sample::Nothing {
            return;
        }
        let mut took = nanos(took);
        if sample == Sample::AtLeast {
            let delay = self.delay.load(Ordering::Relaxed);
            if delay != UNKNOWN && took < delay {
                return;
            }
            took = took.min(delay);
        }
        // Before it is added: what is read now may turn out to be too old, and this is not.
        if now.as_nanos() >= due {
            self.refresh(now);
        }
        self.latencies.record(Duration::from_nanos(took));
    }

    /// What is in force.
    pub fn rule(&self) -> HedgeRule {
        *lock(&self.rule)
    }

    /// From now on joins by another rule; what is known of the latency stays known.
    pub fn reconfigure(&self, rule: HedgeRule, now: Moment) {
        let mut current = lock(&self.rule);
        *current = rule;
        self.max.store(rule.max, Ordering::Relaxed);
        self.read(&rule, now);
    }

    /// Reads the percentile anew, unless someone else just did.
    fn refresh(&self, now: Moment) {
        let rule = lock(&self.rule);
        if now.as_nanos() >= self.due.load(Ordering::Relaxed) {
            self.read(&rule, now);
        }
    }

    fn read(&self, rule: &HedgeRule, now: Moment) {
        let (delay, due) = match rule.after {
            HedgeAfter::Delay(delay) => (nanos(delay).min(UNKNOWN - 1), FIXED),
            HedgeAfter::Percentile(share) => {
                let measured = self.latencies.percentile(share, now);
                let delay = measured.map_or(UNKNOWN, |delay| nanos(delay.max(LEAST)));
                (delay, now.plus(REFRESH).as_nanos().min(FIXED - 1))
            }
        };
        self.delay.store(delay, Ordering::Relaxed);
        self.due.store(due, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::rules::Share;

    const MS: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> Moment {
        Moment::default().plus(Duration::from_millis(millis))
    }

    fn p95() -> Hedge {
        Hedge::new(HedgeRule::DEFAULT, at(0))
    }

    #[test]
    fn a_fixed_delay_needs_no_samples() {
        let rule = HedgeRule { after: HedgeAfter::Delay(20 * MS), max: 2 };
        let hedge = Hedge::new(rule, at(0));
        assert_eq!(hedge.after(0, at(0)), Some(20 * MS));
        assert_eq!(hedge.after(1, at(0)), Some(20 * MS));
        assert_eq!(hedge.after(2, at(0)), None, "two have joined");
    }

    #[test]
    fn hedges_are_not_unbounded_for_the_first_5_s_as_brpcs_are() {
        let hedge = p95();
        for milli in 0..99 {
            assert_eq!(hedge.after(0, at(milli)), None);
            hedge.record(Sample::Exact, MS, at(milli));
        }
        assert_eq!(hedge.after(0, at(5_000)), None, "99 samples say too little of one in twenty");
    }

    #[test]
    fn the_delay_follows_the_percentile() {
        let hedge = p95();
        for milli in 0..1_000 {
            let took = if milli % 10 == 0 { 50 * MS } else { 5 * MS };
            hedge.record(Sample::Exact, took, at(milli));
        }
        let delay = hedge.after(0, at(1_000)).expect("it knows enough");
        assert!((50 * MS..=57 * MS).contains(&delay), "{delay:?}");
        for milli in 30_000..31_000 {
            hedge.record(Sample::Exact, 5 * MS, at(milli));
        }
        let delay = hedge.after(0, at(31_000)).expect("it knows enough");
        assert!(delay < 6 * MS, "what was slow is 30 s ago: {delay:?}");
    }

    #[test]
    fn a_measured_delay_is_at_least_a_millisecond() {
        let hedge = p95();
        (0..1_000).for_each(|_| hedge.record(Sample::Exact, MS / 100, at(0)));
        assert_eq!(hedge.after(0, at(1_000)), Some(MS));
    }

    #[test]
    fn what_was_given_up_late_is_slow_and_what_was_given_up_early_says_nothing() {
        let known = || {
            let hedge = p95();
            (0..1_000).for_each(|_| hedge.record(Sample::Exact, 10 * MS, at(0)));
            let delay = hedge.after(0, at(1_000)).expect("it knows enough");
            assert!(delay < 12 * MS);
            hedge
        };
        let impatient = known();
        (0..1_000).for_each(|_| impatient.record(Sample::AtLeast, MS, at(1_500)));
        assert!(impatient.after(0, at(2_500)).expect("still") > 9 * MS);
        let swallowed = known();
        (0..100).for_each(|_| swallowed.record(Sample::AtLeast, 40 * MS, at(1_500)));
        assert!(swallowed.after(0, at(2_500)).expect("still") > 9 * MS);
        let failing = known();
        (0..9_000).for_each(|_| failing.record(Sample::Nothing, Duration::ZERO, at(1_500)));
        assert!(failing.after(0, at(2_500)).expect("still") > 9 * MS);
    }

    #[test]
    fn survivors_alone_do_not_shorten_the_delay_nor_do_losers_lengthen_it() {
        let hedge = p95();
        let known = (0..60).map(|second| {
            let now = at(second * 1_000);
            for _ in 0..100 {
                // One in ten is slow: seen as such until hedges join, and given up from then on.
                match hedge.after(0, now) {
                    None => hedge.record(Sample::Exact, 50 * MS, now),
                    Some(delay) => hedge.record(Sample::AtLeast, delay + 5 * MS, now),
                }
                (0..9).for_each(|_| hedge.record(Sample::Exact, 5 * MS, now));
            }
            hedge.after(0, now)
        });
        for delay in known.flatten() {
            assert!((50 * MS..58 * MS).contains(&delay), "{delay:?}");
        }
    }

    #[test]
    fn all_of_the_answers_is_no_percentile_that_can_be_known() {
        let rule = HedgeRule { after: HedgeAfter::Percentile(Share::ONE), max: 1 };
        let hedge = Hedge::new(rule, at(0));
        (0..10_000).for_each(|_| hedge.record(Sample::Exact, MS, at(0)));
        assert_eq!(hedge.after(0, at(1_000)), None);
    }

    #[test]
    fn a_change_keeps_what_is_known() {
        let hedge = p95();
        (0..1_000).for_each(|_| hedge.record(Sample::Exact, 10 * MS, at(0)));
        let rule = HedgeRule { after: HedgeAfter::Percentile(Share::from_percent(50)), max: 3 };
        hedge.reconfigure(rule, at(1));
        assert_eq!(hedge.rule(), rule);
        assert!(hedge.after(2, at(1)).is_some_and(|delay| delay > 9 * MS));
    }

    #[test]
    fn a_clock_going_back_changes_nothing() {
        let hedge = p95();
        (0..1_000).for_each(|_| hedge.record(Sample::Exact, 10 * MS, at(50_000)));
        let known = hedge.after(0, at(51_000));
        hedge.record(Sample::Exact, 10 * MS, at(0));
        assert_eq!(hedge.after(0, at(0)), known);
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let end = Moment::from_nanos(u64::MAX);
        let hedge = Hedge::new(HedgeRule::DEFAULT, end);
        hedge.record(Sample::Exact, Duration::MAX, end);
        assert_eq!(hedge.after(0, end), None);
        let rule = HedgeRule { after: HedgeAfter::Delay(Duration::MAX), max: 1 };
        assert!(Hedge::new(rule, end).after(0, end).is_some());
    }
}
