//! Waiting for a place at a limit on calls at a time, with the clock that the machine does not have.

use std::future::Future;
use std::mem;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use rpc_codec::Priority;
use tokio::time::Sleep;
use tower_service::Service;

use crate::governance::Moment;
use crate::governance::limit::concurrency::{Concurrency, Entering, Overloaded, Slot};

/// Says how much a request matters.
pub trait Prioritize<R> {
    /// Its priority.
    fn priority(&self, request: &R) -> Priority;
}

/// As much as the call being served, and normally where none is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inherited;

impl<R> Prioritize<R> for Inherited {
    fn priority(&self, _: &R) -> Priority {
        crate::context::Context::current().priority()
    }
}

impl<R, F: Fn(&R) -> Priority> Prioritize<R> for F {
    fn priority(&self, request: &R) -> Priority {
        self(request)
    }
}

/// A place in a queue.
pub(super) trait Place: Future<Output = Result<Self::Slot, Overloaded>> + Unpin {
    type Slot;

    fn deadline(&self) -> Option<Moment>;
    fn give_up(self, now: Moment) -> Result<Self::Slot, Overloaded>;
}

impl<D: Deref<Target = Concurrency>> Place for Entering<D> {
    type Slot = Slot<D>;

    fn deadline(&self) -> Option<Moment> {
        self.deadline()
    }

    fn give_up(self, now: Moment) -> Result<Self::Slot, Overloaded> {
        self.give_up(now)
    }
}

pin_project! {
    /// A request that waits for a place, and the ready service that it is for.
    pub(super) struct Queued<P, S, R> {
        place: Option<P>,
        #[pin]
        sleep: Sleep,
        inner: S,
        request: Option<R>,
    }
}

/// What a limit says to one who comes.
pub(super) enum Entered<P: Place, S, R> {
    In(P::Slot, R),
    Refused(Overloaded),
    Waits(Queued<P, S, R>),
}

/// A call that was let in, and the slot that it holds.
pub(super) type Called<P, S, R> = (<P as Place>::Slot, <S as Service<R>>::Future);

/// Goes in, or waits with the service, which leaves a clone of itself behind.
pub(super) fn enter<P: Place, S: Clone, R>(
    place: P,
    inner: &mut S,
    request: R,
    now: Moment,
) -> Entered<P, S, R> {
    let Some(deadline) = place.deadline() else {
        return match place.give_up(now) {
            Ok(slot) => Entered::In(slot, request),
            Err(refusal) => Entered::Refused(refusal),
        };
    };
    let unready = inner.clone();
    let wait = super::within_time_left(deadline.since(now));
    Entered::Waits(Queued {
        place: Some(place),
        sleep: tokio::time::sleep(wait),
        inner: mem::replace(inner, unready),
        request: Some(request),
    })
}

impl<P: Place, S: Service<R>, R> Queued<P, S, R> {
    /// The slot and the call, once there is a place.
    pub(super) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Called<P, S, R>, Overloaded>> {
        let this = self.project();
        let place = this.place.as_mut().expect("polled after it was done");
        let entered = match Pin::new(place).poll(cx) {
            Poll::Ready(entered) => entered,
            Poll::Pending => match this.sleep.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => {
                    this.place.take().expect("it was just there").give_up(Moment::now())
                }
            },
        };
        *this.place = None;
        Poll::Ready(entered.map(|slot| {
            let request = this.request.take().expect("it is taken once");
            (slot, this.inner.call(request))
        }))
    }
}
