//! The fixed window: so many permits in each stretch of a grid of time.
//!
//! Simple to explain (a quota per minute), and coarse: the end of one window and the beginning of
//! the next together let up to twice as many go in a moment. Where that hurts, take the sliding
//! window or a bucket. Whoever waits is counted in the window that will let it go.

use std::time::Duration;

use super::ticket::{Exhausted, FOREVER, Taken, Ticket};
use crate::governance::Moment;
use crate::governance::moment::nanos;
use crate::governance::sync::{Mutex, lock};

/// `limit` permits in each window; the first begins when it is made.
///
/// Asking for none passes; asking for more than the limit never does.
#[derive(Debug)]
pub struct FixedWindow {
    window: Mutex<Fixed>,
}

impl FixedWindow {
    /// Windows of this length; one of zero counts as one of a nanosecond.
    pub fn new(limit: u32, length: Duration, now: Moment) -> Self {
        Self { window: Mutex::new(Fixed::new(limit, nanos(length), now.as_nanos())) }
    }

    /// Takes `n` permits, if the window has as many left.
    #[must_use = "nothing was taken if this is false"]
    pub fn allow(&self, n: u32, now: Moment) -> bool {
        lock(&self.window).take(n, 0, now.as_nanos()).is_ok()
    }

    /// Takes `n` permits from the first window that has as many left.
    ///
    /// # Errors
    ///
    /// If that does not begin within `max_wait`, at once and without taking any.
    pub fn reserve(&self, n: u32, max_wait: Duration, now: Moment) -> Result<Ticket, Exhausted> {
        lock(&self.window).take(n, nanos(max_wait), now.as_nanos())
    }

    /// Gives back what was not used, unless its window is over.
    pub fn give_back(&self, ticket: Ticket) {
        lock(&self.window).give_back(&ticket);
    }

    /// The permits that the window has left.
    pub fn available(&self, now: Moment) -> u32 {
        lock(&self.window).available(now.as_nanos())
    }

    /// From now on so many, and windows of this length. What the window has let go stays counted,
    /// and times that were given stay.
    pub fn set(&self, limit: u32, length: Duration, now: Moment) {
        lock(&self.window).set(limit, nanos(length), now.as_nanos());
    }
}

/// The window itself, for who holds the lock. Times are in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    limit: u32,
    /// More than zero.
    length: u64,
    /// Where the window that is being filled begins: in the future if the ones before it are full.
    start: u64,
    /// Taken from it; more than `limit` only after that was lowered.
    count: u32,
    /// The latest time that anybody asked at.
    seen: u64,
}

impl Fixed {
    pub(super) fn new(limit: u32, length: u64, now: u64) -> Self {
        Self { limit, length: length.max(1), start: now, count: 0, seen: now }
    }

    /// A window that has no more than `available` permits left.
    pub(super) fn with_available(limit: u32, length: u64, available: u32, now: u64) -> Self {
        Self { count: limit.saturating_sub(available), ..Self::new(limit, length, now) }
    }

    #[inline]
    pub(super) fn take(&mut self, n: u32, max_wait: u64, now: u64) -> Result<Ticket, Exhausted> {
        let now = self.turn(now);
        if n == 0 {
            let taken = Taken::Fixed { start: self.start };
            return Ok(Ticket { at: now, wait: 0, permits: 0, taken });
        }
        let counted = self.count.saturating_add(n);
        let (start, count) = if counted <= self.limit {
            (self.start, counted)
        } else if n <= self.limit {
            (self.start.saturating_add(self.length), n)
        } else {
            return Err(Exhausted::NEVER);
        };
        let wait = start.saturating_sub(now);
        if wait > max_wait || wait >= FOREVER {
            return Err(Exhausted::for_nanos(wait));
        }
        (self.start, self.count) = (start, count);
        Ok(Ticket { at: now.max(start), wait, permits: n, taken: Taken::Fixed { start } })
    }

    pub(super) fn give_back(&mut self, ticket: &Ticket) {
        if ticket.taken == (Taken::Fixed { start: self.start }) {
            self.count = self.count.saturating_sub(ticket.permits);
        }
    }

    pub(super) fn available(&mut self, now: u64) -> u32 {
        if self.start > self.turn(now) { 0 } else { self.limit.saturating_sub(self.count) }
    }

    pub(super) fn is_full(&mut self, now: u64) -> bool {
        self.available(now) == self.limit
    }

    pub(super) fn set(&mut self, limit: u32, length: u64, now: u64) {
        let now = self.turn(now);
        self.limit = limit;
        let length = length.max(1);
        if length != self.length {
            // What is counted was perhaps taken just now, so the window of the new length begins now.
            self.start = self.start.max(now);
            self.length = length;
        }
    }

    /// Begins the window of `now`, if it has not begun, and says what time it is.
    fn turn(&mut self, now: u64) -> u64 {
        self.seen = self.seen.max(now);
        let past = self.seen.saturating_sub(self.start);
        if past >= self.length {
            self.start += past - past % self.length;
            self.count = 0;
        }
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    fn window(limit: u32) -> FixedWindow {
        FixedWindow::new(limit, Duration::from_nanos(100), at(0))
    }

    #[test]
    fn around_the_end_of_a_window_twice_the_limit_goes() {
        let window = window(5);
        assert!(window.allow(5, at(99)) && !window.allow(1, at(99)));
        assert!(window.allow(5, at(100)) && !window.allow(1, at(199)));
    }

    #[test]
    fn windows_lie_on_a_grid_whoever_notices_their_end() {
        let window = window(1);
        assert!(window.allow(1, at(350)));
        assert!(!window.allow(1, at(399)));
        assert!(window.allow(1, at(400)));
    }

    #[test]
    fn who_waits_is_counted_in_the_window_that_lets_it_go() {
        let window = window(2);
        let ready: Vec<_> = (0..5)
            .map(|_| window.reserve(1, Duration::from_nanos(200), at(10)))
            .map(|ticket| ticket.map(|ticket| ticket.ready_at().as_nanos()))
            .collect();
        assert_eq!(
            ready,
            [Ok(10), Ok(10), Ok(100), Ok(100), Ok(200)].map(|at: Result<_, Exhausted>| at)
        );
        let refused =
            window.reserve(2, Duration::from_nanos(200), at(10)).map_err(|e| e.retry_after);
        assert_eq!(
            refused,
            Err(Some(Duration::from_nanos(290))),
            "two do not fit into that of 200"
        );
        assert!(window.allow(1, at(200)) && !window.allow(1, at(200)));
    }

    #[test]
    fn a_clock_that_goes_back_begins_no_window_anew() {
        let window = window(1);
        assert!(window.allow(1, at(100)));
        assert!(!window.allow(1, at(99)), "that window is over");
        assert!(!window.allow(1, at(199)));
    }

    #[test]
    fn a_changed_limit_keeps_the_count() {
        let window = window(5);
        assert!(window.allow(4, at(0)));
        window.set(6, Duration::from_nanos(100), at(1));
        assert_eq!(window.available(at(1)), 2);
        window.set(3, Duration::from_nanos(1_000), at(50));
        assert!(!window.allow(1, at(150)), "the longer window began when it was asked for");
        assert!(window.allow(3, at(1_050)));
    }

    #[test]
    fn what_is_given_back_in_time_can_go_again() {
        let window = window(1);
        let ticket = window.reserve(1, Duration::ZERO, at(0)).expect("the first");
        window.give_back(ticket);
        let ticket = window.reserve(1, Duration::ZERO, at(0)).expect("the first again");
        assert!(window.allow(1, at(100)));
        window.give_back(ticket);
        assert_eq!(window.available(at(100)), 0, "that was of a window before");
    }

    proptest! {
        #[test]
        fn no_window_lets_more_go_than_the_limit_and_no_stretch_twice_that(
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
            let count = |from: u64| {
                let inside = |ticket: &&Ticket| (from..from + 100).contains(&ticket.at);
                gone.iter().filter(inside).map(|ticket| ticket.permits).sum::<u32>()
            };
            for ticket in &gone {
                prop_assert!(count(ticket.at / 100 * 100) <= limit);
                prop_assert!(count(ticket.at) <= 2 * limit);
            }
        }
    }
}
