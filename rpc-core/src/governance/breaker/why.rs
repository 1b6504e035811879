//! What happened to a circuit, and why: for people, and for those who watch.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::governance::outcome::Outcome;
use crate::governance::rules::Share;
use crate::governance::{Moment, Rough};

use super::counts::Counts;
use super::settings::{BreakerSettings, Lookback};

/// What a circuit breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// They pass, and are watched.
    Closed,
    /// They are refused for a while.
    Open,
    /// A few pass, to see whether it is better.
    HalfOpen,
    /// They are refused, because someone said so.
    ForcedOpen,
    /// They pass unwatched, because someone said so.
    ForcedClosed,
}

/// What someone wants a circuit breaker to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Its work.
    #[default]
    Automatic,
    /// Refuse everything.
    ForcedOpen,
    /// Let everything pass and watch nothing: switched off.
    ForcedClosed,
    /// Refuse nothing, but do all else as if it did: a call that would have been refused is counted as such,
    /// and how it ends is not. Who goes back to `Automatic` finds it in the state it would have had.
    MetricsOnly,
}

/// A change of state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Transition {
    /// 1 for the first one of this breaker, and so on: who is told of them by several threads can
    /// put them in order.
    pub number: u64,
    /// When.
    pub at: Moment,
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// What made it so.
    pub why: Arc<Why>,
}

/// Why a circuit is in its state.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// Too large a share of the calls failed.
    FailureRate(Evidence),
    /// Too large a share of them were slow.
    SlowRate(Evidence),
    /// Too many of them failed in a row.
    Consecutive(Evidence),
    /// Too many of them failed.
    Failures(Evidence),
    /// Nearly nobody waited for the end.
    Abandoned(Evidence),
    /// A probe failed, in this way.
    ProbeFailed(Outcome),
    /// A probe was slow: it took so long.
    ProbeSlow(Duration),
    /// So many probes in a row were abandoned.
    ProbesAbandoned(u32),
    /// It had been open for long enough.
    TimeIsUp,
    /// So many probes succeeded.
    ProbesSucceeded(u32),
    /// Someone wanted it so.
    Said(Mode),
}

/// What was counted when a threshold was reached, and the threshold.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Evidence {
    /// What was counted.
    pub counts: Counts,
    /// Within what.
    pub window: Lookback,
    /// The share that was reached, for those that are shares.
    pub share: Share,
    /// The number that was reached, for those that are numbers.
    pub number: u32,
    /// From when on a call was slow.
    pub slow: Duration,
}

/// From which share of abandoned calls on, of at least `min_calls`, they are taken for failures.
///
/// Callers that go away early are the callers' business, and some do nearly always (a search at
/// each key stroke). But a server that answers nobody shows in nothing else where outer time-outs
/// or hedges end all calls. Microsoft's seatbelt takes them for failures when *all* are abandoned;
/// here one late answer among twenty does not hide it.
pub const ABANDONED_SHARE: Share = Share::from_percent(95);

/// So many abandoned probes, or `probes` if that is more, without a success are an answer.
pub(super) const ABANDONED_PROBES: u32 = 5;

/// Whether so many abandoned calls beside those that ended are unusual.
pub(super) fn is_abandoned(counts: &Counts, min_calls: u32) -> bool {
    let calls = ended(counts);
    calls >= min_calls && ABANDONED_SHARE.is_reached(counts.abandoned.into(), calls.into())
}

/// The threshold that a failure has reached, if any.
pub(super) fn after_failure(counts: &Counts, settings: &BreakerSettings) -> Option<Why> {
    let evidence = |share, number| Evidence::of(counts, settings, share, number);
    if let Some(number) = settings.consecutive
        && counts.consecutive_failures >= number
    {
        return Some(Why::Consecutive(evidence(Share::ZERO, number)));
    }
    if let Some(number) = settings.failures
        && counts.failures >= number
    {
        return Some(Why::Failures(evidence(Share::ZERO, number)));
    }
    if let Some(share) = settings.failure_rate
        && counts.requests >= settings.min_calls
        && share.is_reached(counts.failures.into(), counts.requests.into())
    {
        return Some(Why::FailureRate(evidence(share, 0)));
    }
    None
}

/// The threshold that a slow call has reached, if any.
pub(super) fn after_slow(counts: &Counts, settings: &BreakerSettings) -> Option<Why> {
    let share = settings.slow_rate?;
    let calls = slow_among(counts);
    let reached = calls >= settings.min_calls && share.is_reached(counts.slow.into(), calls.into());
    reached.then(|| Why::SlowRate(Evidence::of(counts, settings, share, 0)))
}

/// Whether abandoned calls have become failures by now, and enough of them.
pub(super) fn after_abandoned(counts: &Counts, settings: &BreakerSettings) -> Option<Why> {
    if !is_abandoned(counts, settings.min_calls) {
        return None;
    }
    let failed = counts.failures.saturating_add(counts.abandoned);
    let number = settings.consecutive.into_iter().chain(settings.failures).min();
    let by_number = number.is_some_and(|number| failed >= number);
    let share_of = |rate: Share| rate.is_reached(failed.into(), ended(counts).into());
    let by_share = settings.failure_rate.is_some_and(share_of);
    let evidence = || Evidence::of(counts, settings, ABANDONED_SHARE, 0);
    (by_number || by_share).then(|| Why::Abandoned(evidence()))
}

/// How many calls have ended one way or another, or were abandoned.
fn ended(counts: &Counts) -> u32 {
    counts.successes.saturating_add(counts.failures).saturating_add(counts.abandoned)
}

/// Of how many calls it is known whether they were slow: of an abandoned one only if it was, and a
/// fast failure is not a fast answer.
fn slow_among(counts: &Counts) -> u32 {
    let ran_out = counts.failures_by(Outcome::Deadline);
    counts.successes.saturating_add(ran_out).saturating_add(counts.abandoned_slow)
}

impl Evidence {
    fn of(counts: &Counts, settings: &BreakerSettings, share: Share, number: u32) -> Self {
        let (window, slow) = (settings.window, settings.slow);
        Self { counts: *counts, window, share, number, slow }
    }

    fn kinds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.counts.failures > 0 {
            write!(f, ", {}", self.counts.by_kind())?;
        }
        Ok(())
    }
}

/// "14 of 20 calls in 10s": a window in words.
pub(super) struct Within(pub(super) Lookback);

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.duration(), self.0) {
            (Some(window), _) => write!(f, " in {window:?}"),
            (None, Lookback::Calls(calls)) => write!(f, " among the last {calls}"),
            (None, _) => Ok(()),
        }
    }
}

/// A share in percent, without decimals that say nothing.
pub(super) struct Percent(pub(super) Share);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0.as_millionths()) / 10_000.0)
    }
}

/// A share that changes with each call, to the percent.
pub(super) struct About(pub(super) Share);

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}%", f64::from(self.0.as_millionths()) / 10_000.0)
    }
}

/// A share of calls and the threshold it reached: "14 of 20 calls in 10s failed (70% >= 50%)".
struct Reached<'a>(u32, u32, &'a str, &'a Evidence);

impl fmt::Display for Reached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(part, whole, what, evidence) = self;
        let percent = 100.0 * f64::from(*part) / f64::from((*whole).max(1));
        let (within, share) = (Within(evidence.window), Percent(evidence.share));
        write!(f, "{part} of {whole} calls{within} {what} ({percent:.0}% >= {share})")
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailureRate(evidence) => {
                let counts = &evidence.counts;
                Reached(counts.failures, counts.requests, "failed", evidence).fmt(f)?;
                evidence.kinds(f)
            }
            Self::SlowRate(evidence) => {
                let counts = &evidence.counts;
                Reached(counts.slow, slow_among(counts), "were slow", evidence).fmt(f)?;
                write!(f, ", {:?} or more", evidence.slow)
            }
            Self::Consecutive(evidence) => {
                let counts = &evidence.counts;
                match counts.consecutive_failures {
                    1 => f.write_str("a call failed")?,
                    calls => write!(f, "{calls} calls in a row failed")?,
                }
                write!(f, " (>= {})", evidence.number)?;
                evidence.kinds(f)
            }
            Self::Failures(evidence) => {
                write!(f, "{} calls{} failed", evidence.counts.failures, Within(evidence.window))?;
                write!(f, " (>= {})", evidence.number)?;
                evidence.kinds(f)
            }
            Self::Abandoned(evidence) => {
                let counts = &evidence.counts;
                Reached(counts.abandoned, ended(counts), "were abandoned", evidence).fmt(f)
            }
            Self::ProbeFailed(outcome) => write!(f, "a probe failed, {}", outcome.name()),
            Self::ProbeSlow(took) => write!(f, "a probe was slow, {}", Rough::about(*took)),
            Self::ProbesAbandoned(probes) => write!(f, "{probes} probes were abandoned"),
            Self::TimeIsUp => f.write_str("it was open for long enough"),
            Self::ProbesSucceeded(1) => f.write_str("a probe succeeded"),
            Self::ProbesSucceeded(probes) => write!(f, "{probes} probes succeeded"),
            Self::Said(mode) => f.write_str(match mode {
                Mode::Automatic => "set to work by itself",
                Mode::ForcedOpen => "forced open",
                Mode::ForcedClosed => "forced closed",
                Mode::MetricsOnly => "set to count only",
            }),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::ForcedOpen => "forced open",
            Self::ForcedClosed => "forced closed",
        })
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: {}", self.from, self.to, self.why)
    }
}
