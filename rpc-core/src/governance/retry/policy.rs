//! Whether a failed attempt is followed by another, and after which pause.

use std::fmt;
use std::time::Duration;

use super::Budget;
use crate::governance::Moment;
use crate::governance::backoff;
use crate::governance::outcome::Outcome;
use crate::governance::rules::RetryRule;
use crate::status::Status;

/// How often a call may move on for free because it provably ran nowhere. Others exclude up to
/// eight tried nodes (brpc) or give up after six picks (Kitex); further moves count as retries.
pub const MAX_RESENDS: u32 = 8;

/// The pushback that means *do not try again*.
pub const NEVER: Duration = Duration::MAX;

/// Whether a pushback means [`NEVER`].
///
/// On the wire it is unsigned microseconds. What would be negative there is a peer that subtracted
/// wrongly, and means the same, as in gRFC A6.
pub fn is_never(pushback: Duration) -> bool {
    pushback.as_micros() > i64::MAX as u128
}

/// When a failed attempt is followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    rule: RetryRule,
}

/// What is known of a call when an attempt of it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Attempts made, the first included, without those that were free.
    pub attempts: u32,
    /// How often it moved on for free.
    pub resends: u32,
    /// The method may run twice.
    pub is_idempotent: bool,
    /// Whoever made this call was serving a retry.
    pub is_retried_upstream: bool,
    /// How long the call may still take.
    pub left: Duration,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Retry {
    /// Another one.
    Go {
        /// After this pause.
        after: Duration,
        /// It ran nowhere, so that the budget has nothing to pay for.
        is_free: bool,
    },
    /// None, and why.
    Stop(Stop),
}

/// Why a call is not tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// Another attempt would end the same way.
    Hopeless,
    /// The handler may have run, and running it twice may do harm.
    MayHaveRun,
    /// As many attempts as the rule allows have been made.
    OutOfAttempts,
    /// The caller itself is being retried: one tier does that, else they multiply.
    RetriedUpstream,
    /// The server forbids it.
    PushedBack,
    /// The pause would outlast the call's time.
    OutOfTime,
    /// The budget is spent.
    OutOfBudget,
}

impl RetryPolicy {
    /// No attempt but the first, save where nothing has run.
    pub const NONE: Self = Self::new(RetryRule { attempts: 1, ..RetryRule::DEFAULT });

    /// As the rule says.
    pub const fn new(rule: RetryRule) -> Self {
        Self { rule }
    }

    /// What follows the attempt that `failed` with this `outcome`; `random` is in `0.0..1.0`.
    ///
    /// A call that ran nowhere goes to another node at once: that is another machine, and there is
    /// nothing to wait for. Should that be down as well, pauses begin.
    pub fn next(&self, failed: &Status, outcome: Outcome, facts: &Facts, random: f64) -> Retry {
        if !outcome.is_retryable(failed) {
            return Retry::Stop(Stop::Hopeless);
        }
        if outcome.is_free_to_resend(failed) && facts.resends < MAX_RESENDS {
            let after = match facts.resends.checked_sub(1) {
                None => Duration::ZERO,
                Some(earlier) => self.pause(earlier, random),
            };
            return within(facts.left, after, true);
        }
        if !facts.is_idempotent && !failed.is_safe_to_retry() {
            return Retry::Stop(Stop::MayHaveRun);
        }
        if facts.attempts >= self.rule.attempts {
            return Retry::Stop(Stop::OutOfAttempts);
        }
        if facts.is_retried_upstream {
            return Retry::Stop(Stop::RetriedUpstream);
        }
        let pushback = failed.retry_after().unwrap_or_default();
        if is_never(pushback) {
            return Retry::Stop(Stop::PushedBack);
        }
        // Everybody was told the same pause, so the jitter comes on top of it.
        let pause = self.pause(facts.attempts.saturating_sub(1), random);
        within(facts.left, pushback.saturating_add(pause), false)
    }

    fn pause(&self, earlier: u32, random: f64) -> Duration {
        backoff::pause(self.rule.backoff, self.rule.max_backoff, earlier, random)
    }
}

/// An attempt that would begin when the time is over does not begin: its caller learns of the
/// failure now rather than of a deadline later.
fn within(left: Duration, after: Duration, is_free: bool) -> Retry {
    if after < left { Retry::Go { after, is_free } } else { Retry::Stop(Stop::OutOfTime) }
}

impl Retry {
    /// The same, if the budget pays for it or need not. To be asked before the pause: a herd that
    /// waits first and is refused then has waited for nothing.
    pub fn paid_from(self, budget: &Budget, now: Moment) -> Self {
        match self {
            Self::Go { is_free: false, .. } if !budget.withdraw(now) => {
                Self::Stop(Stop::OutOfBudget)
            }
            other => other,
        }
    }
}

impl Stop {
    /// Whether to answer with [`NEVER`], so that callers don't try again either: what is called has
    /// more than it can take, and their retries would only come to the same end.
    ///
    /// Who was silenced itself says so too. In three tiers over a leaf that fails its load rises by
    /// 21 %, and by 45 % were it only for those whose own budget is spent (`tests/storms`).
    pub fn silences_callers(self) -> bool {
        matches!(self, Self::OutOfBudget | Self::PushedBack)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hopeless => "another attempt would end the same way",
            Self::MayHaveRun => "it may have run, and the method is not idempotent",
            Self::OutOfAttempts => "all attempts are made",
            Self::RetriedUpstream => "the caller is itself being retried",
            Self::PushedBack => "the server forbids it",
            Self::OutOfTime => "there is no time left for it",
            Self::OutOfBudget => "the retry budget is spent",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::status::{Code, Executed};

    const RULE: RetryRule = RetryRule {
        attempts: 3,
        backoff: Duration::from_millis(10),
        max_backoff: Duration::from_millis(100),
    };
    const FACTS: Facts = Facts {
        attempts: 1,
        resends: 0,
        is_idempotent: true,
        is_retried_upstream: false,
        left: Duration::from_secs(1),
    };
    const PLAIN: Facts = Facts { is_idempotent: false, ..FACTS };

    fn next(failed: &Status, facts: Facts) -> Retry {
        RetryPolicy::new(RULE).next(failed, Outcome::of_status(failed), &facts, 0.5)
    }

    fn go(after: u64) -> Retry {
        Retry::Go { after: Duration::from_millis(after), is_free: false }
    }

    fn stop(failed: &Status, facts: Facts) -> Stop {
        match next(failed, facts) {
            Retry::Stop(why) => why,
            go => panic!("{go:?} after {failed}"),
        }
    }

    fn lost() -> Status {
        Status::transport("reset", Executed::Maybe)
    }

    fn full() -> Status {
        Status::refused(Code::ResourceExhausted, "full")
    }

    #[test]
    fn what_may_have_run_is_repeated_only_for_idempotent_methods() {
        let late = Status::local(Code::DeadlineExceeded, "the attempt took too long")
            .from(crate::status::Origin::Client, Executed::Maybe);
        for failed in
            [lost(), Status::unavailable("not now"), Status::resource_exhausted("x"), late]
        {
            assert_eq!(next(&failed, FACTS), go(10), "{failed}");
            assert_eq!(stop(&failed, PLAIN), Stop::MayHaveRun, "{failed}");
        }
    }

    #[test]
    fn what_did_not_run_may_be_repeated_for_every_method() {
        assert_eq!(next(&full(), PLAIN), go(10));
        let unsent = Status::transport("refused", Executed::No);
        assert_eq!(next(&unsent, PLAIN), Retry::Go { after: Duration::ZERO, is_free: true });
    }

    #[test]
    fn what_would_end_the_same_way_is_not_repeated() {
        for failed in [
            Status::not_found("x"),
            Status::internal("x"),
            Status::cancelled("x"),
            Status::unknown("x"),
        ] {
            assert_eq!(stop(&failed, FACTS), Stop::Hopeless, "{failed}");
        }
    }

    #[test]
    fn rejections_of_our_own_are_not_retried_as_in_go_zero_5551() {
        let refused = Status::local(Code::Unavailable, "circuit open");
        assert!(refused.is_safe_to_retry(), "it ran nowhere, and that is not the question");
        assert_eq!(stop(&refused, FACTS), Stop::Hopeless);
    }

    #[test]
    fn there_are_as_many_attempts_as_the_rule_says() {
        assert_eq!(next(&lost(), Facts { attempts: 2, ..FACTS }), go(16));
        assert_eq!(stop(&lost(), Facts { attempts: 3, ..FACTS }), Stop::OutOfAttempts);
        let none = RetryPolicy::NONE.next(&lost(), Outcome::TransportFailure, &FACTS, 0.5);
        assert_eq!(none, Retry::Stop(Stop::OutOfAttempts));
    }

    #[test]
    fn no_retry_is_without_a_pause_as_in_tarpc() {
        for attempts in 1..3 {
            let facts = Facts { attempts, ..FACTS };
            let shortest =
                RetryPolicy::new(RULE).next(&lost(), Outcome::TransportFailure, &facts, 0.0);
            let Retry::Go { after, .. } = shortest else { panic!("{shortest:?}") };
            assert!(after >= RULE.backoff / 2);
        }
    }

    #[test]
    fn only_the_first_move_of_what_ran_nowhere_is_without_a_pause() {
        let unsent = Status::transport("refused", Executed::No);
        let after = |resends| next(&unsent, Facts { resends, ..PLAIN });
        let free = |ms| Retry::Go { after: Duration::from_millis(ms), is_free: true };
        assert_eq!([after(0), after(1), after(2)], [free(0), free(10), free(16)]);
        assert_eq!(after(MAX_RESENDS), go(10), "from here on it is a retry");
    }

    #[test]
    fn a_retry_of_a_retry_is_not_made_but_a_move_is() {
        let serving = Facts { is_retried_upstream: true, ..FACTS };
        assert_eq!(stop(&lost(), serving), Stop::RetriedUpstream);
        assert_eq!(stop(&full(), serving), Stop::RetriedUpstream);
        let unsent = Status::transport("refused", Executed::No);
        assert_eq!(next(&unsent, serving), Retry::Go { after: Duration::ZERO, is_free: true });
    }

    #[test]
    fn a_pushback_is_a_pause_at_least_that_long() {
        let pushed = full().with_retry_after(Duration::from_millis(200));
        assert_eq!(next(&pushed, FACTS), go(210));
    }

    #[test]
    fn a_pushback_longer_than_the_time_left_ends_it_at_once() {
        let pushed = full().with_retry_after(FACTS.left);
        assert_eq!(stop(&pushed, FACTS), Stop::OutOfTime);
    }

    #[test]
    fn a_negative_pushback_means_never() {
        for micros in [u64::MAX, -1_i64 as u64, -50_000_i64 as u64, i64::MIN as u64] {
            let pushed = full().with_retry_after(Duration::from_micros(micros));
            let facts = Facts { left: Duration::MAX, ..FACTS };
            assert_eq!(stop(&pushed, facts), Stop::PushedBack, "{micros}");
        }
        assert!(is_never(NEVER) && !is_never(Duration::from_secs(86_400 * 365)));
    }

    #[test]
    fn a_retry_inside_little_time_left_is_not_begun() {
        let facts = |left| Facts { left, ..FACTS };
        assert_eq!(stop(&lost(), facts(Duration::ZERO)), Stop::OutOfTime);
        assert_eq!(stop(&lost(), facts(Duration::from_millis(10))), Stop::OutOfTime);
        assert_eq!(next(&lost(), facts(Duration::from_millis(11))), go(10));
        let unsent = Status::transport("refused", Executed::No);
        assert_eq!(stop(&unsent, facts(Duration::ZERO)), Stop::OutOfTime);
    }

    #[test]
    fn free_moves_do_not_spend_the_budget_and_retries_do() {
        let now = Moment::default();
        let budget = Budget::default();
        let before = budget.balance(now);
        let unsent = Status::transport("refused", Executed::No);
        let _ = next(&unsent, PLAIN).paid_from(&budget, now);
        assert_eq!(budget.balance(now), before);
        for _ in 0..before {
            assert_eq!(next(&lost(), FACTS).paid_from(&budget, now), go(10));
        }
        let refused = next(&lost(), FACTS).paid_from(&budget, now);
        assert_eq!(refused, Retry::Stop(Stop::OutOfBudget));
        assert!(Stop::OutOfBudget.silences_callers() && !Stop::OutOfAttempts.silences_callers());
    }

    proptest! {
        #[test]
        fn a_pause_never_outlasts_the_time_left_nor_undercuts_the_pushback(
            attempts in 0..5u32,
            resends in 0..20u32,
            pushback in proptest::option::of(0..2_000_000_000u64),
            left in 0..2_000_000_000u64,
            runs in 0..3,
            random in 0.0..1.0,
        ) {
            let executed = [Executed::No, Executed::Maybe, Executed::Yes][runs as usize];
            let mut failed = Status::transport("x", executed);
            if let Some(pushback) = pushback {
                failed = failed.with_retry_after(Duration::from_nanos(pushback));
            }
            let left = Duration::from_nanos(left);
            let facts = Facts { attempts, resends, left, ..FACTS };
            let outcome = Outcome::of_status(&failed);
            if let Retry::Go { after, is_free } = RetryPolicy::new(RULE).next(&failed, outcome, &facts, random) {
                prop_assert!(after < left);
                prop_assert!(is_free || after >= Duration::from_nanos(pushback.unwrap_or(0)));
                prop_assert!(!is_free || executed == Executed::No);
                prop_assert!(is_free || attempts < RULE.attempts);
            }
        }
    }
}
