//! A verdict consumes its permit: nobody can count a call twice.

use std::time::Duration;

use rpc_core::governance::Moment;
use rpc_core::governance::breaker::{Breaker, Verdict};
use rpc_core::governance::rules::BreakerRule;

fn main() {
    let now = Moment::from_nanos(0);
    let breaker = Breaker::new(&BreakerRule::DEFAULT, now, 1);
    let permit = Breaker::admit(&breaker, now).unwrap();
    permit.settle(Verdict::Success, Duration::ZERO, now);
    permit.settle(Verdict::Success, Duration::ZERO, now);
}
