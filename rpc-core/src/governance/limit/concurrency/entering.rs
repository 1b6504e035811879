//! Waiting for a place.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::Answer;
use super::overloaded::{OverloadReason, Overloaded};
use super::{Concurrency, Slot};
use crate::governance::Moment;

/// A call that waits to be let in; made by [`Concurrency::enter`].
///
/// It has no clock: whoever awaits it bounds it by a timer, and says so by [`give_up`](Self::give_up).
///
/// # Errors
///
/// There was no room, nor any in the queue; or it waited too long under overload, or was pushed out
/// by a call that matters more.
///
/// # Cancel safety
///
/// Dropped, it gives up its place in a few steps, however long the queue is. If it was let in at
/// that moment, the next one is let in instead.
#[must_use = "dropped, it gives up its place"]
pub struct Entering<D: Deref<Target = Concurrency>> {
    state: State<D>,
}

enum State<D: Deref<Target = Concurrency>> {
    Done(Option<Result<Slot<D>, Overloaded>>),
    Waiting(Waiting<D>),
}

struct Waiting<D: Deref<Target = Concurrency>> {
    /// Given away with the place.
    limit: Option<D>,
    place: u32,
    deadline: Moment,
}

impl<D: Deref<Target = Concurrency>> Entering<D> {
    pub(super) fn done(result: Result<Slot<D>, Overloaded>) -> Self {
        Self { state: State::Done(Some(result)) }
    }

    pub(super) fn waiting(limit: D, place: u32, deadline: Moment) -> Self {
        Self { state: State::Waiting(Waiting { limit: Some(limit), place, deadline }) }
    }

    /// When to give up; `None` if it does not wait.
    pub fn deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Done(_) => None,
            State::Waiting(waiting) => Some(waiting.deadline),
        }
    }

    /// What came of it, if it does not have to wait; else itself.
    ///
    /// # Errors
    ///
    /// Itself: it has to wait.
    ///
    /// # Panics
    ///
    /// If it has been awaited to its end.
    pub fn decided(self) -> Result<Result<Slot<D>, Overloaded>, Self> {
        match self.state {
            State::Done(result) => Ok(result.expect("it was awaited to its end")),
            State::Waiting(_) => Err(self),
        }
    }

    /// It has waited for long enough.
    ///
    /// # Errors
    ///
    /// There still is no room.
    ///
    /// # Panics
    ///
    /// If it has been awaited to its end.
    pub fn give_up(self, now: Moment) -> Result<Slot<D>, Overloaded> {
        match self.state {
            State::Done(result) => result.expect("it was awaited to its end"),
            State::Waiting(waiting) => waiting.give_up(now),
        }
    }
}

impl<D: Deref<Target = Concurrency>> Waiting<D> {
    fn give_up(mut self, now: Moment) -> Result<Slot<D>, Overloaded> {
        let limit = self.limit.take().expect("it is given away once");
        let (answer, waker) = limit.with_queue_locked(Some(now), |queue, _| {
            let waited = queue.line.waited(self.place);
            let (answer, waker) = queue.line.take_back(self.place);
            limit.lower_flag_if_nobody_waits(queue);
            let answer = match answer {
                Answer::None => Err(limit.refused(OverloadReason::WaitedTooLong(waited), queue)),
                Answer::In(in_use) => Ok(in_use),
                Answer::Refused(refusal) => Err(refusal),
            };
            (answer, waker)
        });
        drop(waker);
        answer.map(|in_use| Slot::new(limit, in_use))
    }
}

impl<D: Deref<Target = Concurrency>> Future for Entering<D> {
    type Output = Result<Slot<D>, Overloaded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waiting = match &mut self.state {
            State::Done(result) => {
                return Poll::Ready(result.take().expect("polled after it was done"));
            }
            State::Waiting(waiting) => waiting,
        };
        let limit = waiting.limit.as_ref().expect("it is given away once");
        // Cloned and dropped outside of the lock: wakers are someone else's code.
        let waker = cx.waker().clone();
        let (answer, waker) = limit.with_queue_locked(None, |queue, _| {
            let (answer, waker) = queue.line.ask(waiting.place, waker);
            if !matches!(answer, Answer::None) {
                queue.line.take_back(waiting.place);
            }
            (answer, waker)
        });
        drop(waker);
        let answer = match answer {
            Answer::None => return Poll::Pending,
            Answer::In(in_use) => Ok(in_use),
            Answer::Refused(refusal) => Err(refusal),
        };
        let limit = waiting.limit.take().expect("it is given away once");
        self.state = State::Done(None);
        Poll::Ready(answer.map(|in_use| Slot::new(limit, in_use)))
    }
}

impl<D: Deref<Target = Concurrency>> Drop for Waiting<D> {
    fn drop(&mut self) {
        let Some(limit) = self.limit.take() else { return };
        let (answer, waker) = limit.with_queue_locked(None, |queue, _| {
            let taken_back = queue.line.take_back(self.place);
            limit.lower_flag_if_nobody_waits(queue);
            taken_back
        });
        drop(waker);
        if let Answer::In(in_use) = answer {
            drop(Slot::new(limit, in_use));
        }
    }
}

/// Nothing of it is pinned: its waker is not in here, but in the queue.
impl<D: Deref<Target = Concurrency>> Unpin for Entering<D> {}

impl<D: Deref<Target = Concurrency>> fmt::Debug for Entering<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entering").field("deadline", &self.deadline()).finish_non_exhaustive()
    }
}
