//! Every interleaving of a few threads that come, wait, give up and leave
//! (`RUSTFLAGS="--cfg model" cargo test -p rpc-core --lib concurrency::model`): no place is lost,
//! none is given twice, and nobody waits for a wake-up that never comes.

use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use rpc_codec::Priority;

use super::*;

const WAIT: Duration = Duration::from_secs(1);

/// With a thread switched away from at most twice where it could have gone on, or this takes hours.
/// Nearly all that can go wrong does so with two (Musuvathi and Qadeer, PLDI 2007).
fn check(body: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(2); // LOOM_MAX_PREEMPTIONS asks for more
    model.check(body);
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(std::sync::Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Loom's own `Arc` has to be seen through once more.
#[derive(Clone)]
struct Shared(Arc<(Concurrency, AtomicUsize)>);

impl Deref for Shared {
    type Target = Concurrency;

    fn deref(&self) -> &Concurrency {
        &self.0.0
    }
}

impl Shared {
    fn new(max: u32, queue: u32) -> Self {
        Self(Arc::new((Concurrency::new(max).with_queue(queue, WAIT), AtomicUsize::new(0))))
    }

    fn enter(&self) -> Entering<Self> {
        Concurrency::enter(self.clone(), Priority::Normal, Moment::default())
    }

    /// Is in for a while, and not with too many.
    fn be_in(&self, slot: Slot<Self>, max: usize) {
        assert!(self.0.1.fetch_add(1, Ordering::Relaxed) < max);
        self.0.1.fetch_sub(1, Ordering::Relaxed);
        drop(slot);
    }

    fn is_as_new(&self) {
        assert_eq!(self.state.load(Ordering::Relaxed), 0);
        assert_eq!(self.waiting(), 0);
    }
}

#[test]
fn who_waits_is_let_in_by_who_leaves() {
    check(|| {
        let limit = Shared::new(1, 2);
        let other = limit.clone();
        let thread = thread::spawn(move || {
            let slot = block_on(other.enter()).expect("there is room in the queue");
            other.be_in(slot, 1);
        });
        let slot = block_on(limit.enter()).expect("there is room in the queue");
        limit.be_in(slot, 1);
        thread.join().expect("no panic");
        limit.is_as_new();
    });
}

#[test]
fn a_place_given_to_one_who_goes_is_not_lost() {
    check(|| {
        let limit = Shared::new(1, 2);
        let slot = block_on(limit.enter()).expect("nobody is in");
        let (patient, impatient) = (limit.clone(), limit.clone());
        let mut goes = impatient.enter();
        let goes = thread::spawn(move || {
            let _ = pin!(&mut goes).poll(&mut Context::from_waker(Waker::noop()));
            drop(goes);
        });
        let stays = thread::spawn(move || {
            let slot = block_on(patient.enter()).expect("there is room in the queue");
            patient.be_in(slot, 1);
        });
        drop(slot);
        goes.join().expect("no panic");
        stays.join().expect("no panic");
        limit.is_as_new();
    });
}

#[test]
fn three_who_do_not_wait_never_exceed_two_places() {
    check(|| {
        let limit = Shared::new(2, 0);
        let come = |limit: Shared| {
            move || match Concurrency::try_enter(limit.clone(), Priority::Normal, Moment::default())
            {
                Ok(slot) => limit.be_in(slot, 2),
                Err(refusal) => assert_eq!(refusal.reason(), OverloadReason::Full),
            }
        };
        let threads = [thread::spawn(come(limit.clone())), thread::spawn(come(limit.clone()))];
        come(limit.clone())();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        limit.is_as_new();
    });
}

#[test]
fn a_limit_that_grows_lets_in_who_waits() {
    check(|| {
        let limit = Shared::new(0, 1);
        let other = limit.clone();
        let thread = thread::spawn(move || {
            let slot = block_on(other.enter()).expect("there is room in the queue");
            other.be_in(slot, 1);
        });
        limit.set_max(1, Moment::default());
        thread.join().expect("no panic");
        limit.is_as_new();
    });
}
