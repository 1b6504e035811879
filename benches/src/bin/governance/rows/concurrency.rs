//! Limits of calls at a time: to enter, and to leave.

use std::hint::black_box;
use std::sync::Arc;

use rpc_core::Priority;
use rpc_core::governance::limit::concurrency::Concurrency;
use tokio::sync::Semaphore;
use tower::Layer;
use tower_resilience::bulkhead::BulkheadLayer;

use super::rate::passes;
use crate::service::Answers;
use crate::suite::{Clock, Suite};

const MAX: u32 = 64;

pub(super) fn rows(suite: &mut Suite) {
    let limit = Arc::new(Concurrency::new(MAX));
    suite.bench("concurrency", "ours", Clock::Told, move |now| {
        let slot = Concurrency::try_enter(&*limit, Priority::Normal, now).expect("there is room");
        black_box(slot.in_use());
        slot.leave(now);
    });
    let semaphore = Arc::new(Semaphore::new(MAX as usize));
    suite.bench("concurrency", "tokio semaphore", Clock::Needless, move |_| {
        drop(semaphore.try_acquire().expect("there is room"));
    });
    let tower = tower::limit::ConcurrencyLimit::new(Answers, MAX as usize);
    suite.bench("concurrency", "tower (service)", Clock::Needless, passes(tower));
    let bulkhead = BulkheadLayer::builder().max_concurrent_calls(MAX as usize).reject_when_full();
    let bulkhead = bulkhead.build().expect("it is valid").layer(Answers);
    suite.bench("concurrency", "tower-resilience (service)", Clock::Own, passes(bulkhead));
}
