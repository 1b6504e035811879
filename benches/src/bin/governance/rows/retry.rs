//! What a call pays for retries that it does not need, and what one costs that it is allowed.

use std::sync::Arc;
use std::time::Duration;

use rpc_core::governance::retry::{Budget, BudgetSettings};
use tower::Layer;
use tower::retry::budget::{Budget as _, TpsBudget};
use tower_resilience::retry::{RetryBudget, RetryBudgetBuilder, RetryLayer};

use super::rate::passes;
use crate::service::{Answers, Call, Failed};
use crate::suite::{Clock, Suite};

/// More retries a second than a thread can ask for.
const PLENTY: u32 = 100_000_000;

pub(super) fn rows(suite: &mut Suite) {
    let what = "budget, deposit";
    let budget = Arc::new(Budget::new(BudgetSettings::DEFAULT, suite.now()));
    suite.bench(what, "ours", Clock::Told, move |now| budget.deposit(now));
    let tower = Arc::new(TpsBudget::default());
    suite.bench(what, "tower", Clock::Own, move |_| tower.deposit());
    let resilience = tower_resilience_budget();
    suite.bench(what, "tower-resilience", Clock::Own, move |_| resilience.deposit());

    let what = "budget, withdraw";
    let settings = BudgetSettings { per_second: PLENTY, ..BudgetSettings::DEFAULT };
    let budget = Arc::new(Budget::new(settings, suite.now()));
    suite.bench(what, "ours", Clock::Told, move |now| {
        assert!(budget.withdraw(now), "there is plenty");
    });
    let tower = Arc::new(TpsBudget::new(Duration::from_secs(10), PLENTY, 0.2));
    suite.bench(what, "tower", Clock::Own, move |_| {
        assert!(tower.withdraw(), "there is plenty");
    });
    let resilience = tower_resilience_budget();
    suite.bench(what, "tower-resilience", Clock::Own, move |_| {
        assert!(resilience.try_withdraw(), "there is plenty");
    });

    // Ours is a deposit, which has its row: a call that needs no retry pays nothing else.
    let layer = RetryLayer::<Call, (), Failed>::builder().max_attempts(3);
    let resilience = layer.budget(tower_resilience_budget()).build().layer(Answers);
    let what = "retry that is not needed";
    suite.bench(what, "tower-resilience (service)", Clock::Own, passes(resilience));
}

fn tower_resilience_budget() -> Arc<dyn RetryBudget> {
    let budget = RetryBudgetBuilder::new().token_bucket().tokens_per_second(f64::from(PLENTY));
    let plenty = PLENTY as usize;
    budget.max_tokens(plenty).initial_tokens(plenty).build().expect("it is valid")
}
