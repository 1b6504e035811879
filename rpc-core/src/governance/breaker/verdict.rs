//! What the end of a call says to a breaker.

use crate::governance::outcome::Outcome;

/// What became of an admitted call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What is called did its work; also if it says no.
    Success,
    /// It did not, in this way.
    Failure(Outcome),
    /// Nothing was learnt: a later step refused, or what is called has too much to do, which is no
    /// fault and no health either. Nothing is counted, and it closes nothing.
    Neutral,
    /// The caller did not wait for the end: it went away, or another attempt was faster.
    ///
    /// How long it had waited is a sample all the same: *at least this slow*. And where nearly all
    /// calls are abandoned they are failures, or else hedging and outer time-outs would hide a
    /// server that never answers; see [`ABANDONED_SHARE`](super::ABANDONED_SHARE).
    Abandoned,
}

impl From<Outcome> for Verdict {
    /// A deadline is a failure here: whoever had less than the method's own time says
    /// [`Verdict::Abandoned`] instead.
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Success | Outcome::BusinessError => Self::Success,
            Outcome::ServerFault | Outcome::TransportFailure | Outcome::Deadline => {
                Self::Failure(outcome)
            }
            Outcome::Overload | Outcome::RefusedLocally => Self::Neutral,
            Outcome::Cancelled | Outcome::HedgeLoser => Self::Abandoned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_table_of_outcomes() {
        use Outcome::*;
        for outcome in [
            Success,
            BusinessError,
            ServerFault,
            TransportFailure,
            Overload,
            Deadline,
            Cancelled,
            HedgeLoser,
            RefusedLocally,
        ] {
            let is_failure = matches!(Verdict::from(outcome), Verdict::Failure(_));
            assert_eq!(is_failure, outcome.is_node_failure(), "{outcome:?}");
        }
    }
}
