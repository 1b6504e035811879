//! When a call that is still under way wants to be looked at again.
//!
//! A timer of the runtime for each call that may be hedged would cost more than the rest of its rules, and
//! nearly all of them would be taken back before they ring. The calls of a method wait about the same
//! time, so they stand in a queue here, and one task sleeps until the first of them is due.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The calls of a method that want to be looked at again.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Those that have been answered meanwhile have no waker left.
    calls: VecDeque<(Instant, Option<Waker>)>,
    /// The number of the first of them.
    first: u64,
    is_watched: bool,
}

/// One call's place; dropped, nobody looks at it again.
#[derive(Debug)]
pub(crate) struct Alarm<'a> {
    queue: &'a Queue,
    number: u64,
    at: Instant,
}

/// Between looks at the queue at least so much time passes: timers of the runtime are no finer.
const LEAST: Duration = Duration::from_millis(1);

/// Who comes when so many stand in the queue has to use a timer of the runtime.
const MAX_WAITING: usize = 16_384;

impl Alarms {
    /// Has a task woken at about `at`, a little late rather than early; `None` if too many wait.
    pub(crate) fn set(&self, at: Instant, waker: &Waker) -> Option<Alarm<'_>> {
        let mut waiting = self.0.lock();
        if waiting.calls.len() >= MAX_WAITING {
            return None;
        }
        let number = waiting.first + waiting.calls.len() as u64;
        waiting.calls.push_back((at, Some(waker.clone())));
        if !waiting.is_watched {
            waiting.is_watched = true;
            tokio::spawn(watch(self.0.clone()));
        }
        drop(waiting);
        Some(Alarm { queue: &self.0, number, at })
    }
}

impl Alarm<'_> {
    /// Ready once its time has come.
    pub(crate) fn poll(&self, cx: &task::Context<'_>) -> Poll<()> {
        if self.at <= Instant::now() {
            return Poll::Ready(());
        }
        let mut waiting = self.queue.lock();
        let before = match waiting.place(self.number) {
            Some(waker) if !waker.will_wake(cx.waker()) => {
                std::mem::replace(waker, cx.waker().clone())
            }
            _ => return Poll::Pending,
        };
        drop(waiting);
        drop(before); // a waker is someone else's code: not under the lock
        Poll::Pending
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        let taken = self.queue.lock().take(self.number);
        drop(taken);
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn entry(&mut self, number: u64) -> Option<&mut Option<Waker>> {
        let index = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.calls.get_mut(index).map(|(_, waker)| waker)
    }

    fn place(&mut self, number: u64) -> Option<&mut Waker> {
        self.entry(number)?.as_mut()
    }

    fn take(&mut self, number: u64) -> Option<Waker> {
        self.entry(number)?.take()
    }

    /// Takes out those that are due or answered, up to the first that is neither; when that will be.
    fn turn(&mut self, now: Instant, due: &mut Vec<Waker>) -> Option<Instant> {
        while let Some((at, waker)) = self.calls.front_mut() {
            if waker.is_some() && *at > now {
                return Some(*at);
            }
            due.extend(waker.take());
            self.calls.pop_front();
            self.first += 1;
        }
        None
    }
}

/// Wakes who is due, until nobody waits.
async fn watch(queue: Arc<Queue>) {
    let mut watch = Watch { queue: &queue, is_over: false };
    let mut due = Vec::new();
    loop {
        let now = Instant::now();
        let next = {
            let mut waiting = queue.lock();
            let next = waiting.turn(now, &mut due);
            if next.is_none() {
                waiting.is_watched = false;
                watch.is_over = true;
            }
            next
        };
        due.drain(..).for_each(Waker::wake);
        let Some(next) = next else { return };
        sleep_until(next.max(now + LEAST)).await;
    }
}

/// Dropped with its runtime, it leaves the watching to whoever comes next.
struct Watch<'a> {
    queue: &'a Queue,
    is_over: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.queue.lock().is_watched = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn wait(alarms: &Alarms, time: Duration) {
        let at = Instant::now() + time;
        let mut alarm = None;
        poll_fn(|cx| {
            let alarm = alarm.get_or_insert_with(|| alarms.set(at, cx.waker()).expect("room"));
            alarm.poll(cx)
        })
        .await;
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn each_is_woken_at_its_time_and_the_task_ends() {
        let alarms = Arc::new(Alarms::default());
        let begun = Instant::now();
        let waiting: Vec<_> = [20, 10, 30]
            .map(|millis| {
                let alarms = alarms.clone();
                tokio::spawn(async move { wait(&alarms, ms(millis)).await })
            })
            .into();
        for waiting in waiting {
            waiting.await.unwrap();
        }
        assert_eq!(begun.elapsed(), ms(30));
        wait(&alarms, ms(5)).await;
        tokio::time::sleep(ms(5)).await;
        let waiting = alarms.0.lock();
        assert!(waiting.calls.is_empty() && !waiting.is_watched);
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_answered_is_not_woken_and_leaves_no_waker() {
        let alarms = Alarms::default();
        let waiting = tokio::time::timeout(ms(5), wait(&alarms, ms(50))).await;
        assert!(waiting.is_err());
        assert!(alarms.0.lock().calls.iter().all(|(_, waker)| waker.is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_is_bounded() {
        let alarms = Alarms::default();
        let at = Instant::now() + ms(1000);
        let set = || alarms.set(at, Waker::noop());
        let held: Vec<_> = (0..MAX_WAITING).map(|_| set().expect("room")).collect();
        assert!(set().is_none());
        drop(held);
        tokio::time::sleep(ms(1001)).await;
        assert!(set().is_some());
    }

    #[test]
    fn a_runtime_that_ends_leaves_it_usable() {
        let alarms = Arc::new(Alarms::default());
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let runtime = runtime.unwrap();
            runtime.block_on(wait(&alarms, ms(2)));
            let alarms = alarms.clone();
            runtime.spawn(async move { wait(&alarms, Duration::from_secs(60)).await });
            runtime.block_on(tokio::task::yield_now());
        }
    }
}
