//! The sliding window: so many permits in any stretch of time, nearly, for the price of two counters.
//!
//! Of the window before, that share counts which a window that ends now would still cover, as if
//! its permits had gone evenly. So a stretch shorter than a window, wherever it begins, lets go no
//! more than the limit and that stretch's share of it once more; a fixed window lets twice the limit
//! go in a moment. Cloudflare described it ("How we built rate limiting capable of scaling to
//! millions of domains", 2017). Whoever waits is counted at the time at which it goes.

use std::time::Duration;

use super::ticket::{Exhausted, FOREVER, Taken, Ticket};
use crate::governance::Moment;
use crate::governance::moment::nanos;
use crate::governance::sync::{Mutex, lock};

/// `limit` permits in a window that ends now, whenever that is.
///
/// Asking for none passes; asking for more than the limit never does.
#[derive(Debug)]
pub struct SlidingWindow {
    windows: Mutex<Sliding>,
}

impl SlidingWindow {
    /// A window of this length; one of zero counts as one of a nanosecond.
    pub fn new(limit: u32, length: Duration, now: Moment) -> Self {
        Self { windows: Mutex::new(Sliding::new(limit, nanos(length), now.as_nanos())) }
    }

    /// Takes `n` permits, if the window has as many left.
    #[must_use = "nothing was taken if this is false"]
    pub fn allow(&self, n: u32, now: Moment) -> bool {
        lock(&self.windows).take(n, 0, now.as_nanos()).is_ok()
    }

    /// Takes `n` permits as soon as the window has as many left.
    ///
    /// # Errors
    ///
    /// If it does not within `max_wait`, at once and without taking any.
    pub fn reserve(&self, n: u32, max_wait: Duration, now: Moment) -> Result<Ticket, Exhausted> {
        lock(&self.windows).take(n, nanos(max_wait), now.as_nanos())
    }

    /// Gives back what was not used, unless it has left the window.
    pub fn give_back(&self, ticket: Ticket) {
        lock(&self.windows).give_back(&ticket);
    }

    /// The permits that the window has left.
    pub fn available(&self, now: Moment) -> u32 {
        lock(&self.windows).available(now.as_nanos())
    }

    /// From now on so many, and a window of this length. What it has let go stays counted, and
    /// times that were given stay.
    pub fn set(&self, limit: u32, length: Duration, now: Moment) {
        lock(&self.windows).set(limit, nanos(length), now.as_nanos());
    }
}

/// The windows themselves, for who holds the lock. Times are in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Sliding {
    limit: u32,
    /// More than zero.
    length: u64,
    /// Where the current window begins: that of `front`.
    start: u64,
    /// Taken from the current one.
    count: u32,
    /// Taken from the one before.
    before: u32,
    /// The latest time at which something went or will go: who comes later goes later.
    front: u64,
    /// The latest time that anybody asked at.
    seen: u64,
}

impl Sliding {
    pub(super) fn new(limit: u32, length: u64, now: u64) -> Self {
        let length = length.max(1);
        Self { limit, length, start: now, count: 0, before: 0, front: now, seen: now }
    }

    /// A window that has no more than `available` permits left.
    pub(super) fn with_available(limit: u32, length: u64, available: u32, now: u64) -> Self {
        Self { count: limit.saturating_sub(available), ..Self::new(limit, length, now) }
    }

    #[inline]
    pub(super) fn take(&mut self, n: u32, max_wait: u64, now: u64) -> Result<Ticket, Exhausted> {
        let now = self.turn(now);
        if n == 0 {
            let taken = Taken::Sliding { start: self.start };
            return Ok(Ticket { at: now, wait: 0, permits: 0, taken });
        }
        if n > self.limit {
            return Err(Exhausted::NEVER);
        }
        let at = if self.fits(n) { self.front } else { self.next(n) };
        let wait = at.saturating_sub(now);
        if wait > max_wait || wait >= FOREVER {
            return Err(Exhausted::for_nanos(wait));
        }
        self.slide(at);
        self.count = self.count.saturating_add(n);
        let taken = Taken::Sliding { start: self.start };
        Ok(Ticket { at: now.max(at), wait, permits: n, taken })
    }

    pub(super) fn give_back(&mut self, ticket: &Ticket) {
        let Taken::Sliding { start } = ticket.taken else { return };
        if start == self.start {
            self.count = self.count.saturating_sub(ticket.permits);
        } else if start.saturating_add(self.length) == self.start {
            self.before = self.before.saturating_sub(ticket.permits);
        }
    }

    pub(super) fn available(&mut self, now: u64) -> u32 {
        if self.front > self.turn(now) {
            return 0;
        }
        self.limit.saturating_sub(self.counted())
    }

    pub(super) fn is_full(&mut self, now: u64) -> bool {
        self.available(now) == self.limit
    }

    pub(super) fn set(&mut self, limit: u32, length: u64, now: u64) {
        self.turn(now);
        self.limit = limit;
        let length = length.max(1);
        if length != self.length {
            // What counts was perhaps taken just now, so a window of the new length begins now.
            self.count = self.counted();
            self.before = 0;
            self.start = self.front;
            self.length = length;
        }
    }

    /// Goes on to `now`, unless something has been promised for later, and says what time it is.
    fn turn(&mut self, now: u64) -> u64 {
        self.seen = self.seen.max(now);
        self.slide(self.front.max(self.seen));
        self.seen
    }

    /// Goes on to `to`, which is not before the front.
    fn slide(&mut self, to: u64) {
        self.front = to;
        let past = to.saturating_sub(self.start);
        if past < self.length {
            return;
        }
        self.before = if past - self.length < self.length { self.count } else { 0 };
        self.count = 0;
        self.start += past - past % self.length;
    }

    /// Whether `n` more go at the front.
    fn fits(&self, n: u32) -> bool {
        let room = u128::from(self.limit) * u128::from(self.length);
        self.weighted() + u128::from(n) * u128::from(self.length) <= room
    }

    /// What counts at the front, times the length: a comparison then needs no division.
    fn weighted(&self) -> u128 {
        let covered = self.length - (self.front - self.start);
        u128::from(self.before) * u128::from(covered)
            + u128::from(self.count) * u128::from(self.length)
    }

    /// What counts at the front, rounded up.
    fn counted(&self) -> u32 {
        let counted = self.weighted().div_ceil(u128::from(self.length));
        u32::try_from(counted).unwrap_or(u32::MAX)
    }

    /// The first time at which `n` fit, which they do not at the front: in this window or, at the
    /// latest when it has left, in the next.
    fn next(&self, n: u32) -> u64 {
        let room = self.limit - n;
        let after = |before: u32, room: u32| {
            // The first share of a window at which no more than `room` of `before` count.
            let covered = u128::from(room) * u128::from(self.length) / u128::from(before.max(1));
            self.length.saturating_sub(u64::try_from(covered).unwrap_or(u64::MAX))
        };
        let past = match room.checked_sub(self.count) {
            Some(room) => after(self.before, room),
            None => self.length.saturating_add(after(self.count, room)),
        };
        self.start.saturating_add(past)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    fn window(limit: u32) -> SlidingWindow {
        SlidingWindow::new(limit, Duration::from_nanos(100), at(0))
    }

    /// alibaba/Sentinel: two full batches fit into a second that is shifted by half a bucket.
    #[test]
    fn two_full_batches_do_not_fit_around_the_end_of_a_window() {
        let window = window(10);
        assert!(window.allow(10, at(99)));
        assert!(!window.allow(1, at(100)));
        assert!(window.allow(1, at(110)) && !window.allow(1, at(110)));
        assert_eq!(window.available(at(150)), 4);
        assert_eq!(window.available(at(300)), 10);
    }

    #[test]
    fn who_waits_goes_as_soon_as_it_fits() {
        let window = window(10);
        assert!(window.allow(10, at(0)));
        let refused = window.reserve(3, Duration::from_nanos(129), at(0));
        assert_eq!(refused, Err(Exhausted { retry_after: Some(Duration::from_nanos(130)) }));
        let ticket = window.reserve(3, Duration::from_nanos(130), at(0)).expect("it waits");
        assert_eq!(ticket.ready_at(), at(130));
        assert!(!window.allow(1, at(120)), "nobody goes before who waits");
        assert!(window.allow(1, at(140)));
    }

    #[test]
    fn a_changed_limit_keeps_what_counts() {
        let window = window(10);
        assert!(window.allow(8, at(50)));
        window.set(9, Duration::from_nanos(100), at(50));
        assert_eq!(window.available(at(50)), 1);
        window.set(10, Duration::from_nanos(1_000), at(150));
        assert_eq!(window.available(at(150)), 6, "half of eight");
        assert_eq!(window.available(at(1_149)), 6);
        assert_eq!(window.available(at(1_650)), 8);
    }

    #[test]
    fn what_is_given_back_can_go_again() {
        let window = window(10);
        let ticket = window.reserve(10, Duration::ZERO, at(50)).expect("it is unused");
        assert_eq!(window.available(at(100)), 0);
        window.give_back(ticket);
        assert_eq!(window.available(at(100)), 10);
    }

    proptest! {
        #[test]
        fn no_stretch_lets_more_go_than_the_limit_and_its_share_of_it(
            limit in 1..6u32,
            steps in prop::collection::vec(
                (0..120u64, 0..80u64, 0..7u32, 0..300u64, any::<Option<prop::sample::Index>>()), 1..60,
            ),
        ) {
            let window = window(limit);
            let mut now = 100;
            let mut gone: Vec<Ticket> = Vec::new();
            for (after, back, n, max_wait, give_back) in steps {
                now += after;
                if let Some(index) = give_back.filter(|_| !gone.is_empty()) {
                    window.give_back(gone.swap_remove(index.index(gone.len())));
                }
                gone.extend(window.reserve(n, Duration::from_nanos(max_wait), at(now - back)));
            }
            gone.sort_by_key(|ticket| ticket.at);
            for (first, from) in gone.iter().enumerate() {
                let mut sum = 0;
                for to in gone[first..].iter().take_while(|to| to.at - from.at < 100) {
                    sum += u64::from(to.permits);
                    let bound = u64::from(limit) * (100 + to.at - from.at);
                    prop_assert!(sum * 100 <= bound, "{sum} * 100 > {bound}");
                }
            }
        }
    }
}
