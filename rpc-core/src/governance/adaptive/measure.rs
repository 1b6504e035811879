//! What the calls that ended tell: how long they take at the moment, and how long they take when
//! nothing stands in their way.

use std::time::Duration;

use crate::governance::Moment;
use crate::governance::moment::nanos;

/// A round lasts at least so long..
const SHORTEST: Duration = Duration::from_millis(100);

/// ..and has at least so many calls (Netflix' windows want ten, failsafe-go's fifty): the mean of
/// twenty calls of exponential length is off by a fifth.
const FEWEST: u32 = 20;

/// After so long without a call, those before say nothing about those to come.
const QUIET: Duration = Duration::from_secs(10);

/// The calls that ended in this round.
///
/// A round has at least as many calls as were under way at a time, so by Little's law it lasts at
/// least as long as they take: what is decided at its end is felt by the next. Its length in time alone
/// (Netflix) lets a slow service move once a call, and drops fast calls.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    begun: Option<Moment>,
    last: Moment,
    done: u32,
    dropped: u32,
    /// The most that were under way when one of these calls was let in: what they met, and not what
    /// there is now that they are over.
    peak: u32,
    total: u64,
}

/// What a round of calls was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Round {
    pub(super) done: u32,
    /// In nanoseconds; `None` if too few were done to tell.
    pub(super) mean: Option<f64>,
    /// The share that was dropped.
    pub(super) dropped: f64,
    pub(super) peak: u32,
}

impl Gathering {
    /// A call was done.
    pub(super) fn done(&mut self, took: Duration, in_use: u32, now: Moment) {
        self.begin(in_use, now);
        self.done = self.done.saturating_add(1);
        self.total = self.total.saturating_add(nanos(took).max(1));
    }

    /// A call was dropped because there was too much to do. How long that took says nothing.
    pub(super) fn dropped(&mut self, in_use: u32, now: Moment) {
        self.begin(in_use, now);
        self.dropped = self.dropped.saturating_add(1);
    }

    fn begin(&mut self, in_use: u32, now: Moment) {
        if now.since(self.last) > QUIET {
            *self = Self::default();
        }
        self.begun.get_or_insert(now);
        self.last = now;
        self.peak = self.peak.max(in_use);
    }

    /// The round, if it is over; the next one begins.
    pub(super) fn end(&mut self, now: Moment) -> Option<Round> {
        let calls = self.done.saturating_add(self.dropped);
        let over = calls >= self.peak.max(FEWEST)
            && self.begun.is_some_and(|begun| now.since(begun) >= SHORTEST);
        if !over {
            return None;
        }
        let ended = std::mem::take(self);
        (self.begun, self.last) = (Some(now), now);
        let enough = ended.done >= FEWEST / 2;
        Some(Round {
            done: ended.done,
            mean: enough.then(|| ended.total as f64 / f64::from(ended.done)),
            dropped: f64::from(ended.dropped) / f64::from(calls),
            peak: ended.peak,
        })
    }
}

/// How long calls take, in nanoseconds, when they don't stand in each other's way.
///
/// Never measured by holding calls back time and again, as Envoy does: its probes refuse what the server could
/// have done. And never raised by what is seen under load, as in Vegas and Gradient2, which probe under
/// load and take the queue for the service: it rises only while there is room to spare, or when
/// fewer calls at a time turned out not to be faster.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    known: Option<f64>,
    /// How long they take lately, with all that is in their way.
    lately: Option<f64>,
}

/// How much of the difference to a better round lowers it, and of one with room to spare raises it.
/// It falls faster: that a call is fast has one reason, that it is slow has many.
const FALL: f64 = 1.0 / 8.0;
const RISE: f64 = 1.0 / 16.0;

impl Baseline {
    pub(super) fn nanos(&self) -> Option<f64> {
        self.known
    }

    /// Learns from a round whose calls may have stood in each other's way. Only if that has been better for
    /// a while: the fastest of many rounds of twenty calls each was so by chance.
    pub(super) fn learn_under_load(&mut self, mean: f64) -> f64 {
        let lately = self.see(mean);
        let known = self.known.unwrap_or(mean).min(lately);
        self.known = Some(known);
        known
    }

    /// Learns from a round with room to spare. A single call that hung can't lift it by much.
    pub(super) fn learn_at_ease(&mut self, mean: f64) -> f64 {
        self.see(mean);
        let known = self.known.unwrap_or(mean);
        let rate = if mean < known { FALL } else { RISE };
        let base = known + rate * (mean.min(2.0 * known) - known);
        self.known = Some(base);
        base
    }

    fn see(&mut self, mean: f64) -> f64 {
        let lately = self.lately.unwrap_or(mean);
        let lately = lately + FALL * (mean - lately);
        self.lately = Some(lately);
        lately
    }

    /// A call takes that long, and it is known that there was no queue.
    pub(super) fn found(&mut self, nanos: f64) {
        (self.known, self.lately) = (Some(nanos), Some(nanos));
    }

    /// Calls take that long without a queue: the service has become slower.
    pub(super) fn approach(&mut self, mean: f64) {
        self.known = self.known.map(|known| known.max(mean));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_round_has_a_time_and_as_many_calls_as_were_under_way() {
        let mut gathering = Gathering::default();
        for call in 1..=50 {
            assert_eq!(gathering.end(at(call * 10)), None);
            gathering.done(Duration::from_millis(call), 50, at(call * 10));
        }
        let round = gathering.end(at(500)).expect("fifty are done");
        assert_eq!(round, Round { done: 50, mean: Some(25.5e6), dropped: 0.0, peak: 50 });
        for _ in 0..1000 {
            gathering.done(Duration::from_millis(1), 1, at(500));
        }
        assert_eq!(gathering.end(at(500)), None, "a thousand at once are no round");
    }

    #[test]
    fn samples_under_100_us_count() {
        let mut gathering = Gathering::default();
        for call in 0..1000 {
            gathering.done(Duration::from_nanos(900 + call % 200), 1, at(call));
        }
        let mean = gathering.end(at(1000)).and_then(|round| round.mean);
        assert_eq!(mean, Some(999.5));
    }

    #[test]
    fn fast_refusals_by_the_server_do_not_make_it_look_fast() {
        let mut gathering = Gathering::default();
        for call in 0..100 {
            gathering.done(Duration::from_millis(10), 9, at(call));
            gathering.dropped(9, at(call));
        }
        let round = gathering.end(at(100)).expect("it is long enough");
        assert_eq!(round, Round { done: 100, mean: Some(10e6), dropped: 0.5, peak: 9 });
    }

    #[test]
    fn nothing_but_refusals_say_nothing_about_time() {
        let mut gathering = Gathering::default();
        (0..100).for_each(|call| gathering.dropped(9, at(call * 2)));
        let round = gathering.end(at(200)).expect("it is long enough");
        assert_eq!(round, Round { done: 0, mean: None, dropped: 1.0, peak: 9 });
    }

    #[test]
    fn calls_before_a_long_quiet_period_are_forgotten() {
        let mut gathering = Gathering::default();
        (0..19).for_each(|_| gathering.done(Duration::from_secs(9), 40, at(0)));
        gathering.done(Duration::from_millis(1), 1, at(3_600_000));
        assert_eq!(gathering.end(at(3_600_200)), None, "one call is no round");
        assert_eq!(gathering.peak, 1);
    }

    #[test]
    fn the_baseline_falls_always_and_rises_only_at_ease() {
        let mut base = Baseline::default();
        assert_eq!(base.learn_under_load(100.0), 100.0);
        for _ in 0..1000 {
            base.learn_under_load(300.0);
        }
        assert_eq!(base.nanos(), Some(100.0), "a queue is not the service");
        assert_eq!(base.learn_under_load(50.0), 100.0, "a round is no reason");
        (0..40).for_each(|_| _ = base.learn_under_load(50.0));
        assert!((base.nanos().expect("known") - 50.0).abs() < 3.0);
        for _ in 0..200 {
            base.learn_at_ease(80.0);
        }
        assert!((base.nanos().expect("known") - 80.0).abs() < 0.1);
        let lifted = base.learn_at_ease(1e9);
        assert!(lifted < 86.0, "one call that hung lifts it by a sixteenth at most");
    }

    #[test]
    fn it_does_not_overflow() {
        let mut gathering = Gathering::default();
        for _ in 0..100 {
            gathering.done(Duration::MAX, u32::MAX, at(0));
        }
        assert_eq!(gathering.end(at(1000)), None);
        gathering.peak = 1;
        assert!(gathering.end(at(1000)).and_then(|round| round.mean).is_some());
    }
}
