//! So many calls at a time. What it prevents: a server that takes everything in finishes nothing,
//! since all that came share what there is until the time of each is over.
//!
//! By Little's law calls in progress are rate times latency, so a bound on them holds whatever a
//! call costs, where a rate has to be guessed anew with each release. Who finds it full is refused
//! at once, or waits a bounded while:
//!
//! - While calm, first in first out.
//! - Under overload (somebody has been waiting for 100 ms without a break), the newest first: its
//!   caller is the likeliest to be still there. Whenever a place becomes free, those who have waited
//!   longer than 5 ms are refused, so that a standing queue can't form (Maurer, "Fail at Scale",
//!   ACM Queue 2015, after CoDel, RFC 8289). One is served even so: a place left empty helps no one.
//!
//! What matters least is refused first. Calls that are sheddable are let in up to 80 % of the limit,
//! bulk up to 60 %, critical and normal ones up to all of it; once a critical call found no room,
//! 5 % are kept for critical ones alone for the next 10 s. Of those who wait, the most important
//! are served first, and give up their place in a full queue last.
//!
//! The limit is this process's own. How long a wait may be is told to callers
//! ([`Entering::deadline`]), who own the clock; how big the limit should be is left to
//! [`adaptive`](crate::governance::adaptive).

mod entering;
mod line;
#[cfg(all(test, model))]
mod model;
mod overloaded;
mod shares;

use std::fmt;
use std::ops::Deref;
use std::task::Waker;
use std::time::Duration;

use rpc_codec::Priority;

pub use self::entering::Entering;
pub use self::overloaded::{OverloadReason, Overloaded};

use self::line::{Answer, Line, SHORT};
use self::shares::{RANKS, rank, room};
use crate::governance::Moment;
use crate::governance::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::governance::sync::{Mutex, lock};

/// A limit on calls at a time.
///
/// ```
/// use rpc_core::governance::Moment;
/// use rpc_core::governance::limit::concurrency::Concurrency;
/// use rpc_core::Priority;
///
/// let limit = Concurrency::new(1);
/// let now = Moment::default();
/// let slot = Concurrency::try_enter(&limit, Priority::Normal, now).expect("nobody is in");
/// assert!(Concurrency::try_enter(&limit, Priority::Normal, now).is_err());
/// drop(slot);
/// assert!(Concurrency::try_enter(&limit, Priority::Normal, now).is_ok());
/// ```
pub struct Concurrency {
    /// How many are in, and [`SOMEONE_WAITS`]. As both are in one word, who leaves and who starts
    /// to wait can't miss each other.
    state: AtomicU64,
    /// How many may be in for one more of each rank. Written under the lock.
    room: [AtomicU32; RANKS],
    /// Once the lock is free, nobody waits for whom there is room, and the flag is up if anyone
    /// waits at all.
    queue: Mutex<Queue>,
}

/// Who comes or leaves has to look into the queue.
const SOMEONE_WAITS: u64 = 1 << 32;

struct Queue {
    line: Line,
    max: u32,
    bound: u32,
    wait: Duration,
    /// Until when room is kept for critical calls alone.
    reserved_until: Option<Moment>,
}

/// For how long room is kept for critical calls after one of them found none.
const RESERVE: Duration = Duration::from_secs(10);

/// When to come back to a limit that is full but calm, and to one that is overloaded: about when
/// another look at the queue is worth it.
const SOON: Duration = Duration::from_millis(10);
const LATER: Duration = line::INTERVAL;

impl Concurrency {
    /// A limit of `max` calls at a time, where nobody waits. With `max = 0` nobody enters.
    pub fn new(max: u32) -> Self {
        Self {
            state: AtomicU64::new(0),
            room: room(max, false).map(AtomicU32::new),
            queue: Mutex::new(Queue {
                line: Line::new(),
                max,
                bound: 0,
                wait: Duration::ZERO,
                reserved_until: None,
            }),
        }
    }

    /// Lets `queue` more calls wait, each for `wait`. With `wait = 0` nobody does.
    #[must_use]
    pub fn with_queue(self, queue: u32, wait: Duration) -> Self {
        {
            let mut settings = lock(&self.queue);
            (settings.bound, settings.wait) = (queue, wait);
        }
        self
    }

    /// Lets a call in, now or not at all.
    ///
    /// # Errors
    ///
    /// There is no room for a call of this priority, or one that matters as much waits for it.
    pub fn try_enter<D>(limit: D, priority: Priority, now: Moment) -> Result<Slot<D>, Overloaded>
    where
        D: Deref<Target = Self>,
    {
        let entered = match limit.enter_past_nobody(rank(priority)) {
            Some(in_use) => Ok(in_use),
            None => limit.with_queue_locked(Some(now), |queue, woken| {
                limit
                    .enter_in_order(rank(priority), queue, woken)
                    .ok_or_else(|| limit.refusal(priority, queue))
            }),
        };
        entered.map(|in_use| Slot::new(limit, in_use))
    }

    /// Lets a call in where there is room and nobody waits: the short way, which is tried first.
    #[inline]
    pub(crate) fn enter_at_once<D>(limit: D, priority: Priority) -> Option<Slot<D>>
    where
        D: Deref<Target = Self>,
    {
        let in_use = limit.enter_past_nobody(rank(priority))?;
        Some(Slot::new(limit, in_use))
    }

    /// Lets a call in once there is room: a future that is ready at once if there is, or if nobody
    /// may wait. Its place in the queue is taken here, not when it is first polled.
    pub fn enter<D>(limit: D, priority: Priority, now: Moment) -> Entering<D>
    where
        D: Deref<Target = Self>,
    {
        if let Some(in_use) = limit.enter_past_nobody(rank(priority)) {
            return Entering::done(Ok(Slot::new(limit, in_use)));
        }
        let queued = limit.with_queue_locked(Some(now), |queue, woken| {
            limit.enter_or_queue(priority, queue, woken)
        });
        match queued {
            Ok(Queued::In(in_use)) => Entering::done(Ok(Slot::new(limit, in_use))),
            Ok(Queued::At(place, deadline)) => Entering::waiting(limit, place, deadline),
            Err(refusal) => Entering::done(Err(refusal)),
        }
    }

    /// Changes the limit. Who is in stays in, and who waits goes on waiting, also if there are more
    /// of them than there may be now.
    pub fn resize(&self, max: u32, queue: u32, wait: Duration, now: Moment) {
        self.with_queue_locked(Some(now), |settings, woken| {
            (settings.max, settings.bound, settings.wait) = (max, queue, wait);
            self.publish(settings);
            self.serve(settings, woken);
        });
    }

    /// Changes how many may be in, and nothing else.
    pub fn set_max(&self, max: u32, now: Moment) {
        self.with_queue_locked(Some(now), |settings, woken| {
            settings.max = max;
            self.publish(settings);
            self.serve(settings, woken);
        });
    }

    /// How many are in.
    pub fn in_use(&self) -> u32 {
        in_use(self.state.load(Ordering::Relaxed))
    }

    /// How many may be.
    pub fn max(&self) -> u32 {
        self.room[rank(Priority::Critical)].load(Ordering::Relaxed)
    }

    /// How many wait.
    pub fn waiting(&self) -> u32 {
        lock(&self.queue).line.waiting()
    }

    /// The whole way in as long as nobody waits.
    fn enter_past_nobody(&self, rank: usize) -> Option<u32> {
        self.take(rank, |state| state & SOMEONE_WAITS == 0)
    }

    /// Takes a place that a call of this rank may have; how many are in then.
    fn take(&self, rank: usize, may: impl Fn(u64) -> bool) -> Option<u32> {
        let room = self.room[rank].load(Ordering::Relaxed);
        let mut state = self.state.load(Ordering::Relaxed);
        while may(state) && in_use(state) < room {
            match self.state.compare_exchange_weak(
                state,
                state + 1,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(in_use(state) + 1),
                Err(other) => state = other,
            }
        }
        None
    }

    /// One leaves. Without a `now`, it is as late as anyone has told.
    fn release(&self, now: Option<Moment>) {
        if self.state.fetch_sub(1, Ordering::Release) & SOMEONE_WAITS != 0 {
            self.with_queue_locked(now, |queue, woken| self.pass_on(queue, woken));
        }
    }

    /// Runs `act` under the lock and then, outside of it, wakes whom it names.
    fn with_queue_locked<R>(
        &self,
        now: Option<Moment>,
        act: impl FnOnce(&mut Queue, &mut Vec<Waker>) -> R,
    ) -> R {
        let mut woken = Vec::new(); // which allocates nothing as long as nobody waits
        let result = {
            let mut queue = lock(&self.queue);
            queue.line.see(now.unwrap_or_default());
            if queue.reserved_until.is_some_and(|end| queue.line.now() >= end) {
                queue.reserved_until = None;
                self.publish(&queue);
            }
            act(&mut queue, &mut woken)
        };
        woken.into_iter().for_each(Waker::wake);
        result
    }

    fn publish(&self, queue: &Queue) {
        for (room, value) in self.room.iter().zip(room(queue.max, queue.reserved_until.is_some())) {
            room.store(value, Ordering::Relaxed);
        }
    }

    /// A place, unless one who waits has a better claim to it.
    fn enter_in_order(
        &self,
        rank: usize,
        queue: &mut Queue,
        woken: &mut Vec<Waker>,
    ) -> Option<u32> {
        self.serve(queue, woken);
        let taken = self.take(rank, |_| true);
        if taken.is_none() && rank == shares::rank(Priority::Critical) {
            queue.reserved_until = Some(queue.line.now().plus(RESERVE));
            self.publish(queue);
        }
        taken
    }

    fn enter_or_queue(
        &self,
        priority: Priority,
        queue: &mut Queue,
        woken: &mut Vec<Waker>,
    ) -> Result<Queued, Overloaded> {
        let rank = rank(priority);
        if let Some(in_use) = self.enter_in_order(rank, queue, woken) {
            return Ok(Queued::In(in_use));
        }
        if queue.is_full() && queue.line.is_overloaded() {
            self.refuse_stale(queue, woken);
        }
        if queue.is_full() && !self.push_out(rank, queue, woken) {
            return Err(self.refusal(priority, queue));
        }
        let place = queue.line.push(rank);
        let deadline = queue.line.now().plus(queue.wait);
        self.state.fetch_or(SOMEONE_WAITS, Ordering::Relaxed);
        // Who left before the flag was up did not look into the queue.
        self.serve(queue, woken);
        Ok(Queued::At(place, deadline))
    }

    /// A place has become free.
    fn pass_on(&self, queue: &mut Queue, woken: &mut Vec<Waker>) {
        let overloaded = queue.line.is_overloaded();
        self.serve(queue, woken);
        if overloaded {
            self.refuse_stale(queue, woken);
        }
        self.lower_flag_if_nobody_waits(queue);
    }

    /// Lets in those for whom there is room. Where there is none for the one who matters most there
    /// is none for anyone.
    fn serve(&self, queue: &mut Queue, woken: &mut Vec<Waker>) {
        let newest_first = queue.line.is_overloaded();
        while let Some(rank) = queue.line.first_rank() {
            let Some(in_use) = self.take(rank, |_| true) else { break };
            let next = if newest_first { queue.line.newest(rank) } else { queue.line.oldest(rank) };
            let place = next.expect("the first rank has someone");
            woken.extend(queue.line.answer(place, Answer::In(in_use)));
        }
        self.lower_flag_if_nobody_waits(queue);
    }

    fn refuse_stale(&self, queue: &mut Queue, woken: &mut Vec<Waker>) {
        let short = SHORT.min(queue.wait);
        for rank in 0..RANKS {
            while let Some(place) = queue.line.oldest(rank) {
                let waited = queue.line.waited(place);
                if waited <= short {
                    break;
                }
                let refusal = self.refused(OverloadReason::WaitedTooLong(waited), queue);
                woken.extend(queue.line.answer(place, Answer::Refused(refusal)));
            }
        }
    }

    /// Whether one who matters less than `rank` gave up its place: the one who came last, and has
    /// waited for the least.
    fn push_out(&self, rank: usize, queue: &mut Queue, woken: &mut Vec<Waker>) -> bool {
        let last = queue.line.last_rank().filter(|last| *last > rank);
        let Some(place) = last.and_then(|last| queue.line.newest(last)) else { return false };
        let refusal = self.refused(OverloadReason::PushedOut, queue);
        woken.extend(queue.line.answer(place, Answer::Refused(refusal)));
        true
    }

    /// Nobody else can raise it meanwhile: that is done under the lock.
    fn lower_flag_if_nobody_waits(&self, queue: &Queue) {
        if queue.line.waiting() == 0 {
            self.state.fetch_and(!SOMEONE_WAITS, Ordering::Relaxed);
        }
    }

    /// Somebody may have left since there was no room: what counts is that so many were in.
    fn refusal(&self, priority: Priority, queue: &Queue) -> Overloaded {
        let room = self.room[rank(priority)].load(Ordering::Relaxed);
        let in_use = self.in_use().max(room);
        let reason = match queue.line.waiting() {
            _ if in_use < queue.max => OverloadReason::Priority(priority),
            0 => OverloadReason::Full,
            waiting => OverloadReason::QueueFull(waiting),
        };
        Overloaded { in_use, ..self.refused(reason, queue) }
    }

    fn refused(&self, reason: OverloadReason, queue: &Queue) -> Overloaded {
        Overloaded {
            reason,
            in_use: self.in_use(),
            max: queue.max,
            retry_after: if queue.line.is_overloaded() { LATER } else { SOON },
        }
    }
}

enum Queued {
    In(u32),
    At(u32, Moment),
}

impl Queue {
    fn is_full(&self) -> bool {
        self.wait.is_zero() || self.line.waiting() >= self.bound
    }
}

fn in_use(state: u64) -> u32 {
    u32::try_from(state & u64::from(u32::MAX)).expect("it is masked")
}

impl fmt::Debug for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Concurrency")
            .field("in_use", &self.in_use())
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}

/// A call that was let in, until this is dropped.
#[must_use = "dropped, it leaves at once"]
pub struct Slot<D: Deref<Target = Concurrency>> {
    limit: D,
    in_use: u32,
    left: bool,
}

impl<D: Deref<Target = Concurrency>> Slot<D> {
    fn new(limit: D, in_use: u32) -> Self {
        Self { limit, in_use, left: false }
    }

    /// How many were in when it was let in, itself included.
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    /// The limit that let it in.
    pub fn limit(&self) -> &D {
        &self.limit
    }

    /// Leaves, as dropping it does; told the time, the limit knows better who has waited for too
    /// long.
    pub fn leave(mut self, now: Moment) {
        self.left = true;
        self.limit.release(Some(now));
    }
}

impl<D: Deref<Target = Concurrency>> Drop for Slot<D> {
    fn drop(&mut self) {
        if !self.left {
            self.limit.release(None);
        }
    }
}

impl<D: Deref<Target = Concurrency>> fmt::Debug for Slot<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("in_use", &self.in_use).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
