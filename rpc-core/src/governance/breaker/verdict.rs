//! What the end of a call says to a breaker.

use crate::governance::outcome::{Judgement, Outcome, Sample};

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

impl Verdict {
    /// What the table of outcomes says of this one, which a breaker judges so.
    ///
    /// An end that says nothing of the server, but was not waited for, is abandoned.
    pub(super) fn of(outcome: Outcome, judgement: Judgement) -> Self {
        match judgement {
            Judgement::Success => Self::Success,
            Judgement::Failure => Self::Failure(outcome),
            Judgement::Neutral if outcome.sample() == Sample::AtLeast => Self::Abandoned,
            Judgement::Neutral => Self::Neutral,
        }
    }

    /// Whether the time it took says how long answers take.
    pub(super) fn is_sample(self) -> bool {
        match self {
            Self::Success | Self::Abandoned => true,
            Self::Failure(outcome) => outcome.sample() != Sample::Nothing,
            Self::Neutral => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ran_out_of_inherited_time_has_only_not_waited() {
        let of = |outcome: Outcome, own| Verdict::of(outcome, outcome.judged(own));
        assert_eq!(of(Outcome::Deadline, true), Verdict::Failure(Outcome::Deadline));
        assert_eq!(of(Outcome::Deadline, false), Verdict::Abandoned);
        assert_eq!(of(Outcome::HedgeLoser, true), Verdict::Abandoned);
        assert_eq!(of(Outcome::RefusedLocally, true), Verdict::Neutral);
        assert_eq!(of(Outcome::Overload, true), Verdict::Neutral);
        assert_eq!(of(Outcome::BusinessError, true), Verdict::Success);
    }
}
