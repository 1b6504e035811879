//! A call under an adaptive limit, and what its end tells.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Adaptive;
use crate::governance::Moment;
use crate::governance::limit::concurrency::{self, Concurrency, Overloaded};
use crate::governance::outcome::Outcome;

/// What the end of a call tells about how much is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    pub(super) took: Duration,
    pub(super) kind: Kind,
}

/// How a call ended, as far as a limit has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It was done.
    Success,
    /// There was too much to do: it was refused elsewhere, or its time ran out.
    Dropped,
    /// Nobody waits for it any more. It would have taken at least so long.
    Abandoned,
    /// It says nothing: an error may be fast because nothing was done, and a refusal of this
    /// process's own is about something else.
    Ignored,
}

impl Sample {
    /// A call that ended like that after `took`, counted from when it was let in. For a stream: until its
    /// first answer.
    pub fn new(kind: Kind, took: Duration) -> Self {
        Self { took, kind }
    }

    /// A call that was done in `took`.
    pub fn success(took: Duration) -> Self {
        Self::new(Kind::Success, took)
    }

    /// A call with this outcome.
    pub fn of(outcome: Outcome, took: Duration) -> Self {
        let kind = match outcome {
            Outcome::Success => Kind::Success,
            Outcome::Overload | Outcome::Deadline => Kind::Dropped,
            Outcome::Cancelled | Outcome::HedgeLoser => Kind::Abandoned,
            Outcome::BusinessError
            | Outcome::ServerFault
            | Outcome::TransportFailure
            | Outcome::RefusedLocally => Kind::Ignored,
        };
        Self::new(kind, took)
    }
}

/// The part of an adaptive limit that lets calls in.
pub(super) struct Within<D>(pub(super) D);

impl<D: Deref<Target = Adaptive>> Deref for Within<D> {
    type Target = Concurrency;

    fn deref(&self) -> &Concurrency {
        &self.0.limit
    }
}

/// A call that was let in, until this is settled or dropped.
///
/// Dropped without a word, also by a panic, it leaves and the limit learns nothing.
#[must_use = "dropped, it leaves at once"]
pub struct Slot<D: Deref<Target = Adaptive>>(concurrency::Slot<Within<D>>);

impl<D: Deref<Target = Adaptive>> Slot<D> {
    pub(super) fn new(slot: concurrency::Slot<Within<D>>) -> Self {
        Self(slot)
    }

    /// An attempt of the call has ended, which may be followed by another.
    pub fn learn(&self, sample: Sample, now: Moment) {
        self.0.limit().0.learn(sample, self.0.in_use(), now);
    }

    /// The call is over.
    pub fn settle(self, sample: Sample, now: Moment) {
        self.0.limit().0.learn(sample, self.0.in_use(), now);
        self.0.leave(now);
    }

    /// Nobody waits for the call any more, after it had `waited` for so long.
    pub fn abandon(self, waited: Duration, now: Moment) {
        self.settle(Sample::new(Kind::Abandoned, waited), now);
    }

    /// How many were in when it was let in, itself included.
    pub fn in_use(&self) -> u32 {
        self.0.in_use()
    }
}

impl<D: Deref<Target = Adaptive>> fmt::Debug for Slot<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("in_use", &self.in_use()).finish_non_exhaustive()
    }
}

/// A call that waits to be let in; made by [`Adaptive::enter`].
///
/// # Errors
///
/// As [`concurrency::Entering`].
///
/// # Cancel safety
///
/// As [`concurrency::Entering`].
#[must_use = "dropped, it gives up its place"]
pub struct Entering<D: Deref<Target = Adaptive>>(concurrency::Entering<Within<D>>);

impl<D: Deref<Target = Adaptive>> Entering<D> {
    pub(super) fn new(entering: concurrency::Entering<Within<D>>) -> Self {
        Self(entering)
    }

    /// When to give up; `None` if it does not wait.
    pub fn deadline(&self) -> Option<Moment> {
        self.0.deadline()
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
        self.0.decided().map(|decided| decided.map(Slot)).map_err(Self)
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
        self.0.give_up(now).map(Slot)
    }
}

impl<D: Deref<Target = Adaptive>> Future for Entering<D> {
    type Output = Result<Slot<D>, Overloaded>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).map(Slot))
    }
}

impl<D: Deref<Target = Adaptive>> fmt::Debug for Entering<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
