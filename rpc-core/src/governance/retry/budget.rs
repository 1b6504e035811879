//! What retries and hedges may cost, together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::governance::Moment;
use crate::governance::moment::nanos;
use crate::governance::rules::Share;
use crate::governance::sync::{Mutex, lock};

/// One retry or hedge, in the millionths that are counted in.
const ONE: u64 = 1_000_000;
/// How long the floor is saved up: Finagle's ten seconds, so that the first failures after a start
/// and those of a caller with little traffic are retried.
const FLOOR_SAVED: u64 = 10;

/// What there is to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSettings {
    /// So much of the calls.
    pub share: Share,
    /// And so many a second.
    pub per_second: u32,
    /// What calls earned is kept for about so long; what the floor earned for ten seconds.
    pub saved: Duration,
}

impl BudgetSettings {
    /// 20 % of calls and one a second; what the last second's calls earned is kept.
    ///
    /// Finagle keeps ten seconds' worth, which an outage spends first: for all that time the rest get as
    /// much as without a budget (`tests/storms`).
    pub const DEFAULT: Self =
        Self { share: Share::from_percent(20), per_second: 1, saved: Duration::from_secs(1) };
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A budget for retries and hedges: one per process and target.
///
/// In any stretch of time there are no more of them than `share` of its calls and `per_second` for each
/// second, and what had been saved up before: the larger of what the floor earns in ten
/// seconds and what calls earned in the last while. So it is a token bucket that calls and time fill.
///
/// A deposit is one relaxed addition; the sums are made when something is taken or a while is over.
#[derive(Debug)]
pub struct Budget {
    calls: AtomicU64,
    /// When the present while is over: from then on a deposit makes the sums, so that calls of long
    /// ago buy nothing now.
    due: AtomicU64,
    purse: Mutex<Purse>,
}

#[derive(Debug)]
struct Purse {
    settings: BudgetSettings,
    /// In millionths of one; never above `most`.
    balance: u64,
    now: Moment,
    /// Of `calls`, those that are in the balance.
    counted: u64,
    /// When the present while began, and what `calls` was then.
    since: Moment,
    since_calls: u64,
    /// Calls of the last full while, and how many nanoseconds it lasted: never zero.
    last_calls: u64,
    last_nanos: u64,
}

impl Budget {
    /// A budget whose floor is saved up.
    pub fn new(settings: BudgetSettings, now: Moment) -> Self {
        let purse = Purse {
            settings,
            balance: floor(settings),
            now,
            counted: 0,
            since: now,
            since_calls: 0,
            last_calls: 0,
            last_nanos: 1,
        };
        Self {
            calls: AtomicU64::new(0),
            due: AtomicU64::new(now.plus(settings.saved).as_nanos()),
            purse: Mutex::new(purse),
        }
    }

    /// A call was made: the first attempt of it, not a retry nor a hedge.
    pub fn deposit(&self, now: Moment) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if now.as_nanos() >= self.due.load(Ordering::Relaxed) {
            self.settle(now, |_| ());
        }
    }

    /// Pays for a retry or a hedge, if there is enough.
    #[must_use]
    pub fn withdraw(&self, now: Moment) -> bool {
        self.settle(now, |purse| {
            let left = purse.balance.checked_sub(ONE);
            purse.balance = left.unwrap_or(purse.balance);
            left.is_some()
        })
    }

    /// How many it could pay for.
    pub fn balance(&self, now: Moment) -> u64 {
        self.settle(now, |purse| purse.balance / ONE)
    }

    /// Whether it can't pay for one: time to tell callers not to retry either.
    pub fn is_spent(&self, now: Moment) -> bool {
        self.balance(now) == 0
    }

    /// What is in force.
    pub fn settings(&self) -> BudgetSettings {
        lock(&self.purse).settings
    }

    /// From now on earns by other settings; what it has, it keeps as far as they allow.
    pub fn reconfigure(&self, settings: BudgetSettings, now: Moment) {
        self.settle(now, |purse| purse.settings = settings);
        // Once more, as less may be saved now.
        self.settle(now, |_| ());
    }

    fn settle<T>(&self, now: Moment, then: impl FnOnce(&mut Purse) -> T) -> T {
        let mut purse = lock(&self.purse);
        let calls = self.calls.load(Ordering::Relaxed);
        purse.settle(calls, now);
        let result = then(&mut purse);
        let due = purse.since.plus(purse.settings.saved);
        self.due.store(due.as_nanos(), Ordering::Relaxed);
        result
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(BudgetSettings::DEFAULT, Moment::default())
    }
}

impl Purse {
    /// Puts in what came since the last time. An earlier `now` than that is that.
    fn settle(&mut self, calls: u64, now: Moment) {
        let now = now.max(self.now);
        let by_calls = self.worth(calls.wrapping_sub(self.counted));
        // Whole microseconds, so that fractions of a token are not lost to frequent sums.
        let micros = nanos(now.since(self.now)) / 1_000;
        let by_time = micros.saturating_mul(u64::from(self.settings.per_second));
        self.counted = calls;
        self.now = self.now.plus(Duration::from_micros(micros));
        self.turn(calls, now);
        let sum = self.balance.saturating_add(by_calls).saturating_add(by_time);
        self.balance = sum.min(self.most(calls));
    }

    /// Begins a new while if the present one is over.
    fn turn(&mut self, calls: u64, now: Moment) {
        let lasted = nanos(now.since(self.since));
        if lasted >= nanos(self.settings.saved).max(1) {
            self.last_calls = calls.wrapping_sub(self.since_calls);
            self.last_nanos = lasted;
            (self.since, self.since_calls) = (now, calls);
        }
    }

    /// What may be saved up: what calls earn in a while, but no less than the floor.
    fn most(&self, calls: u64) -> u64 {
        let kept = u128::from(nanos(self.settings.saved));
        // Nobody may have asked for long: what counts is how much of the last while is one.
        let last = u128::from(self.worth(self.last_calls)) * kept / u128::from(self.last_nanos);
        let present = self.worth(calls.wrapping_sub(self.since_calls));
        u64::try_from(last).unwrap_or(u64::MAX).max(present).max(floor(self.settings))
    }

    /// What calls are worth, in millionths of one.
    fn worth(&self, calls: u64) -> u64 {
        calls.saturating_mul(u64::from(self.settings.share.as_millionths()))
    }
}

/// What may always be saved: at least one where anything is earned, or few calls could never pay.
fn floor(settings: BudgetSettings) -> u64 {
    let earns = settings.per_second > 0 || settings.share > Share::ZERO;
    let least = if earns { ONE } else { 0 };
    (u64::from(settings.per_second) * FLOOR_SAVED).saturating_mul(ONE).max(least)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::default().plus(Duration::from_millis(millis))
    }

    /// As many as can be had.
    fn drain(budget: &Budget, now: Moment) -> u64 {
        (0..).take_while(|_| budget.withdraw(now)).count() as u64
    }

    #[test]
    fn the_first_failures_after_a_start_have_a_floor_unlike_envoys_and_kitexs() {
        let budget = Budget::default();
        assert!(!budget.is_spent(at(0)));
        assert_eq!(drain(&budget, at(0)), 10);
        assert!(budget.is_spent(at(0)));
        assert_eq!(drain(&budget, at(999)), 0);
        assert_eq!(drain(&budget, at(1_000)), 1, "and one a second after that");
    }

    #[test]
    fn a_fifth_of_the_calls_is_paid_for() {
        let budget = Budget::default();
        drain(&budget, at(0));
        for _ in 0..100 {
            budget.deposit(at(1));
        }
        assert_eq!(budget.balance(at(1)), 20);
        assert_eq!(drain(&budget, at(1)), 20);
    }

    #[test]
    fn what_is_saved_up_is_what_the_last_second_earned() {
        let budget = Budget::default();
        for milli in 0..60_000 {
            budget.deposit(at(milli));
        }
        let balance = budget.balance(at(60_000));
        assert!((199..=201).contains(&balance), "{balance} after a minute at 1000 a second");
        assert_eq!(budget.balance(at(3_600_000)), 10, "an hour later nothing but the floor");
    }

    #[test]
    fn few_calls_can_save_up_for_one_where_there_is_no_floor() {
        let settings = BudgetSettings { per_second: 0, ..BudgetSettings::DEFAULT };
        let budget = Budget::new(settings, at(0));
        drain(&budget, at(0));
        for second in 0..5 {
            assert!(!budget.withdraw(at(second * 1_000)));
            budget.deposit(at(second * 1_000));
        }
        assert!(budget.withdraw(at(5_000)));
    }

    #[test]
    fn a_budget_of_nothing_pays_for_nothing() {
        let settings = BudgetSettings { share: Share::ZERO, per_second: 0, saved: Duration::ZERO };
        let budget = Budget::new(settings, at(0));
        budget.deposit(at(0));
        assert!(budget.is_spent(at(100_000)) && !budget.withdraw(at(100_000)));
    }

    #[test]
    fn a_clock_going_back_gives_nothing() {
        let budget = Budget::default();
        drain(&budget, at(10_000));
        let mut paid = 0;
        for _ in 0..1_000 {
            paid += drain(&budget, at(9_000)) + drain(&budget, at(10_000));
        }
        assert_eq!(paid, 0);
    }

    #[test]
    fn frequent_questions_lose_no_time() {
        let budget = Budget::default();
        drain(&budget, at(0));
        let paid: u64 = (0..1_000_000)
            .map(|step| u64::from(budget.withdraw(Moment::from_nanos(step * 1_500))))
            .sum();
        assert_eq!(paid, 1, "one in 1.5 s");
    }

    #[test]
    fn a_change_keeps_what_is_there_as_far_as_it_allows() {
        let budget = Budget::default();
        let more = BudgetSettings { per_second: 5, ..BudgetSettings::DEFAULT };
        budget.reconfigure(more, at(0));
        assert_eq!((budget.settings(), budget.balance(at(0))), (more, 10));
        assert_eq!(budget.balance(at(2_000)), 20);
        budget.reconfigure(BudgetSettings::DEFAULT, at(2_000));
        assert_eq!(budget.balance(at(2_000)), 10);
    }

    #[test]
    fn the_end_of_time_does_not_overflow() {
        let settings =
            BudgetSettings { share: Share::ONE, per_second: u32::MAX, saved: Duration::MAX };
        let budget = Budget::new(settings, Moment::from_nanos(u64::MAX));
        budget.deposit(Moment::from_nanos(u64::MAX));
        assert!(budget.withdraw(Moment::from_nanos(u64::MAX)));
        let budget = Budget::new(settings, at(0));
        assert!(budget.withdraw(Moment::from_nanos(u64::MAX)));
    }

    proptest! {
        #[test]
        fn never_more_than_its_share_in_all(
            steps in proptest::collection::vec((0..3_000_i64, 0..50_u64, any::<bool>()), 1..200),
        ) {
            let budget = Budget::default();
            let (mut now, mut latest, mut calls, mut paid) = (0_i64, 0_i64, 0, 0);
            for (step, deposits, goes_back) in steps {
                now = if goes_back { (now - step).max(0) } else { now + step };
                latest = latest.max(now);
                let now = at(now.unsigned_abs());
                (0..deposits).for_each(|_| budget.deposit(now));
                calls += deposits;
                paid += drain(&budget, now);
                let allowed = 10.0 + 0.2 * calls as f64 + latest as f64 / 1_000.0;
                prop_assert!(paid as f64 <= allowed + 1e-9, "{paid} of {allowed}");
            }
        }
    }
}
