//! The state machine itself, for one thread at a time.
//!
//! It follows gobreaker (`v2/gobreaker.go`) in how generations begin and in what counts, with what
//! that lacks: leases for probes, growing openings, slow and abandoned calls. Everything is lazy:
//! what time changes is found out by whoever asks next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::governance::Moment;
use crate::governance::moment::nanos;
use crate::governance::rules::Share;

use super::counts::{Counts, Ending};
use super::open::CircuitOpen;
use super::permit::Token;
use super::probes::Probes;
use super::settings::{BreakerSettings, Counting};
use super::snapshot::Snapshot;
use super::successes::Terms;
use super::verdict::Verdict;
use super::why::{self, ABANDONED_PROBES, Mode, State, Transition, Why};
use super::window::Window;

/// How many transitions are remembered.
const HISTORY: usize = 16;

pub(super) struct Core {
    settings: BreakerSettings,
    mode: Mode,
    phase: Phase,
    /// How many generations there were: each change of state begins one.
    generation: u64,
    /// The latest moment anyone told, but for successes that changed nothing but a number.
    seen: Moment,
    /// When the state began.
    since: Moment,
    window: Window,
    /// Openings without a healthy time between them.
    openings: u32,
    /// How long the last one was to last.
    opened_for: Duration,
    /// Why it was last opened.
    opened: Option<Arc<Why>>,
    refused: u64,
    transitions: u64,
    history: VecDeque<Transition>,
    random: fastrand::Rng,
}

enum Phase {
    Closed,
    Open { until: Moment },
    HalfOpen(Probes),
}

impl Core {
    pub(super) fn new(settings: BreakerSettings, now: Moment, seed: u64) -> Self {
        let settings = settings.within_bounds();
        Self {
            window: Window::new(settings.window, now),
            settings,
            mode: Mode::Automatic,
            phase: Phase::Closed,
            generation: 1,
            seen: now,
            since: now,
            openings: 0,
            opened_for: Duration::ZERO,
            opened: None,
            refused: 0,
            transitions: 0,
            history: VecDeque::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    pub(super) fn counts(&self) -> &Counts {
        self.window.total()
    }

    pub(super) fn state(&self) -> State {
        match (self.mode, &self.phase) {
            (Mode::ForcedOpen, _) => State::ForcedOpen,
            (Mode::ForcedClosed, _) => State::ForcedClosed,
            (_, Phase::Closed) => State::Closed,
            (_, Phase::Open { .. }) => State::Open,
            (_, Phase::HalfOpen(_)) => State::HalfOpen,
        }
    }

    /// Which era this is: a verdict of another one has no say. After four billion it begins again; 0
    /// is none.
    fn era(&self) -> u32 {
        let eras = u64::from(u32::MAX);
        u32::try_from((self.generation - 1) % eras + 1).expect("no more than there are")
    }

    /// When successes need not be told one by one.
    pub(super) fn terms(&self) -> Terms {
        let all_pass = self.state() == State::Closed && self.settings.counting == Counting::Ended;
        Terms {
            era: if all_pass { self.era() } else { 0 },
            ends: self.window.ends(),
            slow: self.settings.slow_rate.map(|_| self.settings.slow),
        }
    }

    /// So many calls have succeeded on these terms.
    pub(super) fn succeed(&mut self, calls: u32) {
        self.window.succeed(calls);
    }

    /// Finds out what time has changed.
    pub(super) fn tick(&mut self, now: Moment) -> Option<Transition> {
        self.seen = self.seen.max(now);
        match self.phase {
            Phase::Closed => {
                if self.window.is_over(self.seen) {
                    self.begin_generation();
                } else {
                    self.window.roll(self.seen);
                }
                None
            }
            Phase::Open { until } if until <= self.seen => {
                // It has been so since then, whenever somebody looks.
                Some(self.enter_at(until, Phase::HalfOpen(Probes::default()), Why::TimeIsUp))
            }
            Phase::Open { .. } | Phase::HalfOpen(_) => None,
        }
    }

    /// Whether a call would be let pass.
    pub(super) fn peek(&mut self, now: Moment) -> Result<(), CircuitOpen> {
        self.tick(now);
        match self.refusal() {
            Some(refusal) if self.mode != Mode::MetricsOnly => Err(refusal),
            _ => Ok(()),
        }
    }

    pub(super) fn admit(&mut self, now: Moment) -> Result<Token, CircuitOpen> {
        self.tick(now);
        if let Some(refusal) = self.refusal() {
            self.refused += 1;
            return if self.mode == Mode::MetricsOnly { Ok(Token::UNHEARD) } else { Err(refusal) };
        }
        if self.mode == Mode::ForcedClosed {
            return Ok(Token::UNHEARD);
        }
        let (begun, mut probe) = (self.seen, 0);
        match &mut self.phase {
            Phase::HalfOpen(probes) => {
                probe = probes.lease(self.settings.lease, begun);
                self.window.total_mut().begin();
            }
            Phase::Closed if self.settings.counting == Counting::Begun => self.window.begin(),
            Phase::Closed | Phase::Open { .. } => {}
        }
        Ok(Token { era: self.era(), probe, begun })
    }

    /// Why a call can't be let pass now.
    fn refusal(&mut self) -> Option<CircuitOpen> {
        let since = self.seen.since(self.since);
        let retry_after = match (self.mode, &mut self.phase) {
            (Mode::ForcedClosed, _) => return None,
            (Mode::ForcedOpen, _) => None,
            (_, Phase::Closed) => return None,
            (_, Phase::Open { until }) => Some(until.since(self.seen)),
            (_, Phase::HalfOpen(probes)) => {
                probes.expire(self.seen);
                let successes = self.window.total().successes;
                if probes.out().saturating_add(successes) < self.settings.probes {
                    return None;
                }
                None
            }
        };
        let why = self.opened.clone().filter(|_| self.mode != Mode::ForcedOpen);
        Some(CircuitOpen::new(self.state(), since, retry_after, why))
    }

    /// What became of a call. A verdict of an earlier era, or of a probe presumed lost, changes
    /// nothing.
    pub(super) fn settle(
        &mut self,
        token: Token,
        verdict: Verdict,
        took: Duration,
        now: Moment,
    ) -> Option<Transition> {
        let by_time = self.tick(now);
        if token.era != self.era() {
            return by_time;
        }
        let slow =
            self.settings.slow_rate.is_some() && verdict.is_sample() && took >= self.settings.slow;
        let ending = Ending { verdict, slow };
        match &mut self.phase {
            Phase::Closed => self.settle_call(token, ending),
            Phase::HalfOpen(probes) => {
                let heard = probes.release(token.probe); // else it was presumed lost
                heard.then(|| self.settle_probe(ending, took)).flatten()
            }
            Phase::Open { .. } => None, // nothing of this generation was let pass
        }
    }

    fn settle_call(&mut self, token: Token, ending: Ending) -> Option<Transition> {
        match self.settings.counting {
            Counting::Ended => self.window.end(ending),
            Counting::Begun => self.window.end_begun(ending, token.begun),
        }
        if ending.verdict == Verdict::Success && !ending.slow {
            return None;
        }
        self.reached(ending).map(|why| self.open(why))
    }

    /// The threshold that this has reached. A success never trips, but for being slow.
    fn reached(&self, ending: Ending) -> Option<Why> {
        let (counts, settings) = (self.window.total(), &self.settings);
        let by_verdict = match ending.verdict {
            Verdict::Failure(_) => why::after_failure(counts, settings),
            Verdict::Abandoned => why::after_abandoned(counts, settings),
            Verdict::Success | Verdict::Neutral => None,
        };
        let by_time = || ending.slow.then(|| why::after_slow(counts, settings)).flatten();
        by_verdict.or_else(by_time)
    }

    fn settle_probe(&mut self, ending: Ending, took: Duration) -> Option<Transition> {
        let counts = self.window.total_mut();
        counts.end(ending);
        let enough = ABANDONED_PROBES.max(self.settings.probes);
        match ending.verdict {
            Verdict::Failure(outcome) => Some(self.open(Why::ProbeFailed(outcome))),
            _ if ending.slow => Some(self.open(Why::ProbeSlow(took))),
            Verdict::Success => self.close_if_well(),
            Verdict::Abandoned if counts.successes == 0 && counts.abandoned >= enough => {
                let probes = counts.abandoned;
                Some(self.open(Why::ProbesAbandoned(probes)))
            }
            Verdict::Abandoned | Verdict::Neutral => None,
        }
    }

    fn close_if_well(&mut self) -> Option<Transition> {
        let successes = self.window.total().successes;
        (successes >= self.settings.probes)
            .then(|| self.enter(Phase::Closed, Why::ProbesSucceeded(successes)))
    }

    /// Opens, for twice as long as last time unless it was well in between.
    ///
    /// It was if it stayed closed for longer than it had been open, and for a whole window: else it
    /// could not even have been seen to fail.
    fn open(&mut self, why: Why) -> Transition {
        let closed_for = self.seen.since(self.since);
        let window = self.settings.window.duration().unwrap_or_default();
        if matches!(self.phase, Phase::Closed) && closed_for >= self.opened_for.max(window) {
            self.openings = 0;
        }
        let grown = self.settings.open.saturating_mul(1 << self.openings.min(30));
        self.openings = self.openings.saturating_add(1);
        self.opened_for = self.spread(grown.min(self.settings.max_open));
        let until = self.seen.plus(self.opened_for);
        let transition = self.enter(Phase::Open { until }, why);
        self.opened = Some(Arc::clone(&transition.why));
        transition
    }

    /// A little more or less than `time`.
    fn spread(&mut self, time: Duration) -> Duration {
        const ALL: u64 = Share::ONE.as_millionths() as u64;
        let jitter = u64::from(self.settings.jitter.as_millionths());
        if jitter == 0 {
            return time;
        }
        let share = ALL - jitter + self.random.u64(0..=2 * jitter);
        let spread = u128::from(nanos(time)) * u128::from(share) / u128::from(ALL);
        Duration::from_nanos(u64::try_from(spread).unwrap_or(u64::MAX))
    }

    /// The server asks to be left alone for so long. Lengthens an opening, within `max_open` from
    /// now; a circuit that is not open stays so.
    pub(super) fn push_back(&mut self, wait: Duration, now: Moment) {
        self.tick(now);
        if let Phase::Open { until } = &mut self.phase {
            *until = self.seen.plus(wait.min(self.settings.max_open)).max(*until);
        }
    }

    pub(super) fn force(&mut self, mode: Mode, now: Moment) -> Option<Transition> {
        self.tick(now);
        let works = |mode| matches!(mode, Mode::Automatic | Mode::MetricsOnly);
        let (was, from) = (self.mode, self.state());
        if mode == was {
            return None;
        }
        self.mode = mode;
        if works(mode) && works(was) {
            return None; // it is the same machine, only heeded or not
        }
        self.openings = 0;
        self.phase = Phase::Closed;
        self.begin_generation();
        Some(self.record(self.seen, from, Why::Said(mode)))
    }

    /// Works with other settings from now on, and keeps its state.
    pub(super) fn reconfigure(
        &mut self,
        settings: BreakerSettings,
        now: Moment,
    ) -> Option<Transition> {
        let by_time = self.tick(now);
        let settings = settings.within_bounds();
        let recount = settings.counting != self.settings.counting;
        self.settings = settings;
        self.window.change(self.settings.window, self.seen);
        match &mut self.phase {
            // Calls under way would be counted twice, or never.
            Phase::Closed if recount => self.begin_generation(),
            Phase::Closed => {}
            Phase::Open { until } => {
                *until = (*until).min(self.seen.plus(self.settings.max_open));
            }
            // Fewer probes may be asked for than have succeeded already, and no other would come.
            Phase::HalfOpen(_) => return self.close_if_well().or(by_time),
        }
        by_time
    }

    /// Begins anew, as a new one would.
    pub(super) fn restart(&mut self, settings: BreakerSettings, now: Moment) {
        self.tick(now);
        self.settings = settings.within_bounds();
        self.window = Window::new(self.settings.window, self.seen);
        (self.phase, self.openings) = (Phase::Closed, 0);
        (self.since, self.opened) = (self.seen, None);
        self.begin_generation();
    }

    fn enter(&mut self, phase: Phase, why: Why) -> Transition {
        self.enter_at(self.seen, phase, why)
    }

    fn enter_at(&mut self, at: Moment, phase: Phase, why: Why) -> Transition {
        let from = self.state();
        self.phase = phase;
        self.begin_generation();
        self.record(at, from, why)
    }

    fn begin_generation(&mut self) {
        self.generation += 1;
        self.window.restart(self.seen);
    }

    fn record(&mut self, at: Moment, from: State, why: Why) -> Transition {
        self.since = at;
        self.transitions += 1;
        let (number, to, why) = (self.transitions, self.state(), Arc::new(why));
        let transition = Transition { number, at, from, to, why };
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(transition.clone());
        transition
    }

    pub(super) fn transitions_after(&self, number: u64) -> Vec<Transition> {
        self.history.iter().filter(|past| past.number > number).cloned().collect()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let (retry_after, probes_out) = match &self.phase {
            Phase::Closed => (None, 0),
            Phase::Open { until } => (Some(until.since(self.seen)), 0),
            Phase::HalfOpen(probes) => (None, probes.out()),
        };
        Snapshot {
            state: self.state(),
            is_metrics_only: self.mode == Mode::MetricsOnly,
            since: self.seen.since(self.since),
            retry_after,
            counts: *self.window.total(),
            window: self.window.lookback(),
            probes_out,
            probes: self.settings.probes,
            refused: self.refused,
            transitions: self.transitions,
            opened: self.opened.clone(),
            refused_share: None,
        }
    }
}
