//! The leaky bucket: permits at even distances, so that what is called never sees a burst longer
//! than the slack.
//!
//! Of a caller who asked for less than was due, up to `slack` permits are remembered, and made up
//! for at once. Whoever has to wait has a place in a queue that is one number: the time of the
//! newest permit. The behaviour is that of Go's `go.uber.org/ratelimit` 0.3.1, recordings of which
//! are replayed by `tests/golden`, and what its users asked for beside: to try, to wait no longer
//! than so long, to leave, and to change the rate. Its time 0 means "not started"; here it is a
//! time like any other.

use std::time::Duration;

use super::ticket::{Exhausted, FOREVER, Taken, Ticket};
use crate::governance::Moment;
use crate::governance::moment::nanos;
use crate::governance::sync::{Mutex, lock};

/// A bucket that lets one permit go at a time, `every` so often.
///
/// Several permits at once are as many single ones in a row: they go when the last of them may. Asking
/// for none passes.
#[derive(Debug)]
pub struct LeakyBucket {
    queue: Mutex<Queue>,
}

impl LeakyBucket {
    /// A bucket that nothing has gone through yet: the first permit goes at once, and nothing is
    /// saved up.
    ///
    /// At a distance of zero everything passes.
    pub fn new(every: Duration, slack: u32) -> Self {
        Self { queue: Mutex::new(Queue::new(nanos(every), slack)) }
    }

    /// Takes `n` permits, if they may go now.
    #[must_use = "nothing was taken if this is false"]
    pub fn allow(&self, n: u32, now: Moment) -> bool {
        lock(&self.queue).take(n, 0, now.as_nanos()).is_ok()
    }

    /// Takes the next `n` places in the queue, if the last of them comes within `max_wait`.
    ///
    /// # Errors
    ///
    /// If it would take longer, at once and without taking any.
    pub fn reserve(&self, n: u32, max_wait: Duration, now: Moment) -> Result<Ticket, Exhausted> {
        lock(&self.queue).take(n, nanos(max_wait), now.as_nanos())
    }

    /// Gives back what was not used. Only the newest places can be: those behind others stay empty,
    /// because the others have been told their times.
    pub fn give_back(&self, ticket: Ticket) {
        lock(&self.queue).give_back(&ticket);
    }

    /// From now on permits go `every` so often, and up to `slack` are remembered. Times that were
    /// given stay.
    pub fn set(&self, every: Duration, slack: u32) {
        lock(&self.queue).set(nanos(every), slack);
    }
}

/// The queue itself, for who holds the lock. Times are in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// The distance of permits.
    every: u64,
    slack: u32,
    /// When the newest permit goes; `None` before the first.
    newest: Option<u64>,
    /// The latest time that anybody asked at: who read the clock before and comes after is not
    /// made to wait for the difference.
    seen: u64,
}

impl Queue {
    pub(super) fn new(every: u64, slack: u32) -> Self {
        Self { every, slack, newest: None, seen: 0 }
    }

    /// A queue of which no more than `available` permits may go now; below zero some have been
    /// promised.
    pub(super) fn with_available(every: u64, slack: u32, available: f64, now: u64) -> Self {
        let behind = span(available.clamp(0.0, f64::from(slack) + 1.0), every);
        let ahead = span((-available).max(0.0), every);
        let newest = Some(now.saturating_sub(behind).saturating_add(ahead));
        Self { newest, ..Self::new(every, slack) }
    }

    #[inline]
    pub(super) fn take(&mut self, n: u32, max_wait: u64, now: u64) -> Result<Ticket, Exhausted> {
        self.seen = self.seen.max(now);
        let now = self.seen;
        let next = self.next(now);
        if n == 0 {
            let taken = Taken::Leaky { newest: next, before: next };
            return Ok(Ticket { at: now, wait: 0, permits: 0, taken });
        }
        let newest = next.saturating_add(self.every.saturating_mul(u64::from(n - 1)));
        let wait = newest.saturating_sub(now);
        if wait > max_wait || wait >= FOREVER {
            // Saving up begins here, or several at once would never go.
            self.newest.get_or_insert(now.saturating_sub(self.every));
            let at_best = self.every.saturating_mul(u64::from((n - 1).saturating_sub(self.slack)));
            let comes = at_best <= max_wait;
            return Err(if comes { Exhausted::for_nanos(wait) } else { Exhausted::NEVER });
        }
        self.newest = Some(newest);
        // However long ago the one before it was, this is as good.
        let before = next.saturating_sub(self.every);
        let taken = Taken::Leaky { newest, before };
        Ok(Ticket { at: now.max(newest), wait, permits: n, taken })
    }

    pub(super) fn give_back(&mut self, ticket: &Ticket) {
        let Taken::Leaky { newest, before } = ticket.taken else { return };
        if ticket.permits > 0 && self.newest == Some(newest) {
            self.newest = Some(before);
        }
    }

    /// How many may go now; below zero some have been promised.
    pub(super) fn available(&self, now: u64) -> f64 {
        let most = f64::from(self.slack) + 1.0;
        match self.newest {
            None => 1.0,
            Some(_) if self.every == 0 => most,
            Some(newest) => {
                let now = now.max(self.seen);
                let saved = now.saturating_sub(newest) as f64 - newest.saturating_sub(now) as f64;
                (saved / self.every as f64).min(most)
            }
        }
    }

    pub(super) fn is_full(&self, now: u64) -> bool {
        self.newest.is_none() || self.available(now) > f64::from(self.slack)
    }

    pub(super) fn set(&mut self, every: u64, slack: u32) {
        self.every = every;
        self.slack = slack;
    }

    /// When the next permit goes: one distance after the newest, but not so long ago that more than
    /// the slack could be made up for.
    fn next(&self, now: u64) -> u64 {
        let Some(newest) = self.newest else { return now };
        let slack = self.every.saturating_mul(u64::from(self.slack));
        if now.saturating_sub(newest) > slack.saturating_add(self.every) {
            now.saturating_sub(slack)
        } else {
            newest.saturating_add(self.every)
        }
    }
}

/// The time of so many permits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast saturates, and is not of what is below zero"
)]
fn span(permits: f64, every: u64) -> u64 {
    (permits * every as f64) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    fn bucket(every: u64, slack: u32) -> LeakyBucket {
        LeakyBucket::new(Duration::from_nanos(every), slack)
    }

    fn passed(bucket: &LeakyBucket, now: u64) -> usize {
        (0..1_000).take_while(|_| bucket.allow(1, at(now))).count()
    }

    #[test]
    fn without_slack_permits_go_at_even_distances() {
        let bucket = bucket(100, 0);
        let passed: Vec<u64> =
            (0..1_000).step_by(30).filter(|&now| bucket.allow(1, at(now))).collect();
        assert_eq!(passed, [0, 120, 240, 360, 480, 600, 720, 840, 960]);
    }

    #[test]
    fn a_new_bucket_has_saved_nothing_up() {
        assert_eq!(passed(&bucket(100, 10), 1 << 60), 1);
    }

    /// go.uber.org/ratelimit#119: 0.3.0 gave it to each call after an idle spell.
    #[test]
    fn slack_is_given_once_after_an_idle_spell() {
        let bucket = bucket(100, 10);
        assert!(bucket.allow(1, at(0)));
        assert_eq!(passed(&bucket, 1_000_000), 11);
        assert_eq!(passed(&bucket, 1_000_099), 0);
        assert_eq!(passed(&bucket, 1_000_100), 1);
    }

    /// go.uber.org/ratelimit takes a last permit at its time 0 for "not started".
    #[test]
    fn a_clock_that_begins_at_zero_does_not_repeat_the_first_permit() {
        assert_eq!(passed(&bucket(100, 0), 0), 1);
    }

    #[test]
    fn several_at_once_wait_for_the_last_of_them() {
        let bucket = bucket(100, 2);
        assert_eq!(bucket.reserve(4, Duration::MAX, at(0)).map(|t| t.ready_at()), Ok(at(300)));
        let refused = bucket.reserve(3, Duration::ZERO, at(0));
        assert_eq!(refused.map_err(|e| e.retry_after), Err(Some(Duration::from_nanos(600))));
        let refused = bucket.reserve(4, Duration::from_nanos(99), at(0));
        assert_eq!(refused, Err(Exhausted::NEVER), "at least 100 ns after the first three");
        assert!(bucket.allow(0, at(0)));
    }

    #[test]
    fn several_at_once_can_be_what_goes_first() {
        let bucket = bucket(100, 2);
        let refused = bucket.reserve(3, Duration::ZERO, at(500));
        assert_eq!(refused, Err(Exhausted { retry_after: Some(Duration::from_nanos(200)) }));
        assert!(bucket.allow(3, at(700)));
    }

    #[test]
    fn who_leaves_the_end_of_the_queue_leaves_no_gap() {
        let bucket = bucket(100, 0);
        let mut tickets: Vec<_> =
            (0..3).map(|_| bucket.reserve(1, Duration::MAX, at(0)).expect("it waits")).collect();
        let last = tickets.pop().expect("three");
        assert_eq!(last.ready_at(), at(200));
        bucket.give_back(last);
        let again = bucket.reserve(1, Duration::MAX, at(0)).expect("it waits");
        assert_eq!(again.ready_at(), at(200));
        bucket.give_back(tickets.remove(1));
        let behind = bucket.reserve(1, Duration::MAX, at(0)).expect("it waits");
        assert_eq!(behind.ready_at(), at(300), "the one at 200 has been told its time");
    }

    #[test]
    fn a_changed_distance_keeps_the_newest_permit() {
        let bucket = bucket(1_000, 0);
        assert!(bucket.allow(1, at(0)));
        bucket.set(Duration::from_nanos(100), 0);
        assert!(!bucket.allow(1, at(99)));
        assert!(bucket.allow(1, at(100)));
    }

    #[test]
    fn a_distance_of_zero_limits_nothing_and_one_of_for_ever_all_but_the_first() {
        assert_eq!(passed(&bucket(0, 3), 5), 1_000);
        let never = bucket(u64::MAX, 3);
        assert_eq!(passed(&never, 5), 1);
        assert_eq!(never.reserve(1, Duration::MAX, at(u64::MAX / 2)), Err(Exhausted::NEVER));
    }

    proptest! {
        #[test]
        fn permits_keep_their_distance_but_for_the_slack(
            every in 1..50u64,
            slack in 0..5u32,
            steps in prop::collection::vec(
                (0..200u64, 0..100u64, 0..4u32, 0..300u64, any::<Option<prop::sample::Index>>()), 1..60,
            ),
        ) {
            let bucket = bucket(every, slack);
            let mut now = 1_000;
            let mut gone: Vec<Ticket> = Vec::new();
            for (after, back, n, max_wait, give_back) in steps {
                now += after;
                if let Some(index) = give_back.filter(|_| !gone.is_empty()) {
                    bucket.give_back(gone.swap_remove(index.index(gone.len())));
                }
                gone.extend(bucket.reserve(n, Duration::from_nanos(max_wait), at(now - back)));
            }
            gone.retain(|ticket| ticket.permits > 0);
            gone.sort_by_key(|ticket| ticket.at);
            for (first, from) in gone.iter().enumerate() {
                let mut sum = 0;
                for to in &gone[first..] {
                    sum += u64::from(to.permits);
                    // Several at once keep the places before the last of them empty.
                    let first = u64::from(from.permits - 1);
                    let bound = u64::from(slack) + 1 + first + (to.at - from.at) / every;
                    prop_assert!(sum <= bound, "{sum} > {bound}");
                }
            }
        }

        #[test]
        fn several_at_once_are_as_many_single_ones(
            every in 0..50u64, slack in 0..5u32, idle in 0..1_000u64, n in 1..9u32,
        ) {
            let (one, many) = (bucket(every, slack), bucket(every, slack));
            prop_assert!(one.allow(1, at(0)) && many.allow(1, at(0)));
            let last = (0..n).map(|_| one.reserve(1, Duration::MAX, at(idle))).last();
            let at_once = many.reserve(n, Duration::MAX, at(idle)).map(|ticket| ticket.ready_at());
            prop_assert_eq!(last.expect("one").map(|ticket| ticket.ready_at()), at_once);
        }
    }
}
