//! What a call pays for hedges that it does not need.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use rpc_core::governance::hedge::Hedge;
use rpc_core::governance::outcome::Sample;
use rpc_core::governance::rules::{HedgeAfter, HedgeRule};

use crate::suite::{Clock, Suite};

pub(super) fn rows(suite: &mut Suite) {
    let hedge = Arc::new(Hedge::new(HedgeRule::DEFAULT, suite.now()));
    let mut took = varying();
    suite.bench("hedge, record", "ours", Clock::Told, move |now| {
        hedge.record(Sample::Exact, took(), now);
    });
    let hedge = Arc::new(Hedge::new(HedgeRule::DEFAULT, suite.now()));
    suite.bench("hedge, after p95", "ours", Clock::Told, move |now| {
        black_box(hedge.after(0, now));
    });
    let rule = HedgeRule { after: HedgeAfter::Delay(Duration::from_millis(20)), max: 1 };
    let hedge = Arc::new(Hedge::new(rule, suite.now()));
    suite.bench("hedge, after 20 ms", "ours", Clock::Told, move |now| {
        black_box(hedge.after(0, now)).expect("it is said");
    });
}

/// Times that fall into many buckets.
pub(super) fn varying() -> impl FnMut() -> Duration + Clone + Send + 'static {
    let mut nanos = 200_000;
    move || {
        nanos = (nanos * 5 + 12_345) % 1_000_000;
        Duration::from_nanos(nanos)
    }
}
