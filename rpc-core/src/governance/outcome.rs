//! What the end of a call says about whom. Breakers, balancing, retries, limits, fallbacks and
//! metrics all ask this one table, so that they can't disagree about what a failure is.

use crate::request::Response;
use crate::status::{Code, Executed, Origin, Status};

/// The ways a call, or an attempt of it, can end; and what each of them says.
///
/// | outcome | breaker | throttle | retried if idempotent | fallback | time |
/// |---|---|---|---|---|---|
/// | success | success | success | no | no | exact |
/// | business error | success | success | no | no | exact |
/// | server fault | failure | failure | if unavailable | asked | nothing |
/// | transport failure | failure | failure | yes | asked | nothing |
/// | overload | neutral | failure | yes | asked | nothing |
/// | deadline | failure, with its own time | failure, with its own time | yes | asked | at least |
/// | cancelled | neutral | neutral | no | no | at least |
/// | hedge loser | neutral | neutral | no | no | at least |
/// | refused locally | neutral | neutral | no | asked | nothing |
///
/// The columns are [`judged`](Self::judged), [`judged_by_throttle`](Self::judged_by_throttle),
/// [`is_retryable`](Self::is_retryable), [`asks_fallback`](Self::asks_fallback) and
/// [`sample`](Self::sample).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// An answer.
    Success,
    /// The method's own error, or a code that blames the caller: the node did its work.
    BusinessError,
    /// The handler failed: a panic, or *internal*, *unknown*, *data loss*, *unavailable* from it.
    ServerFault,
    /// The connection could not be made or ended under the call.
    TransportFailure,
    /// The server refused because it has too much to do.
    Overload,
    /// The time ran out.
    Deadline,
    /// The caller went away.
    Cancelled,
    /// Another attempt of the same call was faster.
    HedgeLoser,
    /// This process refused: nothing was sent.
    RefusedLocally,
}

/// What an outcome says to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// It works.
    Success,
    /// It does not.
    Failure,
    /// Nothing either way: the guard is given back and nothing is counted.
    Neutral,
}

/// What the time that an attempt took says of how long answers take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sample {
    /// So long.
    Exact,
    /// So long or longer: it was given up before its end. Who leaves these out sees only the fast
    /// ones, and a node that swallows calls looks as if it had none.
    AtLeast,
    /// Nothing: a fast failure is not a fast answer.
    Nothing,
}

/// A method's own view of what a status is; `None` leaves it to the table.
///
/// It is asked only for what the far side said. What this process refused, a call that was given
/// up, and a lost connection are what they are, whatever the method.
pub type Classify = fn(&Status) -> Option<Outcome>;

/// What a fallback made of a call. It is counted beside the call's outcome and never changes it, so
/// that degraded answers can't hide an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Degradation {
    /// The caller got the fallback's answer.
    Answered,
    /// The fallback failed too.
    Failed,
}

impl Outcome {
    /// All of them, each at its own index.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Success,
        Self::BusinessError,
        Self::ServerFault,
        Self::TransportFailure,
        Self::Overload,
        Self::Deadline,
        Self::Cancelled,
        Self::HedgeLoser,
        Self::RefusedLocally,
    ];

    /// How many there are.
    pub(crate) const COUNT: usize = Self::RefusedLocally as usize + 1;

    /// What this end of a call is.
    pub fn of(result: &Result<Response, Status>) -> Self {
        match result {
            Ok(response) if response.is_app_error() => Self::BusinessError,
            Ok(_) => Self::Success,
            Err(status) => Self::of_status(status),
        }
    }

    /// What this status is; the table itself.
    pub fn of_status(status: &Status) -> Self {
        match (status.origin(), status.code()) {
            (Origin::Client, Code::Cancelled) => Self::Cancelled,
            (Origin::Client, Code::DeadlineExceeded) => Self::Deadline,
            (Origin::Client, _) => Self::RefusedLocally,
            (Origin::Transport, _) => Self::TransportFailure,
            (_, Code::Cancelled) => Self::Cancelled,
            (_, Code::DeadlineExceeded) => Self::Deadline,
            (Origin::Server, Code::ResourceExhausted | Code::Unavailable) => Self::Overload,
            (Origin::Handler, Code::ResourceExhausted) => Self::Overload,
            (_, Code::Internal | Code::Unknown | Code::DataLoss | Code::Unavailable) => {
                Self::ServerFault
            }
            _ => Self::BusinessError,
        }
    }

    /// What this status is to a method that may see it in its own way.
    pub fn classified(status: &Status, classify: Option<Classify>) -> Self {
        let own = match status.origin() {
            Origin::Handler | Origin::Server => classify.and_then(|classify| classify(status)),
            Origin::Transport | Origin::Client => None,
        };
        own.unwrap_or_else(|| Self::of_status(status))
    }

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::BusinessError => "business error",
            Self::ServerFault => "server fault",
            Self::TransportFailure => "transport failure",
            Self::Overload => "overload",
            Self::Deadline => "deadline",
            Self::Cancelled => "cancelled",
            Self::HedgeLoser => "hedge loser",
            Self::RefusedLocally => "refused locally",
        }
    }

    /// What it says of a node or a method, to a breaker that stops all calls.
    ///
    /// A deadline is a failure only of an attempt that `had_own_time`, all the time that the method
    /// asks for: others inherited little and say nothing. An overloaded server still does what it
    /// does not refuse, and stopping all calls to it would lose that.
    pub fn judged(self, had_own_time: bool) -> Judgement {
        match self {
            Self::Success | Self::BusinessError => Judgement::Success,
            Self::ServerFault | Self::TransportFailure => Judgement::Failure,
            Self::Deadline if had_own_time => Judgement::Failure,
            Self::Overload
            | Self::Deadline
            | Self::Cancelled
            | Self::HedgeLoser
            | Self::RefusedLocally => Judgement::Neutral,
        }
    }

    /// What it says to a breaker that stops a share of calls: as [`judged`](Self::judged), but being
    /// refused is just what such a breaker looks for (client-side throttling, *Site Reliability
    /// Engineering*, ch. 21).
    pub fn judged_by_throttle(self, had_own_time: bool) -> Judgement {
        match self {
            Self::Overload => Judgement::Failure,
            other => other.judged(had_own_time),
        }
    }

    /// Whether a node that ends calls this way is suspect.
    ///
    /// A deadline is a failure only if the attempt had the method's own time: whoever keeps a
    /// breaker asks [`judged`](Self::judged).
    pub fn is_node_failure(self) -> bool {
        self.judged(true) == Judgement::Failure
    }

    /// Whether it means that there is more to do than can be done, to a limit that adapts.
    pub fn is_congestion(self, had_own_time: bool) -> bool {
        matches!(self, Self::Overload) || matches!(self, Self::Deadline) && had_own_time
    }

    /// Whether another attempt may help, if it does no harm that the first may have run.
    ///
    /// A server fault is as likely to happen again, but for *unavailable*, which says not now; and
    /// one before anything ran, which is that node's alone.
    pub fn is_retryable(self, status: &Status) -> bool {
        match self {
            Self::TransportFailure | Self::Overload | Self::Deadline => true,
            Self::ServerFault => status.code() == Code::Unavailable || status.is_safe_to_retry(),
            Self::Success
            | Self::BusinessError
            | Self::Cancelled
            | Self::HedgeLoser
            | Self::RefusedLocally => false,
        }
    }

    /// Whether the call may be sent once more, to another node and without asking anyone, because
    /// nothing has run.
    pub fn is_free_to_resend(self, status: &Status) -> bool {
        matches!(self, Self::TransportFailure) && status.executed() == Executed::No
    }

    /// Whether the fallback may answer instead. Nobody waits for a cancelled call any more, and a
    /// hedge loser is not the end of one.
    pub fn asks_fallback(self) -> bool {
        match self {
            Self::ServerFault
            | Self::TransportFailure
            | Self::Overload
            | Self::Deadline
            | Self::RefusedLocally => true,
            Self::Success | Self::BusinessError | Self::Cancelled | Self::HedgeLoser => false,
        }
    }

    /// What the time it took says of how long answers take.
    pub fn sample(self) -> Sample {
        match self {
            Self::Success | Self::BusinessError => Sample::Exact,
            Self::Deadline | Self::Cancelled | Self::HedgeLoser => Sample::AtLeast,
            Self::ServerFault | Self::TransportFailure | Self::Overload | Self::RefusedLocally => {
                Sample::Nothing
            }
        }
    }
}

impl Degradation {
    /// How many there are.
    pub const COUNT: usize = Self::Failed as usize + 1;

    /// What this end of a fallback is.
    pub fn of<T, E>(answer: &Result<T, E>) -> Self {
        match answer {
            Ok(_) => Self::Answered,
            Err(_) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::AppErrorHead;

    #[test]
    fn the_table() {
        use Outcome::*;
        let of = |origin, code| {
            Outcome::of_status(&Status::new(code, "x").from(origin, Executed::Maybe))
        };
        let handler = [
            (Code::Cancelled, Cancelled),
            (Code::Unknown, ServerFault),
            (Code::InvalidArgument, BusinessError),
            (Code::DeadlineExceeded, Deadline),
            (Code::NotFound, BusinessError),
            (Code::AlreadyExists, BusinessError),
            (Code::PermissionDenied, BusinessError),
            (Code::ResourceExhausted, Overload),
            (Code::FailedPrecondition, BusinessError),
            (Code::Aborted, BusinessError),
            (Code::OutOfRange, BusinessError),
            (Code::Unimplemented, BusinessError),
            (Code::Internal, ServerFault),
            (Code::Unavailable, ServerFault),
            (Code::DataLoss, ServerFault),
            (Code::Unauthenticated, BusinessError),
        ];
        for (code, outcome) in handler {
            assert_eq!(of(Origin::Handler, code), outcome, "{code} from a handler");
            assert_eq!(of(Origin::Transport, code), TransportFailure, "{code} from the connection");
        }
        for (origin, code, outcome) in [
            (Origin::Server, Code::ResourceExhausted, Overload),
            (Origin::Server, Code::Unavailable, Overload),
            (Origin::Server, Code::DeadlineExceeded, Deadline),
            (Origin::Server, Code::Unimplemented, BusinessError),
            (Origin::Server, Code::Internal, ServerFault),
            (Origin::Client, Code::ResourceExhausted, RefusedLocally),
            (Origin::Client, Code::InvalidArgument, RefusedLocally),
            (Origin::Client, Code::DeadlineExceeded, Deadline),
            (Origin::Client, Code::Cancelled, Cancelled),
        ] {
            assert_eq!(of(origin, code), outcome, "{code} from {origin:?}");
        }
    }

    #[test]
    fn an_app_error_never_blames_the_node() {
        let head = AppErrorHead { code: Code::Internal, message: "x".into() };
        let response = Response { app_error: Some(Box::new(head)), ..Response::default() };
        let outcome = Outcome::of(&Ok(response));
        assert_eq!(outcome, Outcome::BusinessError);
        assert!(!outcome.is_node_failure());
        assert_eq!(Outcome::of(&Ok(Response::default())), Outcome::Success);
    }

    #[test]
    fn only_what_never_ran_is_resent_for_free() {
        let lost = Status::transport("reset", Executed::Maybe);
        let unsent = Status::transport("refused", Executed::No);
        assert!(!Outcome::of_status(&lost).is_free_to_resend(&lost));
        assert!(Outcome::of_status(&unsent).is_free_to_resend(&unsent));
        let full = Status::refused(Code::ResourceExhausted, "full");
        assert!(
            !Outcome::of_status(&full).is_free_to_resend(&full),
            "that is what budgets are for"
        );
    }

    #[test]
    fn the_documented_table_is_what_the_code_answers() {
        let judged = |judge: &dyn Fn(bool) -> Judgement| match (judge(true), judge(false)) {
            (Judgement::Success, Judgement::Success) => "success",
            (Judgement::Failure, Judgement::Failure) => "failure",
            (Judgement::Neutral, Judgement::Neutral) => "neutral",
            (Judgement::Failure, Judgement::Neutral) => "failure, with its own time",
            other => panic!("{other:?} has no name"),
        };
        for outcome in Outcome::ALL {
            let retried = match (
                outcome.is_retryable(&Status::unavailable("x")),
                outcome.is_retryable(&Status::internal("x")),
            ) {
                (true, true) => "yes",
                (false, false) => "no",
                _ => "if unavailable",
            };
            let row = format!(
                "/// | {} | {} | {} | {retried} | {} | {} |\n",
                outcome.name(),
                judged(&|own| outcome.judged(own)),
                judged(&|own| outcome.judged_by_throttle(own)),
                if outcome.asks_fallback() { "asked" } else { "no" },
                match outcome.sample() {
                    Sample::Exact => "exact",
                    Sample::AtLeast => "at least",
                    Sample::Nothing => "nothing",
                },
            );
            assert!(include_str!("outcome.rs").contains(&row), "the documentation lacks {row}");
        }
    }

    #[test]
    fn each_outcome_has_its_own_place() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }

    #[test]
    fn a_short_inherited_deadline_does_not_trip_a_shared_breaker() {
        assert_eq!(Outcome::Deadline.judged(false), Judgement::Neutral);
        assert_eq!(Outcome::Deadline.judged(true), Judgement::Failure);
        assert!(!Outcome::Deadline.is_congestion(false));
    }

    #[test]
    fn our_own_rejections_are_neither_failures_nor_retried_as_in_go_zero_5551() {
        let refused = Status::local(Code::Unavailable, "circuit open");
        let outcome = Outcome::of_status(&refused);
        assert_eq!(outcome.judged(true), Judgement::Neutral);
        assert_eq!(outcome.judged_by_throttle(true), Judgement::Neutral);
        assert!(!outcome.is_retryable(&refused) && !outcome.is_free_to_resend(&refused));
        assert_eq!(outcome.sample(), Sample::Nothing);
    }

    #[test]
    fn fallback_must_not_run_for_cancelled_calls() {
        assert!(!Outcome::Cancelled.asks_fallback());
    }

    #[test]
    fn a_method_may_see_a_code_in_its_own_way_but_only_what_the_far_side_said() {
        const STRICT: Classify = |status| {
            (status.code() == Code::NotFound || status.code() == Code::Unavailable)
                .then_some(Outcome::Success)
        };
        let of = |status: Status| Outcome::classified(&status, Some(STRICT));
        assert_eq!(of(Status::not_found("x")), Outcome::Success);
        assert_eq!(of(Status::internal("x")), Outcome::ServerFault);
        assert_eq!(of(Status::local(Code::Unavailable, "x")), Outcome::RefusedLocally);
        assert_eq!(of(Status::transport("x", Executed::Maybe)), Outcome::TransportFailure);
        assert_eq!(
            Outcome::classified(&Status::not_found("x"), None),
            Outcome::BusinessError,
            "the table holds where nothing is said"
        );
    }

    #[test]
    fn success_after_fallback_is_not_success() {
        let failed = Status::unavailable("down");
        let outcome = Outcome::of_status(&failed);
        let degradation = Degradation::of(&Ok::<_, Status>("the price of yesterday"));
        assert_eq!((outcome, degradation), (Outcome::ServerFault, Degradation::Answered));
        let worse = Degradation::of(&Err::<(), _>(Status::internal("no cache either")));
        assert_eq!((outcome, worse), (Outcome::ServerFault, Degradation::Failed));
    }
}
