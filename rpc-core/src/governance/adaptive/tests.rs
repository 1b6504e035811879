use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use super::*;
use crate::governance::outcome::Outcome;

const MS: Duration = Duration::from_millis(1);

fn at(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

/// One call at a time, each a millisecond after the other, that end like that.
fn run(limit: &Adaptive, from: u64, calls: u64, sample: Sample) {
    for call in 0..calls {
        let now = at(from + call);
        let slot = Adaptive::try_enter(limit, Priority::Normal, now).expect("nobody is in");
        slot.settle(sample, now);
    }
}

/// As many at a time as are let in.
fn saturate(limit: &Adaptive, from: u64, rounds: u64, took: impl Fn(u32) -> Duration) {
    for round in 0..rounds {
        let now = at(from + round * 100);
        let mut slots = Vec::new();
        while let Ok(slot) = Adaptive::try_enter(limit, Priority::Normal, now) {
            slots.push(slot);
        }
        let took = took(limit.in_use());
        slots.into_iter().for_each(|slot| slot.settle(Sample::success(took), now));
    }
}

#[test]
fn a_server_without_a_cpu_follows_latency() {
    let limit = Adaptive::server(at(0));
    run(&limit, 0, 1000, Sample::success(MS));
    saturate(&limit, 1000, 300, |in_use| MS * in_use.max(16) / 16);
    assert!((16..=28).contains(&limit.max()), "{limit:?}");
    assert_eq!(limit.is_busy(at(31_000)), None);
}

#[test]
fn a_busy_cpu_bounds_calls_by_what_gets_done() {
    let limit = Adaptive::server(at(0)).with_bounds(4, 500).with_initial(100);
    limit.observe_cpu(Some(Share::from_percent(50)), at(0));
    run(&limit, 0, 1000, Sample::success(10 * MS)); // a thousand a second: ten at a time
    assert_eq!(limit.max(), 100, "there is room to spare: {limit:?}");
    limit.observe_cpu(Some(Share::from_percent(80)), at(1000));
    assert_eq!(limit.max(), 15);
    limit.observe_cpu(Some(Share::from_percent(10)), at(1500));
    assert_eq!(limit.max(), 15, "within a second");
    limit.observe_cpu(Some(Share::from_percent(10)), at(2000));
    assert_eq!(limit.max(), 100);
}

#[test]
fn a_server_with_a_single_busy_cpu_has_two_under_way_and_not_four() {
    let limit = Adaptive::server(at(0));
    run(&limit, 0, 1000, Sample::success(MS)); // a thousand a second: one at a time
    limit.observe_cpu(Some(Share::ONE), at(1000));
    assert_eq!(limit.max(), 2);
    limit.observe_cpu(Some(Share::ZERO), at(2000));
    assert!(limit.max() >= 4, "{limit:?}");
    limit.set_cap(Some(1), at(2000));
    limit.observe_cpu(Some(Share::ONE), at(2000));
    assert_eq!(limit.max(), 1, "a cap counts for more");
    let wider = Adaptive::server(at(0)).with_bounds(10, 100);
    run(&wider, 0, 1000, Sample::success(MS));
    wider.observe_cpu(Some(Share::ONE), at(1000));
    assert_eq!(wider.max(), 10, "and so does what was asked for");
}

#[test]
fn a_server_that_starts_under_overload_takes_in_no_more_than_it_begins_with() {
    let limit = Adaptive::server(at(0));
    limit.observe_cpu(Some(Share::ONE), at(0));
    assert_eq!(limit.max(), 20);
    saturate(&limit, 0, 1, |_| 50 * MS);
    assert!(limit.max() <= 20, "{limit:?}");
}

#[test]
fn who_has_never_been_calm_finds_out_what_a_call_takes() {
    for busy in [None, Some(Share::ONE)] {
        let limit = Adaptive::server(at(0));
        limit.observe_cpu(busy, at(0));
        saturate(&limit, 0, 100, |in_use| 10 * MS * in_use.max(4) / 4);
        assert_eq!(limit.baseline(), Some(10 * MS), "{busy:?}");
        assert!(limit.max() <= 9, "{limit:?}, {busy:?}");
    }
}

#[test]
fn a_wide_service_that_is_full_from_the_first_call_on_is_found_to_be_wide() {
    let limit = Adaptive::client(at(0));
    saturate(&limit, 0, 30, |in_use| MS * in_use.max(400) / 400);
    assert!(limit.max() > 400, "{limit:?}");
    assert_eq!(limit.baseline(), Some(MS));
}

#[test]
fn an_idle_cpu_does_not_hide_that_calls_wait_for_something_else() {
    let limit = Adaptive::server(at(0)).with_bounds(4, 500);
    run(&limit, 0, 1000, Sample::success(10 * MS));
    for second in 1..60 {
        limit.observe_cpu(Some(Share::from_percent(5)), at(second * 1000));
        // A pool of ten: whoever comes beyond that waits for it.
        let held: Vec<_> = (0..limit.max())
            .map(|_| Adaptive::try_enter(&limit, Priority::Normal, at(second * 1000)))
            .collect();
        let took = Duration::from_millis(held.len().max(10) as u64);
        for slot in held.into_iter().flatten() {
            slot.settle(Sample::success(took), at(second * 1000 + 500));
        }
    }
    assert!(limit.max() < 40, "{limit:?}");
}

#[test]
fn fast_errors_are_no_passes_and_do_not_lower_the_baseline() {
    let limit = Adaptive::server(at(0));
    limit.observe_cpu(Some(Share::ZERO), at(0));
    run(&limit, 0, 1000, Sample::success(10 * MS));
    for outcome in [Outcome::ServerFault, Outcome::BusinessError, Outcome::TransportFailure] {
        for _ in 0..100 {
            run(&limit, 500, 500, Sample::of(outcome, Duration::from_nanos(1)));
        }
    }
    assert_eq!(limit.baseline(), Some(10 * MS));
    limit.observe_cpu(Some(Share::ONE), at(1000));
    assert_eq!(limit.max(), 15);
}

#[test]
fn our_own_refusals_are_no_samples() {
    let limit = Adaptive::client(at(0));
    let slots: Vec<_> =
        std::iter::from_fn(|| Adaptive::try_enter(&limit, Priority::Normal, at(0)).ok()).collect();
    for call in 0..10_000 {
        assert!(Adaptive::try_enter(&limit, Priority::Normal, at(call)).is_err());
    }
    drop(slots);
    run(&limit, 10_000, 10_000, Sample::of(Outcome::RefusedLocally, MS));
    assert_eq!((limit.max(), limit.baseline()), (20, None));
}

#[test]
fn a_leaked_promise_holds_no_place() {
    let limit = Arc::new(Adaptive::server(at(0)));
    for _ in 0..1000 {
        let slot = Adaptive::try_enter(limit.clone(), Priority::Normal, at(0)).expect("room");
        drop(slot);
        let entering = Adaptive::enter(limit.clone(), Priority::Normal, at(0));
        drop(entering);
    }
    assert_eq!((limit.in_use(), limit.baseline()), (0, None), "and taught nothing");
}

#[test]
fn a_panic_loses_no_slot() {
    let limit = Adaptive::client(at(0));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _slot = Adaptive::try_enter(&limit, Priority::Normal, at(0));
        panic!("as a handler may");
    }));
    assert!(panicked.is_err());
    assert_eq!(limit.in_use(), 0);
}

#[test]
fn a_node_that_swallows_calls_looks_slow() {
    let limit = Adaptive::client(at(0));
    run(&limit, 0, 1000, Sample::success(MS));
    for round in 0..12 {
        let now = at(1000 + round * 100);
        let slots: Vec<_> =
            std::iter::from_fn(|| Adaptive::try_enter(&limit, Priority::Normal, now).ok())
                .collect();
        slots.into_iter().for_each(|slot| slot.abandon(50 * MS, now));
    }
    assert!(limit.max() < 18, "{limit:?}");
}

#[test]
fn impatient_callers_do_not_make_a_node_look_fast() {
    let limit = Adaptive::client(at(0));
    run(&limit, 0, 1000, Sample::success(10 * MS));
    run(&limit, 1000, 1000, Sample::new(Kind::Abandoned, MS));
    assert_eq!(limit.baseline(), Some(10 * MS));
}

#[test]
fn an_overload_that_the_server_tells_of_lowers_it() {
    let limit = Adaptive::client(at(0)).with_initial(100);
    assert_eq!(limit.max(), 100);
    run(&limit, 0, 5000, Sample::of(Outcome::Overload, MS));
    assert_eq!(limit.max(), 4);
}

#[test]
fn it_stays_within_its_bounds() {
    let limit = Adaptive::client(at(0)).with_bounds(10, 30);
    saturate(&limit, 0, 100, |_| MS);
    assert_eq!(limit.max(), 30);
    run(&limit, 10_000, 10_000, Sample::new(Kind::Dropped, MS));
    assert_eq!(limit.max(), 10);
    assert_eq!(Adaptive::client(at(0)).with_bounds(50, 9).max(), 50);
}

#[test]
fn an_earlier_moment_counts_as_the_latest() {
    let limit = Adaptive::client(at(5000));
    saturate(&limit, 5000, 3, |_| MS);
    let max = limit.max();
    saturate(&limit, 0, 40, |_| MS);
    assert_eq!(limit.max(), max, "no time has passed");
}

#[test]
fn a_limit_that_grows_lets_in_who_waits() {
    let limit = Adaptive::client(at(0)).with_initial(20).with_queue(10, 100 * MS);
    let mut slots: Vec<_> = (0..20)
        .map(|_| Adaptive::try_enter(&limit, Priority::Normal, at(0)).expect("room"))
        .collect();
    let mut entering = Adaptive::enter(&limit, Priority::Normal, at(0));
    assert_eq!(entering.deadline(), Some(at(100)));
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(std::pin::Pin::new(&mut entering).poll(&mut cx).is_pending());
    slots.pop().expect("twenty").settle(Sample::success(MS), at(1));
    let slot = entering.give_up(at(2)).expect("it was let in");
    assert_eq!((slot.in_use(), limit.in_use(), limit.waiting()), (20, 20, 0));
}

#[test]
fn whole_numbers() {
    assert_eq!(whole(f64::INFINITY), u32::MAX);
    assert_eq!(whole(f64::NAN), u32::MAX);
    assert_eq!(whole(-3.0), 0);
    assert_eq!(whole(4.5), 5);
}
