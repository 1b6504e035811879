//! The refusal of a breaker.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::governance::Rough;
use crate::governance::rules::{RuleKey, Share, in_words};
use crate::status::{Code, Status};

use super::why::{About, State, Why};

/// A breaker refuses: what is called has been failing. Nothing was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitOpen {
    state: State,
    since: Duration,
    retry_after: Option<Duration>,
    why: Option<Arc<Why>>,
    throttled: Option<Share>,
    whose: Option<Box<str>>,
    forced: Option<(Arc<str>, Duration)>,
}

impl CircuitOpen {
    pub(super) fn new(
        state: State,
        since: Duration,
        retry_after: Option<Duration>,
        why: Option<Arc<Why>>,
    ) -> Self {
        Self { state, since, retry_after, why, throttled: None, whose: None, forced: None }
    }

    pub(super) fn throttled(share: Share) -> Self {
        let throttled = Some(share);
        Self {
            state: State::Closed,
            since: Duration::ZERO,
            retry_after: None,
            why: None,
            throttled,
            whose: None,
            forced: None,
        }
    }

    /// The same, of the breaker that is that one's alone, as in `tenant "eu"`.
    #[must_use]
    pub fn of(self, whose: Option<Box<str>>) -> Self {
        Self { whose, ..self }
    }

    /// Whose breaker it is, as in `tenant "eu"`, where each has one of its own.
    pub fn whose(&self) -> Option<&str> {
        self.whose.as_deref()
    }

    /// The same, where `by` forces the circuit open, for so long yet.
    #[must_use]
    pub fn forced_by(self, by: Arc<str>, left: Duration) -> Self {
        Self { forced: Some((by, left)), retry_after: Some(left), ..self }
    }

    /// Open, half-open (and enough probes are under way), or forced open; closed where a throttle
    /// refuses one of many.
    pub fn state(&self) -> State {
        self.state
    }

    /// How long it has been in this state.
    pub fn since(&self) -> Duration {
        self.since
    }

    /// When a call may be let pass again, where that is a matter of time.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Why the circuit was opened.
    pub fn why(&self) -> Option<&Why> {
        self.why.as_deref()
    }

    /// The share of calls that a throttle refuses at present.
    pub fn refused_share(&self) -> Option<Share> {
        self.throttled
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = self.whose.as_ref().map(|whose| format!(" for {whose}")).unwrap_or_default();
        if let Some(share) = self.throttled {
            let share = About(share);
            return write!(
                f,
                "breaker{whose} throttles: {share} of calls are refused while many fail"
            );
        }
        write!(f, "circuit{whose} {}", self.state)?;
        match &self.forced {
            Some((by, left)) => return write!(f, " by {by} for another {}", in_words(*left)),
            None => write!(f, " for {}", Rough::about(self.since))?,
        }
        if let Some(why) = &self.why {
            write!(f, ": {why}")?;
        }
        match (self.state, self.retry_after) {
            (_, Some(wait)) => write!(f, "; next probe in {}", Rough::at_least(wait)),
            (State::HalfOpen, None) => f.write_str("; enough probes are under way"),
            (_, None) => Ok(()),
        }
    }
}

impl Error for CircuitOpen {}

impl From<CircuitOpen> for Status {
    fn from(refusal: CircuitOpen) -> Self {
        let retry_after = refusal.retry_after;
        let status = Self::local(Code::Unavailable, refusal.to_string())
            .refused_by_rule(RuleKey::Breaker)
            .with_source(refusal);
        match retry_after {
            Some(wait) => status.with_retry_after(wait),
            None => status,
        }
    }
}
