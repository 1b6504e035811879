//! A token bucket for each caller.

use std::hint::black_box;
use std::sync::Arc;

use governor::RateLimiter as Governor;
use rpc_core::governance::limit::{Keyed, RateLimiter};

use super::rate::{ToldClock, quota, rule};
use super::turns::Turns;
use crate::suite::{Clock, Suite};

pub(super) fn rows(suite: &mut Suite) {
    of(suite, "keyed token bucket, 1 key", 1);
    of(suite, "keyed token bucket, 10000 keys", 10_000);
}

fn of(suite: &mut Suite, what: &'static str, count: usize) {
    let keys: Arc<[String]> = (0..count).map(|number| format!("caller-{number}")).collect();
    let (limiters, rule) = (Arc::new(Keyed::new()), rule());
    for key in keys.iter() {
        limiters.get_or_insert_with(key, || RateLimiter::new(&rule, suite.now()));
    }
    let mut turns = Turns::of(&keys);
    suite.bench(what, "ours", Clock::Told, move |now| {
        let limiter = limiters.get_or_insert_with(turns.next(), || RateLimiter::new(&rule, now));
        black_box(limiter.try_acquire(1, now).expect("there is plenty").wait());
    });
    let limiters = Arc::new(Governor::dashmap_with_clock(quota(), ToldClock));
    ToldClock::tell(suite.now());
    for key in keys.iter() {
        limiters.check_key(key).expect("there is plenty");
    }
    let mut turns = Turns::of(&keys);
    suite.bench(what, "governor (unbounded)", Clock::Told, move |now| {
        ToldClock::tell(now);
        limiters.check_key(turns.next()).expect("there is plenty");
    });
}
