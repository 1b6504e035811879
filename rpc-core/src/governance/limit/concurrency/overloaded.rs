//! The refusal of a concurrency limit.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use rpc_codec::{Code, Priority};

use crate::governance::Rough;
use crate::governance::rules::RuleKey;
use crate::status::Status;

/// A concurrency limit refused a call: as many as it lets in are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded {
    pub(super) reason: OverloadReason,
    pub(super) in_use: u32,
    pub(super) max: u32,
    pub(super) retry_after: Duration,
}

/// What there was no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverloadReason {
    /// Every place is taken, and nobody may wait.
    Full,
    /// Every place is taken, and so many wait already.
    QueueFull(u32),
    /// There are places, kept for calls that matter more than this priority.
    Priority(Priority),
    /// It had waited, until a call that matters more needed its place in the queue.
    PushedOut,
    /// It had waited so long, and no place became free for it.
    WaitedTooLong(Duration),
}

impl Overloaded {
    /// What there was no room for.
    pub fn reason(&self) -> OverloadReason {
        self.reason
    }

    /// How many calls were under way.
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    /// How many may be, at that time.
    pub fn max(&self) -> u32 {
        self.max
    }

    /// When to come back, as a guess: the limit doesn't know how long calls take.
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, in_use, max, retry_after } = self;
        write!(f, "concurrency limit: {in_use} of {max} calls under way")?;
        match reason {
            OverloadReason::Full => {}
            OverloadReason::QueueFull(waiting) => write!(f, " and {waiting} waiting")?,
            OverloadReason::Priority(priority) => {
                let priority = format!("{priority:?}").to_lowercase();
                write!(f, ", which leaves no room for {priority} ones")?;
            }
            OverloadReason::PushedOut => write!(f, ", and a call that matters more had to wait")?,
            OverloadReason::WaitedTooLong(waited) => {
                write!(f, ", waited {}", Rough::about(*waited))?
            }
        }
        write!(f, "; retry in {}", Rough::at_least(*retry_after))
    }
}

impl Error for Overloaded {}

impl From<Overloaded> for Status {
    fn from(refusal: Overloaded) -> Self {
        Self::local(Code::ResourceExhausted, refusal.to_string())
            .refused_by_rule(RuleKey::Concurrency)
            .with_retry_after(refusal.retry_after)
            .with_source(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::outcome::Outcome;

    fn refusal(reason: OverloadReason) -> Overloaded {
        Overloaded { reason, in_use: 52, max: 64, retry_after: Duration::from_millis(10) }
    }

    #[test]
    fn it_says_who_refused_why_and_when_to_come_back() {
        let text = |reason| refusal(reason).to_string();
        let begin = "concurrency limit: 52 of 64 calls under way";
        let end = "; retry in 10ms";
        for (reason, middle) in [
            (OverloadReason::Full, ""),
            (OverloadReason::QueueFull(9), " and 9 waiting"),
            (OverloadReason::Priority(Priority::Bulk), ", which leaves no room for bulk ones"),
            (OverloadReason::PushedOut, ", and a call that matters more had to wait"),
            (OverloadReason::WaitedTooLong(Duration::from_millis(7)), ", waited 7ms"),
        ] {
            assert_eq!(text(reason), format!("{begin}{middle}{end}"));
        }
    }

    #[test]
    fn as_a_status_it_is_this_clients_and_was_not_executed() {
        let status: Status = refusal(OverloadReason::Full).into();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(Outcome::of_status(&status), Outcome::RefusedLocally);
        assert_eq!(status.retry_after(), Some(Duration::from_millis(10)));
        assert!(status.is_safe_to_retry());
    }
}
