//! The refusal of a rate limit.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::quota::Quota;
use crate::governance::Rough;
use crate::governance::rules::RuleKey;
use crate::status::{Code, Status};

/// A limit refused: too many calls in too little time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    pub(super) quota: Quota,
    pub(super) asked: u32,
    pub(super) retry_after: Option<Duration>,
}

/// The limit that is one caller's or one tenant's alone refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLimited {
    limited: RateLimited,
    whose: Box<str>,
}

impl RateLimited {
    /// After what time as many would pass if nobody else came; `None` if they never do.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What the limit lets go.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// The same of a limit that is that one's alone, as in `caller "anna"`.
    pub fn of(self, whose: Box<str>) -> KeyLimited {
        KeyLimited { limited: self, whose }
    }

    fn tell(&self, f: &mut fmt::Formatter<'_>, whose: &str) -> fmt::Result {
        write!(f, "limit of {}{whose}: ", self.quota)?;
        match self.retry_after {
            Some(wait) => write!(f, "retry in {}", Rough::at_least(wait)),
            None => write!(f, "{} at once never pass", self.asked),
        }
    }

    fn status(self, message: String, source: impl Error + Send + Sync + 'static) -> Status {
        let status = Status::local(Code::ResourceExhausted, message)
            .refused_by_rule(RuleKey::Limit)
            .with_source(source);
        match self.retry_after {
            Some(wait) => status.with_retry_after(wait),
            None => status,
        }
    }
}

impl KeyLimited {
    /// Whose limit it is, as in `caller "anna"`.
    pub fn whose(&self) -> &str {
        &self.whose
    }

    /// What that limit says.
    pub fn limited(&self) -> RateLimited {
        self.limited
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f, "")
    }
}

impl fmt::Display for KeyLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limited.tell(f, &format!(" for {}", self.whose))
    }
}

impl Error for RateLimited {}

impl Error for KeyLimited {}

impl From<RateLimited> for Status {
    fn from(refusal: RateLimited) -> Self {
        refusal.status(refusal.to_string(), refusal)
    }
}

impl From<KeyLimited> for Status {
    fn from(refusal: KeyLimited) -> Self {
        refusal.limited.status(refusal.to_string(), refusal)
    }
}
