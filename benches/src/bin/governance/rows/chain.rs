//! All rules at once, in the order in which a call meets them, and nothing waits.
//!
//! The machines are asked one after the other, as the steps in `client/governed.rs` ask them. What a call
//! does around them (its future, its look at the rules) is not in the figure: a client can't be called
//! without a connection, or boxes where it is layered, and either costs more than they do.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use rpc_core::governance::Moment;
use rpc_core::governance::adaptive::{self, Adaptive};
use rpc_core::governance::breaker::Breaker;
use rpc_core::governance::fallback::Degrade;
use rpc_core::governance::hedge::Hedge;
use rpc_core::governance::limit::RateLimiter;
use rpc_core::governance::outcome::Outcome;
use rpc_core::governance::retry::{Budget, BudgetSettings};
use rpc_core::governance::rules::{BreakerRule, HedgeRule, Share};
use rpc_core::{Priority, Status};
use tower::ServiceBuilder;
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::ratelimiter::RateLimiterLayer;
use tower_resilience::retry::RetryLayer;

use super::rate::{PLENTY, passes, rule};
use crate::service::{Answers, Call, Failed};
use crate::suite::{Clock, Suite};

/// What a call took, by what it is told.
const TOOK: Duration = Duration::from_micros(200);

pub(super) fn rows(suite: &mut Suite) {
    let chain = Arc::new(Chain::new(suite.now()));
    suite.bench("chain", "ours", Clock::Told, move |now| {
        let outcome = chain.call(now, now.plus(black_box(TOOK)));
        black_box(outcome.expect("nothing refuses"));
    });
    let chain = Arc::new(Chain::new(now()));
    suite.bench("chain and looks at the clock", "ours", Clock::Own, move |_| {
        black_box(chain.call(now(), now()).expect("nothing refuses"));
    });
    let service = tower_resilience();
    suite.bench("chain and looks at the clock", "tower-resilience (service)", Clock::Own, service);
}

/// What of it `tower-resilience` has: rate, bulkhead, breaker and retry. Nothing forces a fallback, learns, or
/// hedges.
fn tower_resilience() -> impl FnMut(Moment) + Clone + Send + 'static {
    const VALID: &str = "it is valid";
    let plenty = PLENTY as usize;
    let service = ServiceBuilder::new()
        .layer(RateLimiterLayer::burst(plenty, plenty).build().expect(VALID))
        .layer(BulkheadLayer::builder().max_concurrent_calls(64).build().expect(VALID))
        .layer(CircuitBreakerLayer::standard().consecutive_failures(5).build().expect(VALID))
        .layer(RetryLayer::<Call, (), Failed>::builder().max_attempts(3).build())
        .service(Answers);
    passes(service)
}

fn now() -> Moment {
    Moment::at(tokio::time::Instant::now())
}

/// What a method with every rule has.
struct Chain {
    level: u8,
    degrade: Degrade,
    breaker: Breaker,
    rate: RateLimiter,
    concurrency: Adaptive,
    budget: Budget,
    hedge: Hedge,
}

impl Chain {
    fn new(now: Moment) -> Self {
        let breaker = BreakerRule {
            consecutive: Some(5),
            slow_rate: Some(Share::from_percent(50)),
            ..BreakerRule::DEFAULT
        };
        Self {
            level: 1,
            degrade: Degrade { forced: false, optional: Some(2) },
            breaker: Breaker::new(&breaker, now, 7),
            rate: RateLimiter::new(&rule(), now),
            concurrency: Adaptive::client(now),
            budget: Budget::new(BudgetSettings::DEFAULT, now),
            hedge: Hedge::new(HedgeRule::DEFAULT, now),
        }
    }

    fn call(&self, begun: Moment, ended: Moment) -> Result<Outcome, Status> {
        self.degrade.check(self.level)?;
        self.breaker.peek(begun)?;
        let ticket = self.rate.reserve(1, Duration::ZERO, begun)?;
        debug_assert!(ticket.wait().is_zero(), "no call waits");
        let slot = Adaptive::try_enter(&self.concurrency, Priority::Normal, begun)?;
        let permit = Breaker::admit(&self.breaker, begun)?;
        self.budget.deposit(begun);
        black_box(self.hedge.after(0, begun));

        let outcome = black_box(Outcome::Success);

        let took = ended.since(begun);
        self.hedge.record(outcome.sample(), took, ended);
        slot.settle(adaptive::Sample::of(outcome, took), ended);
        permit.settle_outcome(outcome, true, took, ended);
        Ok(outcome)
    }
}
