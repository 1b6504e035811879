//! The step that bounds how many calls are under way: by a number, or by what turns out to be too much.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rpc_codec::Priority;
use tokio::time::{Instant, timeout_at};

use crate::governance::Moment;
use crate::governance::adaptive::{self, Adaptive, Sample};
use crate::governance::limit::concurrency::{self, Concurrency, Overloaded};
use crate::governance::outcome::Outcome;
use crate::governance::rules::ConcurrencyRule;

/// The concurrency limit of a method.
#[derive(Clone, Debug)]
pub(crate) enum ConcurrencyStep {
    Fixed(Arc<Concurrency>),
    Adaptive(Arc<Adaptive>),
}

/// A call's place. `C` and `A` are how it holds on to its limit: by reference, or shared where it
/// has to outlive the borrow.
#[derive(Debug)]
pub(crate) enum Place<C, A>
where
    C: Deref<Target = Concurrency>,
    A: Deref<Target = Adaptive>,
{
    /// Held until the call ends.
    Fixed(concurrency::Slot<C>),
    Adaptive(adaptive::Slot<A>),
}

/// A call that waits for its place.
#[derive(Debug)]
pub(crate) enum Waiting<C, A>
where
    C: Deref<Target = Concurrency>,
    A: Deref<Target = Adaptive>,
{
    Fixed(concurrency::Entering<C>),
    Adaptive(adaptive::Entering<A>),
}

/// A place held by reference.
pub(crate) type PlaceOf<'a> = Place<&'a Concurrency, &'a Adaptive>;
/// A place that is held for as long as it takes.
pub(crate) type OwnPlace = Place<Arc<Concurrency>, Arc<Adaptive>>;
/// Waiting for one.
pub(crate) type OwnWaiting = Waiting<Arc<Concurrency>, Arc<Adaptive>>;

impl ConcurrencyStep {
    /// For calls to others, by this rule; who is in stays in.
    pub(crate) fn client(
        rule: ConcurrencyRule,
        cap: Option<u32>,
        before: Option<&Self>,
        now: Moment,
    ) -> Self {
        Self::new(rule, cap, before, now, Adaptive::client)
    }

    /// For calls to this server.
    pub(crate) fn server(
        rule: ConcurrencyRule,
        cap: Option<u32>,
        before: Option<&Self>,
        now: Moment,
    ) -> Self {
        Self::new(rule, cap, before, now, Adaptive::server)
    }

    fn new(
        rule: ConcurrencyRule,
        cap: Option<u32>,
        before: Option<&Self>,
        now: Moment,
        adaptive: fn(Moment) -> Adaptive,
    ) -> Self {
        match (rule, before) {
            (ConcurrencyRule::Fixed { max, queue, wait }, Some(Self::Fixed(limit))) => {
                limit.resize(max, queue, wait, now);
                Self::Fixed(limit.clone())
            }
            (ConcurrencyRule::Fixed { max, queue, wait }, _) => {
                Self::Fixed(Arc::new(Concurrency::new(max).with_queue(queue, wait)))
            }
            (ConcurrencyRule::Adaptive, Some(Self::Adaptive(limit))) => {
                limit.set_cap(cap, now);
                Self::Adaptive(limit.clone())
            }
            (ConcurrencyRule::Adaptive, _) => {
                let limit = adaptive(now);
                limit.set_cap(cap, now);
                Self::Adaptive(Arc::new(limit))
            }
        }
    }

    /// A place where there is room and nobody waits.
    pub(crate) fn enter_at_once(&self, priority: Priority) -> Option<PlaceOf<'_>> {
        match self {
            Self::Fixed(limit) => Concurrency::enter_at_once(&**limit, priority).map(Place::Fixed),
            Self::Adaptive(limit) => {
                Adaptive::enter_at_once(&**limit, priority).map(Place::Adaptive)
            }
        }
    }

    /// A place now, or none.
    pub(crate) fn try_enter(
        &self,
        priority: Priority,
        now: Moment,
    ) -> Result<PlaceOf<'_>, Overloaded> {
        match self {
            Self::Fixed(limit) => Concurrency::try_enter(&**limit, priority, now).map(Place::Fixed),
            Self::Adaptive(limit) => {
                Adaptive::try_enter(&**limit, priority, now).map(Place::Adaptive)
            }
        }
    }

    /// The same, to be kept for longer than this is borrowed.
    pub(crate) fn try_enter_owned(
        &self,
        priority: Priority,
        now: Moment,
    ) -> Result<OwnPlace, Overloaded> {
        match self {
            Self::Fixed(limit) => {
                Concurrency::try_enter(limit.clone(), priority, now).map(Place::Fixed)
            }
            Self::Adaptive(limit) => {
                Adaptive::try_enter(limit.clone(), priority, now).map(Place::Adaptive)
            }
        }
    }

    /// A place, for which the rule may let a call wait.
    pub(crate) fn enter(
        &self,
        priority: Priority,
        now: Moment,
    ) -> Waiting<&Concurrency, &Adaptive> {
        match self {
            Self::Fixed(limit) => Waiting::Fixed(Concurrency::enter(&**limit, priority, now)),
            Self::Adaptive(limit) => Waiting::Adaptive(Adaptive::enter(&**limit, priority, now)),
        }
    }

    /// The same, to be kept for longer than this is borrowed.
    pub(crate) fn enter_owned(&self, priority: Priority, now: Moment) -> OwnWaiting {
        match self {
            Self::Fixed(limit) => Waiting::Fixed(Concurrency::enter(limit.clone(), priority, now)),
            Self::Adaptive(limit) => {
                Waiting::Adaptive(Adaptive::enter(limit.clone(), priority, now))
            }
        }
    }

    /// The limit that finds its size, if this is one.
    pub(crate) fn adaptive(&self) -> Option<&Arc<Adaptive>> {
        match self {
            Self::Fixed(_) => None,
            Self::Adaptive(limit) => Some(limit),
        }
    }
}

impl<C, A> Place<C, A>
where
    C: Deref<Target = Concurrency>,
    A: Deref<Target = Adaptive>,
{
    /// Whether its limit wants to know how attempts end.
    pub(crate) fn learns(&self) -> bool {
        matches!(self, Self::Adaptive(_))
    }

    /// An attempt ended like this after `took`.
    pub(crate) fn learn(&self, outcome: Outcome, had_own_time: bool, took: Duration, now: Moment) {
        let Self::Adaptive(slot) = self else { return };
        // A deadline that came with the call says nothing about how much there is to do.
        if outcome != Outcome::Deadline || had_own_time {
            slot.learn(Sample::of(outcome, took), now);
        }
    }
}

impl<C, A> Waiting<C, A>
where
    C: Deref<Target = Concurrency> + Unpin,
    A: Deref<Target = Adaptive> + Unpin,
{
    /// What came of it, if it does not have to wait; else itself.
    pub(crate) fn decided(self) -> Result<Result<Place<C, A>, Overloaded>, Self> {
        match self {
            Self::Fixed(entering) => {
                entering.decided().map(|decided| decided.map(Place::Fixed)).map_err(Self::Fixed)
            }
            Self::Adaptive(entering) => entering
                .decided()
                .map(|decided| decided.map(Place::Adaptive))
                .map_err(Self::Adaptive),
        }
    }

    fn until(&self) -> Option<Moment> {
        match self {
            Self::Fixed(entering) => entering.deadline(),
            Self::Adaptive(entering) => entering.deadline(),
        }
    }

    /// Waits for as long as the rule lets it, and never past `deadline`.
    ///
    /// # Cancel safety
    /// Dropping it gives up the place in the queue.
    pub(crate) async fn before(
        mut self,
        deadline: Option<Instant>,
    ) -> Result<Place<C, A>, Overloaded> {
        let now = Instant::now();
        let Some(until) = self.until() else { return self.await };
        let until = now + until.since(Moment::at(now));
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        match timeout_at(until, &mut self).await {
            Ok(entered) => entered,
            Err(_) => self.give_up(Moment::now()),
        }
    }

    fn give_up(self, now: Moment) -> Result<Place<C, A>, Overloaded> {
        match self {
            Self::Fixed(entering) => entering.give_up(now).map(Place::Fixed),
            Self::Adaptive(entering) => entering.give_up(now).map(Place::Adaptive),
        }
    }
}

impl<C, A> Future for Waiting<C, A>
where
    C: Deref<Target = Concurrency> + Unpin,
    A: Deref<Target = Adaptive> + Unpin,
{
    type Output = Result<Place<C, A>, Overloaded>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Fixed(entering) => Pin::new(entering).poll(cx).map_ok(Place::Fixed),
            Self::Adaptive(entering) => Pin::new(entering).poll(cx).map_ok(Place::Adaptive),
        }
    }
}
