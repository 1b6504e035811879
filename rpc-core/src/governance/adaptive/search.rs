//! Finds out what a call takes when nothing stands in its way, of a service that has never been calm:
//! a server that starts again in the middle of an overload would take its queue for its work, for as
//! long as the overload lasts.
//!
//! Once, the first time that the limit is what holds calls back, half as many are let in, and half of those,
//! until fewer get done. What then ends has met no queue: as long as there is one, half as many calls
//! take half as long and as many get done, by Little's law. BBR does the same with packets every ten seconds
//! (ProbeRTT); here a [`Baseline`] follows what changes later.
//!
//! [`Baseline`]: super::measure::Baseline

use super::gradient::NOISE;
use super::measure::Round;

/// What so few calls at a time took is believed, unless they kept the CPU busy.
const CALM: u32 = 2;

/// With half as many calls at a time as much gets done if there was a queue, and half as much if there was
/// none. It is drawn nearer to the latter: to stop too early leaves a queue, and to go on for too long
/// costs a stage.
const LESS_DONE: f64 = 0.65;

/// Calls that a stage is judged by: by chance their mean is a seventh off, if they are of exponential
/// length.
const ENOUGH: u32 = 50;
/// And the last one, as nothing looks at it again.
const SURE: u32 = 100;

/// After so many rounds a stage is given up: calls from before it don't end.
const ROUNDS: u32 = 20;

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Search {
    /// Nothing is known for sure, and nothing had to be.
    #[default]
    NotYet,
    At(Stage),
    Over,
}

/// So many calls at a time, and what became of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    limit: u32,
    calls: u32,
    nanos: f64,
    peak: u32,
    rounds: u32,
    /// With twice as many at a time, how many got done in a nanosecond; in the first stage nobody knows.
    before: Option<f64>,
    /// The most that got done in one.
    best: f64,
}

/// What a round means for the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing: it is not for the search.
    None,
    /// The search goes on.
    Searching,
    Found {
        /// What a call takes, in nanoseconds.
        base: f64,
        /// How many can be done at a time, as far as was tried.
        width: f64,
    },
}

impl Search {
    /// How many are let in while it searches.
    pub(super) fn limit(&self) -> Option<u32> {
        match self {
            Self::At(stage) => Some(stage.limit),
            Self::NotYet | Self::Over => None,
        }
    }

    /// A round is over, while so many could be in. No fewer than `floor` are let in.
    pub(super) fn learn(&mut self, round: Round, limit: u32, floor: u32, busy: bool) -> Step {
        let mean = round.mean.filter(|_| round.dropped <= NOISE);
        let Some(mean) = mean else { return self.end_early() };
        let (next, step) = match *self {
            Self::NotYet if round.peak <= CALM && !busy => (Self::Over, Step::None),
            // In this round it was filling up, so it says nothing.
            Self::NotYet if round.peak >= limit => (Self::At(Stage::first(limit)), Step::Searching),
            Self::At(stage) => stage.learn(round.done, mean, round.peak, floor),
            Self::NotYet | Self::Over => (*self, Step::None),
        };
        *self = next;
        step
    }

    /// Calls were dropped: there is too much to do, and nothing to be compared.
    fn end_early(&mut self) -> Step {
        if let Self::At(_) = self {
            *self = Self::NotYet;
        }
        Step::None
    }
}

impl Stage {
    fn first(limit: u32) -> Self {
        Self { limit, calls: 0, nanos: 0.0, peak: 0, rounds: 0, before: None, best: 0.0 }
    }

    fn learn(mut self, calls: u32, mean: f64, peak: u32, floor: u32) -> (Search, Step) {
        self.rounds += 1;
        if self.rounds > ROUNDS {
            return (Search::Over, Step::None);
        }
        if peak < self.limit && self.before.is_none() {
            return (Search::NotYet, Step::None); // it was not for long
        }
        if peak <= self.limit {
            self.calls = self.calls.saturating_add(calls);
            self.nanos += f64::from(calls) * mean;
            self.peak = self.peak.max(peak);
        }
        if self.calls < ENOUGH {
            return (Search::At(self), Step::Searching);
        }
        let mean = self.nanos / f64::from(self.calls);
        let rate = f64::from(self.peak) / mean; // Little's law
        let best = self.best.max(rate);
        let less_done = self.before.is_some_and(|before| rate < before * LESS_DONE);
        if self.limit <= floor || less_done {
            if self.calls < SURE {
                return (Search::At(self), Step::Searching);
            }
            return (Search::Over, Step::Found { base: mean, width: best * mean });
        }
        let half = (self.limit / 2).max(floor);
        (Search::At(Self { before: Some(rate), best, ..Self::first(half) }), Step::Searching)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How it ends for a service that does `width` calls at a time, each in a millisecond, with as many
    /// under way as are let in; and in how many rounds.
    fn search(width: f64, from: u32, floor: u32) -> (Step, u32) {
        let (mut search, mut met) = (Search::default(), from);
        for rounds in 1..=ROUNDS {
            let limit = search.limit().unwrap_or(from);
            let mean = Some(1e6 * (f64::from(met) / width).max(1.0));
            let step = search.learn(
                Round { done: 100, mean, dropped: 0.0, peak: met },
                limit,
                floor,
                true,
            );
            if step != Step::Searching {
                return (step, rounds);
            }
            met = limit; // felt a round late
        }
        panic!("it does not end");
    }

    #[test]
    fn it_finds_what_a_call_takes_and_how_many_can_be_done_at_a_time() {
        for (width, most_rounds) in [(2.0, 8), (3.0, 8), (8.0, 6), (12.0, 6), (15.0, 6), (20.0, 4)]
        {
            let (step, rounds) = search(width, 20, 2);
            let Step::Found { base, width: found } = step else { panic!("{step:?}") };
            assert_eq!((base, found.round()), (1e6, width), "{width}");
            assert!(rounds <= most_rounds, "{rounds} for {width}");
        }
    }

    #[test]
    fn a_service_without_a_queue_loses_a_round_or_two() {
        assert_eq!(search(1000.0, 20, 2), (Step::Found { base: 1e6, width: 20.0 }, 4));
    }

    #[test]
    fn it_goes_no_lower_than_it_may() {
        let (step, _) = search(1.0, 20, 7);
        assert_eq!(step, Step::Found { base: 7e6, width: 7.0 });
        assert_eq!(search(2.0, 5, 5).0, Step::Found { base: 2.5e6, width: 5.0 });
    }

    fn round(peak: u32) -> Round {
        Round { done: 100, mean: Some(1e6), dropped: 0.0, peak }
    }

    #[test]
    fn it_does_not_begin_where_it_was_calm_or_nobody_was_refused() {
        let mut search = Search::default();
        assert_eq!(search.learn(round(19), 20, 2, false), Step::None);
        assert_eq!(search.learn(round(2), 20, 2, false), Step::None);
        assert_eq!(search.learn(round(20), 20, 2, false), Step::None);
        assert_eq!(search.limit(), None, "it was calm");
        let mut search = Search::default();
        assert_eq!(search.learn(round(2), 20, 2, true), Step::None);
        assert_eq!(search.learn(round(20), 20, 2, true), Step::Searching);
        assert_eq!(search.limit(), Some(20), "two calls kept the CPU busy, which is not calm");
    }

    #[test]
    fn a_burst_that_is_over_in_the_next_round_halves_nothing() {
        let mut search = Search::default();
        assert_eq!(search.learn(round(20), 20, 2, false), Step::Searching);
        assert_eq!(search.learn(round(19), 20, 2, false), Step::None);
        assert_eq!(search.limit(), None);
        assert_eq!(search.learn(round(20), 20, 2, false), Step::Searching, "it can begin again");
    }

    #[test]
    fn calls_that_are_dropped_end_it() {
        let mut search = Search::default();
        (0..2).for_each(|_| _ = search.learn(round(20), 20, 2, false));
        assert_eq!(search.limit(), Some(10));
        let dropped = Round { dropped: 0.5, ..round(10) };
        assert_eq!(search.learn(dropped, 10, 2, false), Step::None);
        assert_eq!(search.limit(), None);
    }

    #[test]
    fn a_few_calls_are_not_enough() {
        let mut search = Search::default();
        let round = Round { done: 20, ..round(20) };
        assert_eq!(search.learn(round, 20, 2, false), Step::Searching);
        for limit in [20, 20, 20, 10] {
            assert_eq!(search.limit(), Some(limit));
            assert_eq!(search.learn(round, limit, 2, false), Step::Searching);
        }
    }

    #[test]
    fn calls_that_never_end_do_not_make_it_last_for_ever() {
        let (mut search, mut rounds) = (Search::default(), 0);
        while search.learn(round(20), 20, 2, false) == Step::Searching {
            rounds += 1;
        }
        assert_eq!((rounds, search.limit()), (22, None));
    }
}
