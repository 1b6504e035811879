//! A limit that follows latency, for clients and for servers that can't see their CPU.
//!
//! The step is Netflix' Gradient2 (concurrency-limits, `Gradient2Limit`): with `g` the ratio of the
//! latency that is tolerated to the latency there is, the limit moves towards `limit * g + room`. Different
//! is:
//!
//! - The latency of comparison is a [`Baseline`], which load can't lift, and not an average of the
//!   latest samples: there, a steady queue becomes the new normal, and the limit drifts up while
//!   `g` is about 0.8.
//! - The room for growth is the root of the limit, as in Envoy, so that small limits are not all
//!   queue and big ones find their place as well. It settles where `1 - g = 1 / sqrt(limit)`.
//! - Dropped calls lower it (Gradient2 ignores them).
//! - The slower calls are, the further a round goes towards where the limit should be: one that lets in
//!   twice of what it should is down after four rounds. There it took ten.
//! - What fewer calls at a time don't make faster is no queue: then the baseline is wrong.

use super::measure::{Baseline, Round};

/// Latency above the baseline that is no reason to shrink: Envoy's `min_rtt` buffer of 25 %.
const TOLERATED: f64 = 1.25;

/// However slow calls are, a round takes no more than half of the limit, before smoothing
/// (Gradient2).
const STEEPEST: f64 = 0.5;

/// The least share of the way to where the limit should be that a round moves it (Gradient2). By chance a
/// mean is a fifth off, and hardly ever twice, so a steeper one goes further; but for half of the way at
/// most, as these calls may have been let in before the last step.
const SMOOTHING: f64 = 0.2;

/// Below this share of the limit in use, there is room to spare.
const AT_EASE: f64 = 0.5;

/// And below this one it does not grow. Gradient2 grows from one half on, so that a limit gets to
/// twice of what is used, and what then fills it is a queue.
const TO_GROW: f64 = 0.75;

/// Growth a round until latency rises for the first time, so that a service that can do a
/// thousand calls at a time need not wait for it.
const START: f64 = 1.25;

/// A share of dropped calls that is no reason to shrink: there are always some that time out.
pub(super) const NOISE: f64 = 0.01;

/// With so few calls at a time, compared to before..
const FEWER: f64 = 0.6;
/// ..and latency still at this share of what it was, it does not come from the limit's own queue. Were
/// it a queue, it would have shrunk with the calls, by Little's law.
const UNMOVED: f64 = 0.9;

/// ..within so many rounds; a limit that fluctuates gets anywhere some time.
const ROUNDS: u32 = 25;

#[derive(Debug)]
pub(super) struct Gradient {
    limit: f64,
    /// Latency has never risen.
    starting: bool,
    /// Of the last few rounds in which the limit was what held calls back.
    recent: Option<Held>,
    /// How it was when there began to be fewer at a time.
    before: Option<Before>,
}

/// Averages over the same rounds, so that what a limit did is not compared with latency from before.
#[derive(Clone, Copy, Debug)]
struct Held {
    in_use: f64,
    mean: f64,
}

#[derive(Debug)]
struct Before {
    in_use: f64,
    /// The highest since then: had the limit grown because of a few fast rounds, the next ones would
    /// look slow beside them.
    mean: f64,
    rounds: u32,
}

impl Gradient {
    pub(super) fn new(initial: f64) -> Self {
        Self { limit: initial, starting: true, recent: None, before: None }
    }

    pub(super) fn limit(&self) -> f64 {
        self.limit
    }

    /// So many can be done at a time, as far as was tried.
    pub(super) fn resume(&mut self, width: f64) {
        let limit = width * TOLERATED;
        self.starting &= limit >= self.limit; // or there was a queue
        self.limit = limit;
    }

    /// A round is over. It either teaches what calls take, or moves the limit.
    pub(super) fn learn(&mut self, round: Round, base: &mut Baseline, min: f64, max: f64) {
        let used = f64::from(round.peak) / self.limit;
        let at_ease = used < AT_EASE;
        let g = match round.mean {
            None => None,
            Some(mean) if at_ease => {
                base.learn_at_ease(mean);
                None
            }
            Some(mean) => {
                let base = base.learn_under_load(mean);
                Some((TOLERATED * base / mean).clamp(STEEPEST, 1.0))
            }
        };
        if round.dropped > NOISE {
            self.starting = false;
            let kept = 1.0 - round.dropped;
            self.step(g.unwrap_or(1.0).min(kept).max(STEEPEST), 0.0);
        } else if let Some(g) = g {
            self.starting &= g == 1.0;
            let before = self.limit;
            match self.starting {
                true => self.limit *= START,
                false => self.step(g, self.limit.sqrt()),
            }
            if used < TO_GROW {
                self.limit = self.limit.min(before);
            }
        }
        self.limit = self.limit.clamp(min, max.max(min));
        if let (Some(mean), true) = (round.mean, used >= TO_GROW) {
            self.notice_what_fewer_did(Held { in_use: f64::from(round.peak), mean }, base);
        }
    }

    fn step(&mut self, g: f64, room: f64) {
        self.limit += SMOOTHING.max(1.0 - g) * (self.limit * g + room - self.limit);
    }

    fn notice_what_fewer_did(&mut self, round: Held, base: &mut Baseline) {
        let recent = self.recent.map_or(round, |recent| recent.and(round));
        self.recent = Some(recent);
        let start = Before { in_use: recent.in_use, mean: recent.mean, rounds: 0 };
        let before = self.before.get_or_insert(start);
        before.rounds += 1;
        before.mean = before.mean.max(recent.mean);
        let fewer = recent.in_use <= before.in_use * FEWER;
        if fewer && recent.mean >= before.mean * UNMOVED {
            base.approach(recent.mean);
        }
        if fewer || recent.in_use >= before.in_use || before.rounds >= ROUNDS {
            self.before = Some(Before { in_use: recent.in_use, mean: recent.mean, rounds: 0 });
        }
    }
}

impl Held {
    fn and(self, next: Self) -> Self {
        Self {
            in_use: f64::midpoint(self.in_use, next.in_use),
            mean: f64::midpoint(self.mean, next.mean),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::adaptive::whole;

    /// A service that does `width` calls at a time, each in `takes`, with always as many under way
    /// as are let in.
    fn saturate(gradient: &mut Gradient, base: &mut Baseline, width: f64, takes: f64, rounds: u32) {
        for _ in 0..rounds {
            let mean = takes * (gradient.limit / width).max(1.0);
            let round =
                Round { done: 100, mean: Some(mean), dropped: 0.0, peak: whole(gradient.limit) };
            gradient.learn(round, base, 1.0, 1000.0);
        }
    }

    fn at_ease(mean: f64) -> Round {
        Round { done: 100, mean: Some(mean), dropped: 0.0, peak: 1 }
    }

    #[test]
    fn it_finds_the_width_of_a_service() {
        for width in [16.0, 50.0, 400.0] {
            let (mut gradient, mut base) = (Gradient::new(20.0), Baseline::default());
            gradient.learn(at_ease(1e6), &mut base, 1.0, 1000.0);
            saturate(&mut gradient, &mut base, width, 1e6, 300);
            let share = gradient.limit / width;
            assert!((1.0..=1.7).contains(&share), "{} for {width}", gradient.limit);
        }
    }

    /// Where it comes to rest, of a service that does sixteen calls at a time.
    fn at_rest() -> f64 {
        let (mut gradient, mut base) = (Gradient::new(20.0), Baseline::default());
        gradient.learn(at_ease(1e6), &mut base, 1.0, 1000.0);
        saturate(&mut gradient, &mut base, 16.0, 1e6, 1000);
        gradient.limit
    }

    #[test]
    fn one_that_begins_far_too_high_is_down_within_a_few_rounds() {
        for (initial, rounds) in [(40.0, 4), (100.0, 8), (1000.0, 17)] {
            let (mut gradient, mut base) = (Gradient::new(initial), Baseline::default());
            gradient.learn(at_ease(1e6), &mut base, 1.0, 1000.0);
            saturate(&mut gradient, &mut base, 16.0, 1e6, rounds);
            assert!(gradient.limit < 1.2 * at_rest(), "{} from {initial}", gradient.limit);
        }
    }

    #[test]
    fn a_step_that_is_felt_a_round_late_does_not_starve_the_service() {
        let (mut gradient, mut base) = (Gradient::new(100.0), Baseline::default());
        gradient.learn(at_ease(1e6), &mut base, 1.0, 1000.0);
        let mut met = gradient.limit;
        for _ in 0..100 {
            let mean = 1e6 * (met / 16.0).max(1.0);
            met = gradient.limit;
            let round = Round { done: 100, mean: Some(mean), dropped: 0.0, peak: whole(met) };
            gradient.learn(round, &mut base, 1.0, 1000.0);
            assert!(gradient.limit >= 16.0, "{}", gradient.limit);
        }
        assert!((gradient.limit / at_rest() - 1.0).abs() < 0.05, "{}", gradient.limit);
    }

    #[test]
    fn probing_under_load_does_not_raise_the_baseline() {
        let (mut gradient, mut base) = (Gradient::new(20.0), Baseline::default());
        gradient.learn(at_ease(1e6), &mut base, 1.0, 1000.0);
        saturate(&mut gradient, &mut base, 16.0, 1e6, 300);
        let (limit, known) = (gradient.limit, base.nanos());
        saturate(&mut gradient, &mut base, 16.0, 1e6, 36_000); // an hour of overload
        assert!((gradient.limit - limit).abs() < 1.0, "no drift: {limit} {}", gradient.limit);
        assert_eq!(base.nanos(), known);
    }

    #[test]
    fn a_gradient_of_four_fifths_does_not_drift_up() {
        let (mut gradient, mut base) = (Gradient::new(100.0), Baseline::default());
        gradient.learn(at_ease(1e6), &mut base, 1.0, 1000.0);
        for _ in 0..10_000 {
            let peak = whole(gradient.limit);
            let round = Round { done: 100, mean: Some(TOLERATED * 1e6 / 0.8), dropped: 0.0, peak };
            gradient.limit = gradient.limit.min(100.0);
            gradient.learn(round, &mut base, 1.0, 1000.0);
            assert!(gradient.limit <= 100.0);
            base = Baseline::default(); // held where it is
            base.learn_under_load(1e6);
        }
        assert!(gradient.limit < 26.0, "{}", gradient.limit);
    }

    #[test]
    fn a_limit_that_is_not_used_does_not_grow() {
        let (mut gradient, mut base) = (Gradient::new(20.0), Baseline::default());
        for peak in (0..1000).map(|round| round % 15) {
            let round = Round { done: 100, mean: Some(1e6), dropped: 0.0, peak };
            gradient.learn(round, &mut base, 1.0, 1000.0);
        }
        assert_eq!(gradient.limit, 20.0);
        let round = Round { done: 100, mean: Some(1e6), dropped: 0.0, peak: 15 };
        gradient.learn(round, &mut base, 1.0, 1000.0);
        assert!(gradient.limit > 20.0);
    }

    #[test]
    fn oscillating_traffic_does_not_pin_the_limit_at_its_peak() {
        let (mut gradient, mut base) = (Gradient::new(20.0), Baseline::default());
        for second in 0..600 {
            if second % 2 == 0 {
                saturate(&mut gradient, &mut base, 16.0, 1e6, 10);
            } else {
                (0..10).for_each(|_| gradient.learn(at_ease(1e6), &mut base, 1.0, 1000.0));
            }
        }
        assert!(gradient.limit < 30.0, "{}", gradient.limit);
    }

    #[test]
    fn dropped_calls_lower_it_and_a_few_do_not() {
        let round = |dropped| Round { done: 100, mean: Some(1e6), dropped, peak: 100 };
        let after = |dropped| {
            let (mut gradient, mut base) = (Gradient::new(100.0), Baseline::default());
            (0..20).for_each(|_| gradient.learn(round(dropped), &mut base, 1.0, 1000.0));
            gradient.limit
        };
        assert!(after(0.3) < 40.0);
        assert!(after(0.005) > 100.0);
    }

    #[test]
    fn refusals_alone_lower_it_too() {
        let (mut gradient, mut base) = (Gradient::new(100.0), Baseline::default());
        let round = Round { done: 100, mean: None, dropped: 1.0, peak: 3 };
        (0..100).for_each(|_| gradient.learn(round, &mut base, 4.0, 1000.0));
        assert_eq!(gradient.limit, 4.0);
    }

    #[test]
    fn a_service_that_became_slower_for_good_is_recognised_under_load() {
        let (mut gradient, mut base) = (Gradient::new(20.0), Baseline::default());
        gradient.learn(at_ease(1e6), &mut base, 1.0, 1000.0);
        saturate(&mut gradient, &mut base, 16.0, 1e6, 300);
        saturate(&mut gradient, &mut base, 16.0, 3e6, 300);
        assert!(gradient.limit >= 16.0, "{}: it starves the service", gradient.limit);
        assert!(gradient.limit < 30.0, "{}", gradient.limit);
    }
}
