//! What the end of a call says about whom. Breakers, balancing, retries, limits, fallbacks and
//! metrics all ask this one table, so that they can't disagree about what a failure is.

use crate::request::Response;
use crate::status::{Code, Executed, Origin, Status};

/// The ways a call can end.
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

impl Outcome {
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

    /// Whether a node that ends calls this way is suspect.
    ///
    /// A deadline is a failure only if the attempt had the method's own time: whoever keeps a
    /// breaker has to ask for that beside this.
    pub fn is_node_failure(self) -> bool {
        matches!(self, Self::ServerFault | Self::TransportFailure | Self::Deadline)
    }

    /// Whether the call may be sent once more, to another node and without asking anyone, because
    /// nothing has run.
    pub fn is_free_to_resend(self, status: &Status) -> bool {
        matches!(self, Self::TransportFailure) && status.executed() == Executed::No
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
}
