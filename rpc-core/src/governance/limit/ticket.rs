//! What a limit hands out, and how it says no.

use std::time::Duration;

use crate::governance::Moment;

/// Permits that a limit has counted, for a call that may go ahead after [`wait`](Self::wait).
///
/// Dropping it means that the permits are used. What was not used is given back to the limit that
/// handed it out, which takes the ticket: nothing is given back twice.
///
/// ```compile_fail,E0382
/// use rpc_core::governance::Moment;
/// use rpc_core::governance::limit::TokenBucket;
///
/// let now = Moment::from_nanos(0);
/// let bucket = TokenBucket::new(10.0, 5, now);
/// let ticket = bucket.reserve(5, std::time::Duration::ZERO, now).unwrap();
/// bucket.give_back(ticket, now);
/// bucket.give_back(ticket, now);
/// ```
#[derive(Debug, PartialEq)]
pub struct Ticket {
    /// From when on the call may go ahead.
    pub(super) at: u64,
    /// How long after the asking that is.
    pub(super) wait: u64,
    /// How many.
    pub(super) permits: u32,
    /// What the limit has to know to take them back.
    pub(super) taken: Taken,
}

/// From what the permits of a ticket were taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Taken {
    /// From a bucket that filled at this rate; at an infinite one nothing was taken.
    Token { rate: f64 },
    /// The places in a queue after `before` and up to `newest`.
    Leaky { newest: u64, before: u64 },
    /// From the window that begins then.
    Fixed { start: u64 },
    /// From the window that begins then.
    Sliding { start: u64 },
}

/// There are not as many permits as were asked for, nor will there be within the longest wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// After what time as many would pass if nobody else came; `None` if they never do.
    pub retry_after: Option<Duration>,
}

/// Waits of this length and above are for ever: 292 years, the longest that other libraries know.
pub(super) const FOREVER: u64 = i64::MAX as u64;

impl Ticket {
    /// How long to wait before the call may go ahead.
    pub fn wait(&self) -> Duration {
        Duration::from_nanos(self.wait)
    }

    /// The moment from which on the call may go ahead.
    pub fn ready_at(&self) -> Moment {
        Moment::from_nanos(self.at)
    }

    /// How many permits it stands for.
    pub fn permits(&self) -> u32 {
        self.permits
    }
}

impl Exhausted {
    /// As many never pass.
    pub(super) const NEVER: Self = Self { retry_after: None };

    /// They pass after so many nanoseconds.
    pub(super) fn for_nanos(wait: u64) -> Self {
        Self { retry_after: (wait < FOREVER).then(|| Duration::from_nanos(wait)) }
    }
}
