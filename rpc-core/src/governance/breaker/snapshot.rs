//! A breaker at a moment, for people.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::governance::Rough;
use crate::governance::rules::Share;

use super::counts::Counts;
use super::settings::Lookback;
use super::why::{About, State, Why, Within};

/// What a breaker is doing, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// What it does with calls.
    pub state: State,
    /// It only counts what it would do.
    pub is_metrics_only: bool,
    /// How long it has been in this state.
    pub since: Duration,
    /// How long until it lets a probe pass, if it is open.
    pub retry_after: Option<Duration>,
    /// What it has counted in this state.
    pub counts: Counts,
    /// Which calls it looks at while it is closed.
    pub window: Lookback,
    /// Probes under way.
    pub probes_out: u32,
    /// Probes that have to succeed.
    pub probes: u32,
    /// How many calls it has refused in all, or would have.
    pub refused: u64,
    /// How often it has changed its state.
    pub transitions: u64,
    /// Why it was last opened.
    pub opened: Option<Arc<Why>>,
    /// Which share of calls it refuses, if it is a throttle.
    pub refused_share: Option<Share>,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_metrics_only {
            f.write_str("counting only, would be ")?;
        }
        let since = Rough::about(self.since);
        let (within, counts) = (Within(self.window), &self.counts);
        let is_forced = matches!(self.state, State::ForcedOpen | State::ForcedClosed);
        if let Some(share) = self.refused_share.filter(|_| !is_forced) {
            write!(f, "throttle refuses {}: ", About(share))?;
            write!(f, "{} of {} calls{within} failed", counts.failures, counts.requests)?;
            return self.kinds(f);
        }
        match self.state {
            State::Closed if counts.requests == 0 => write!(f, "closed: no calls{within}"),
            State::Closed => {
                write!(f, "closed: ")?;
                write!(f, "{} of {} calls{within} failed", counts.failures, counts.requests)?;
                self.kinds(f)
            }
            State::Open => {
                write!(f, "OPEN {since} ago")?;
                if let Some(wait) = self.retry_after {
                    write!(f, ", next probe in {}", Rough::at_least(wait))?;
                }
                self.opened.iter().try_for_each(|why| write!(f, ": {why}"))
            }
            State::HalfOpen => {
                write!(f, "HALF-OPEN {since} ago, probes: {} under way", self.probes_out)?;
                write!(f, ", {} of {} succeeded", counts.successes, self.probes)?;
                self.opened.iter().try_for_each(|why| write!(f, "; it had opened: {why}"))
            }
            State::ForcedOpen => write!(f, "FORCED OPEN {since} ago"),
            State::ForcedClosed => write!(f, "forced closed {since} ago"),
        }
    }
}

impl Snapshot {
    fn kinds(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.counts.failures > 0 {
            write!(f, ", {}", self.counts.by_kind())?;
        }
        Ok(())
    }
}
