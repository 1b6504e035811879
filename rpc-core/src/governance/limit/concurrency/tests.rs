use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake};
use std::thread;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const WAIT: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Moment {
    Moment::from_nanos(millis * 1_000_000)
}

fn enter(limit: &Concurrency, millis: u64) -> Entering<&Concurrency> {
    Concurrency::enter(limit, Priority::Normal, at(millis))
}

fn try_enter(limit: &Concurrency, priority: Priority) -> Result<Slot<&Concurrency>, Overloaded> {
    Concurrency::try_enter(limit, priority, at(0))
}

fn slots(limit: &Concurrency, count: usize) -> Vec<Slot<&Concurrency>> {
    (0..count).map(|_| try_enter(limit, Priority::Normal).expect("there is room")).collect()
}

fn poll<D: Deref<Target = Concurrency>>(
    entering: &mut Entering<D>,
) -> Poll<Result<Slot<D>, Overloaded>> {
    Pin::new(entering).poll(&mut Context::from_waker(Waker::noop()))
}

/// Whether it has been let in; it is not if it was refused.
fn is_in<D: Deref<Target = Concurrency>>(entering: &mut Entering<D>) -> Option<Slot<D>> {
    match poll(entering) {
        Poll::Ready(Ok(slot)) => Some(slot),
        _ => None,
    }
}

fn refusal<D: Deref<Target = Concurrency>>(mut entering: Entering<D>) -> Option<OverloadReason> {
    match poll(&mut entering) {
        Poll::Ready(Err(refusal)) => Some(refusal.reason()),
        _ => None,
    }
}

#[test]
fn dropped_calls_free_their_slot() {
    let limit = Concurrency::new(2);
    for _ in 0..10 {
        let taken = slots(&limit, 2);
        assert_eq!(limit.in_use(), 2);
        let refusal = try_enter(&limit, Priority::Normal).expect_err("it is full");
        assert_eq!((refusal.in_use(), refusal.max()), (2, 2));
        assert_eq!(refusal.reason(), OverloadReason::Full);
        drop(taken);
    }
    assert_eq!(limit.in_use(), 0);
}

#[test]
fn a_panic_loses_no_slot() {
    let limit = Concurrency::new(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _slot = try_enter(&limit, Priority::Normal);
        panic!("as a handler may");
    }));
    assert!(panicked.is_err());
    assert_eq!(limit.in_use(), 0);
}

#[test]
fn clones_never_let_in_more_than_the_limit() {
    let limit = Arc::new(Concurrency::new(3).with_queue(2, WAIT));
    let inside = Arc::new(AtomicUsize::new(0));
    let worker = |seed: u64| {
        let (limit, inside) = (limit.clone(), inside.clone());
        thread::spawn(move || {
            let mut random = fastrand::Rng::with_seed(seed);
            for _ in 0..5_000 {
                let mut entering = Concurrency::enter(limit.clone(), Priority::Normal, at(0));
                for _ in 0..random.u32(0..10) {
                    if let Poll::Ready(result) = poll(&mut entering) {
                        entering = Entering::done(result);
                        break;
                    }
                    thread::yield_now();
                }
                if let Ok(slot) = entering.give_up(at(0)) {
                    let before = inside.fetch_add(1, Ordering::SeqCst);
                    assert!(before < 3, "{before} were in already");
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(slot);
                }
            }
        })
    };
    let workers: Vec<_> = (0..8).map(worker).collect();
    workers.into_iter().for_each(|worker| worker.join().expect("it did not panic"));
    assert_eq!((limit.in_use(), limit.waiting()), (0, 0));
}

#[test]
fn without_a_queue_it_refuses_instead_of_queueing() {
    for limit in [Concurrency::new(1), Concurrency::new(1).with_queue(9, Duration::ZERO)] {
        let _slot = slots(&limit, 1);
        let mut entering = enter(&limit, 0);
        assert_eq!(entering.deadline(), None);
        assert!(matches!(poll(&mut entering), Poll::Ready(Err(_))));
        assert_eq!(limit.waiting(), 0);
    }
}

#[test]
fn nobody_enters_a_limit_of_zero() {
    let limit = Concurrency::new(0);
    for priority in [Priority::Critical, Priority::Bulk] {
        assert!(try_enter(&limit, priority).is_err());
    }
}

#[test]
fn while_calm_it_is_first_in_first_out() {
    let limit = Concurrency::new(1).with_queue(9, WAIT);
    let slot = slots(&limit, 1);
    let (mut first, mut second) = (enter(&limit, 1), enter(&limit, 2));
    assert_eq!(first.deadline(), Some(at(1001)));
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    slot.into_iter().for_each(|slot| slot.leave(at(90)));
    assert!(poll(&mut second).is_pending());
    let slot = is_in(&mut first).expect("it was the first");
    assert!(try_enter(&limit, Priority::Normal).is_err(), "nobody overtakes");
    drop(slot);
    assert!(is_in(&mut second).is_some());
}

#[test]
fn under_overload_the_newest_is_first() {
    let limit = Concurrency::new(1).with_queue(9, WAIT);
    let slot = slots(&limit, 1);
    let _busy_since = enter(&limit, 0);
    let (mut older, mut newest) = (enter(&limit, 98), enter(&limit, 99));
    slot.into_iter().for_each(|slot| slot.leave(at(100)));
    assert!(poll(&mut older).is_pending());
    assert!(is_in(&mut newest).is_some());
}

#[test]
fn lifo_timeout_under_overload_who_waited_too_long_is_refused() {
    let limit = Concurrency::new(1).with_queue(9, WAIT);
    let slot = slots(&limit, 1);
    let (stale, also) = (enter(&limit, 0), enter(&limit, 94));
    let (mut fresh, mut newest) = (enter(&limit, 95), enter(&limit, 99));
    slot.into_iter().for_each(|slot| slot.leave(at(100)));
    assert!(is_in(&mut newest).is_some());
    assert_eq!(refusal(stale), Some(OverloadReason::WaitedTooLong(100 * MS)));
    assert_eq!(refusal(also), Some(OverloadReason::WaitedTooLong(6 * MS)));
    assert!(is_in(&mut fresh).is_some(), "5 ms are not too long");
}

#[test]
fn a_place_is_never_left_empty_while_somebody_waits() {
    let limit = Concurrency::new(1).with_queue(9, WAIT);
    let slot = slots(&limit, 1);
    let (older, mut newest) = (enter(&limit, 0), enter(&limit, 1));
    slot.into_iter().for_each(|slot| slot.leave(at(3000)));
    assert!(is_in(&mut newest).is_some(), "stale, but the only ones there are");
    assert!(refusal(older).is_some());
}

#[test]
fn overload_is_over_once_the_queue_has_been_empty() {
    let limit = Concurrency::new(1).with_queue(9, WAIT);
    let slot = slots(&limit, 1);
    drop(enter(&limit, 0));
    let (mut first, second) = (enter(&limit, 150), enter(&limit, 151));
    slot.into_iter().for_each(|slot| slot.leave(at(200)));
    assert!(is_in(&mut first).is_some(), "50 ms are no overload");
    drop(second);
}

#[test]
fn the_queue_has_a_bound() {
    let limit = Concurrency::new(1).with_queue(100, WAIT);
    let _slot = slots(&limit, 1);
    let waiting: Vec<_> = (0..100).map(|_| enter(&limit, 0)).collect();
    for _ in 0..1000 {
        assert_eq!(refusal(enter(&limit, 0)), Some(OverloadReason::QueueFull(100)));
    }
    assert_eq!(limit.waiting(), 100);
    assert_eq!(lock(&limit.queue).line.places(), 100);
    drop(waiting);
    assert_eq!(limit.waiting(), 0);
}

#[test]
fn a_full_queue_of_stale_ones_makes_room_under_overload() {
    let limit = Concurrency::new(1).with_queue(2, WAIT);
    let _slot = slots(&limit, 1);
    let (old, also_old) = (enter(&limit, 0), enter(&limit, 1));
    let mut newcomer = enter(&limit, 500);
    assert!(poll(&mut newcomer).is_pending());
    assert!(refusal(old).is_some() && refusal(also_old).is_some());
}

#[test]
fn waits_are_cancelled_in_a_few_steps() {
    let limit = Concurrency::new(1).with_queue(u32::MAX, WAIT);
    let slot = slots(&limit, 1);
    let mut waiting: Vec<_> = (0..100_000).map(|_| enter(&limit, 0)).collect();
    fastrand::Rng::with_seed(1).shuffle(&mut waiting);
    waiting.truncate(1); // were each a walk along the queue, this would take minutes
    assert_eq!(limit.waiting(), 1);
    drop(slot);
    assert!(is_in(&mut waiting[0]).is_some());
}

#[test]
fn a_place_given_to_one_who_is_gone_is_passed_on() {
    let limit = Concurrency::new(1).with_queue(9, WAIT);
    let slot = slots(&limit, 1);
    let (mut first, mut second) = (enter(&limit, 0), enter(&limit, 0));
    assert!(poll(&mut first).is_pending());
    drop(slot);
    assert!(poll(&mut second).is_pending(), "it went to the first");
    drop(first);
    let slot = is_in(&mut second).expect("the first did not want it");
    assert_eq!(limit.in_use(), 1);
    drop(slot);
    assert_eq!(limit.in_use(), 0);
}

#[test]
fn giving_up_in_the_moment_of_being_let_in_is_being_let_in() {
    let limit = Concurrency::new(1).with_queue(9, WAIT);
    let slot = slots(&limit, 1);
    let (granted, not) = (enter(&limit, 0), enter(&limit, 7));
    drop(slot);
    let reason = not.give_up(at(80)).expect_err("there is one place").reason();
    assert_eq!(reason, OverloadReason::WaitedTooLong(73 * MS));
    let slot = granted.give_up(at(80)).expect("it was let in");
    assert_eq!((slot.in_use(), limit.waiting()), (1, 0));
}

#[test]
fn what_matters_least_is_refused_first() {
    let limit = Concurrency::new(10);
    let full_at = |priority| {
        let mut slots = Vec::new();
        let refusal = loop {
            match try_enter(&limit, priority) {
                Ok(slot) => slots.push(slot),
                Err(refusal) => break refusal,
            }
        };
        (slots.len(), refusal.reason())
    };
    assert_eq!(full_at(Priority::Bulk), (6, OverloadReason::Priority(Priority::Bulk)));
    assert_eq!(full_at(Priority::Sheddable), (8, OverloadReason::Priority(Priority::Sheddable)));
    assert_eq!(full_at(Priority::Normal), (10, OverloadReason::Full));
    assert_eq!(full_at(Priority::Critical), (10, OverloadReason::Full));
}

#[test]
fn room_is_kept_for_critical_calls_once_they_found_none() {
    let limit = Concurrency::new(20);
    let mut taken = slots(&limit, 20);
    let again = |priority, millis| {
        Concurrency::try_enter(&limit, priority, at(millis)).map_err(|refusal| refusal.reason())
    };
    assert!(again(Priority::Critical, 0).is_err());
    taken.pop();
    let reason = again(Priority::Normal, 1).expect_err("the last place is kept");
    assert_eq!(reason, OverloadReason::Priority(Priority::Normal));
    assert!(again(Priority::Critical, 9_000).is_ok());
    assert!(again(Priority::Normal, 10_000).is_ok(), "no critical call has been short of room");
}

#[test]
fn who_matters_more_is_served_first_and_pushes_others_out_of_a_full_queue() {
    let limit = Concurrency::new(1).with_queue(2, WAIT);
    let slot = slots(&limit, 1);
    let wait = |priority| Concurrency::enter(&limit, priority, at(0));
    let (mut bulk, late_bulk) = (wait(Priority::Bulk), wait(Priority::Bulk));
    let mut critical = wait(Priority::Critical);
    assert_eq!(refusal(late_bulk), Some(OverloadReason::PushedOut));
    let mut sheddable = wait(Priority::Sheddable);
    assert!(matches!(poll(&mut bulk), Poll::Ready(Err(_))));
    assert_eq!(refusal(wait(Priority::Bulk)), Some(OverloadReason::QueueFull(2)));
    assert_eq!(refusal(wait(Priority::Sheddable)), Some(OverloadReason::QueueFull(2)));
    drop(slot);
    let slot = is_in(&mut critical).expect("it matters most");
    assert!(poll(&mut sheddable).is_pending());
    drop(slot);
    assert!(is_in(&mut sheddable).is_some());
}

#[test]
fn bulk_that_waits_holds_up_nobody_who_matters_more() {
    let limit = Concurrency::new(10).with_queue(9, WAIT);
    let taken = slots(&limit, 6);
    let mut bulk = Concurrency::enter(&limit, Priority::Bulk, at(0));
    assert!(poll(&mut bulk).is_pending());
    let more = slots(&limit, 4);
    drop(taken);
    assert!(is_in(&mut bulk).is_some());
    drop(more);
}

#[test]
fn a_new_size_keeps_who_is_in_and_who_waits() {
    let limit = Concurrency::new(4).with_queue(9, WAIT);
    let mut taken = slots(&limit, 4);
    let mut waiting: Vec<_> = (0..3).map(|_| enter(&limit, 0)).collect();
    limit.resize(2, 1, WAIT, at(1));
    assert_eq!((limit.in_use(), limit.waiting(), limit.max()), (4, 3, 2));
    taken.truncate(2);
    assert!(poll(&mut waiting[0]).is_pending(), "two are in, and two may be");
    assert_eq!(refusal(enter(&limit, 1)), Some(OverloadReason::QueueFull(3)));
    limit.resize(5, 1, WAIT, at(2));
    assert!(waiting.iter_mut().filter_map(is_in).count() == 3);
    assert_eq!(limit.in_use(), 2);
}

#[test]
fn an_earlier_moment_counts_as_the_latest() {
    let limit = Concurrency::new(1).with_queue(9, WAIT);
    let _slot = slots(&limit, 1);
    let first = enter(&limit, 50);
    let second = enter(&limit, 10);
    assert_eq!(second.deadline(), first.deadline());
}

#[test]
fn wakers_are_woken_outside_of_the_lock() {
    /// Comes in itself when woken, as an executor that polls at once does.
    struct Nosy(Weak<Concurrency>, AtomicUsize);
    impl Wake for Nosy {
        fn wake(self: Arc<Self>) {
            let limit = self.0.upgrade().expect("it is there");
            assert!(Concurrency::try_enter(limit, Priority::Normal, at(0)).is_err());
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
    let limit = Arc::new(Concurrency::new(1).with_queue(9, WAIT));
    let slot = Concurrency::try_enter(limit.clone(), Priority::Normal, at(0)).expect("empty");
    let nosy = Arc::new(Nosy(Arc::downgrade(&limit), AtomicUsize::new(0)));
    let waker = Waker::from(nosy.clone());
    let mut entering = Concurrency::enter(limit.clone(), Priority::Normal, at(0));
    assert!(Pin::new(&mut entering).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(slot);
    assert_eq!(nosy.1.load(Ordering::SeqCst), 1);
    assert!(is_in(&mut entering).is_some());
}

proptest! {
    /// Whatever happens, nobody is in beyond the limit, no more wait than may, nobody waits for
    /// whom there is room, and everything is free in the end.
    #[test]
    fn laws(steps in prop::collection::vec((0..6_u8, 0..4_u32, any::<prop::sample::Index>()), 0..120)) {
        let (max, bound) = (5, 4);
        let limit = Concurrency::new(max).with_queue(bound, WAIT);
        let (mut inside, mut waiting) = (Vec::new(), Vec::new());
        let mut millis = 0;
        for (step, number, which) in steps {
            match step {
                0 | 1 => {
                    let priority = Priority::from_number(number);
                    waiting.push((rank(priority), Concurrency::enter(&limit, priority, at(millis))));
                }
                2 if !inside.is_empty() => {
                    drop(inside.swap_remove(which.index(inside.len())));
                }
                3 if !waiting.is_empty() => {
                    drop(waiting.swap_remove(which.index(waiting.len())));
                }
                4 => millis += u64::from(number) * 40,
                _ => {}
            }
            if step != 5 {
                let polled = std::mem::take(&mut waiting);
                for (rank, mut entering) in polled {
                    match poll(&mut entering) {
                        Poll::Ready(Ok(slot)) => inside.push(slot),
                        Poll::Ready(Err(_)) => {}
                        Poll::Pending => {
                            let room = limit.room[rank].load(Ordering::Relaxed);
                            prop_assert!(limit.in_use() >= room);
                            waiting.push((rank, entering));
                        }
                    }
                }
                prop_assert_eq!(limit.in_use() as usize, inside.len());
                prop_assert_eq!(limit.waiting() as usize, waiting.len());
            }
            prop_assert!(limit.in_use() <= max && limit.waiting() <= bound);
        }
        drop(inside);
        drop(waiting);
        prop_assert_eq!((limit.in_use(), limit.waiting()), (0, 0));
        prop_assert_eq!(limit.state.load(Ordering::Relaxed), 0, "the flag is down");
    }
}
