//! The token bucket: a burst passes at once, and in the long run no more than the rate.
//!
//! Permits that wait are taken on credit, in the order of asking: whoever asks later waits for
//! those too, so nobody is starved and nothing has to be queued. The behaviour is that of Go's
//! `x/time/rate` 0.13, recordings of which are replayed by `tests/golden`, but for three things:
//! a clock that goes back credits nothing twice (golang/go#71360), permits come back once at most,
//! and what was granted at once but never used can be given back as well
//! ([`give_back`](TokenBucket::give_back)).

use std::time::Duration;

use super::shared::{Counted, Shared};
use super::ticket::{Exhausted, FOREVER, Taken, Ticket};
use crate::governance::Moment;
use crate::governance::moment::nanos;

/// A bucket of tokens that fills at a rate up to its burst; a permit takes one token.
///
/// Asking for no permit passes unless the bucket is in debt; asking for more than the burst never
/// passes, whatever the wait.
#[derive(Debug)]
pub struct TokenBucket {
    tokens: Shared<Tokens>,
}

impl TokenBucket {
    /// A full bucket that gains `per_second` tokens a second.
    ///
    /// At [`f64::INFINITY`] everything passes; what is below zero or not a number is zero, at which
    /// the first burst passes and then nothing.
    pub fn new(per_second: f64, burst: u32, now: Moment) -> Self {
        Self { tokens: Shared::new(Tokens::new(per_second, burst, now.as_nanos())) }
    }

    /// Takes `n` tokens, if they are there.
    #[must_use = "nothing was taken if this is false"]
    #[inline]
    pub fn allow(&self, n: u32, now: Moment) -> bool {
        self.reserve(n, Duration::ZERO, now).is_ok()
    }

    /// Takes `n` tokens, on credit if they will be there within `max_wait`.
    ///
    /// # Errors
    ///
    /// If it would take longer, at once and without taking any. At a rate of zero tokens that are
    /// missing never come, and only somebody who waits for ever ([`Duration::MAX`]) is given a
    /// ticket for them.
    #[inline]
    pub fn reserve(&self, n: u32, max_wait: Duration, now: Moment) -> Result<Ticket, Exhausted> {
        self.tokens.take(n, nanos(max_wait), now.as_nanos())
    }

    /// Gives back what was reserved, if its time has not come yet: as x/time/rate does it, and
    /// therefore more than was taken, if the rate was raised in between.
    ///
    /// Whoever reserved later keeps their time, and what they wait for on this account stays taken.
    pub fn cancel(&self, ticket: Ticket, now: Moment) {
        self.tokens.lock().cancel(&ticket, now.as_nanos());
    }

    /// Gives back what was not used, also if its time has come: a later step refused the call.
    ///
    /// Never more than was taken. What the bucket gained since that time may have been gained only
    /// because of the gap, so it counts against what is given back, and no bound is ever exceeded.
    pub fn give_back(&self, ticket: Ticket, now: Moment) {
        self.tokens.lock().give_back(&ticket, now.as_nanos());
    }

    /// The tokens that are there; fewer than none while some are taken on credit.
    pub fn tokens(&self, now: Moment) -> f64 {
        self.tokens.copied().available(now.as_nanos())
    }

    /// From now on it fills at `per_second`. Times that were given stay.
    pub fn set_rate(&self, per_second: f64, now: Moment) {
        self.tokens.lock().set_rate(per_second, now.as_nanos());
    }

    /// From now on it holds no more than `burst`. Tokens are neither added nor, until they are next
    /// counted, taken away.
    pub fn set_burst(&self, burst: u32, now: Moment) {
        self.tokens.lock().set_burst(burst, now.as_nanos());
    }
}

/// The bucket itself, for who holds the lock. Times are in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    /// Gained per second, [`INFINITE`] at most.
    rate: f64,
    burst: f64,
    /// At `last`; never more than `burst` once counted.
    tokens: f64,
    last: u64,
    /// The time of the latest permit that was handed out.
    last_event: u64,
}

/// A rate at which nothing is counted.
const INFINITE: f64 = f64::MAX;

const NANOS: u64 = 1_000_000_000;

impl Tokens {
    pub(super) fn new(per_second: f64, burst: u32, now: u64) -> Self {
        let burst = f64::from(burst);
        Self { rate: known(per_second), burst, tokens: burst, last: now, last_event: 0 }
    }

    /// A bucket that holds no more than `available`, which is below zero for a debt.
    pub(super) fn with_available(per_second: f64, burst: u32, available: f64, now: u64) -> Self {
        let full = Self::new(per_second, burst, now);
        let tokens = available.min(full.burst);
        let last_event = now.saturating_add(wait_for(-tokens, full.rate));
        Self { tokens, last_event, ..full }
    }

    #[inline]
    pub(super) fn take(&mut self, n: u32, max_wait: u64, now: u64) -> Result<Ticket, Exhausted> {
        if self.rate == INFINITE {
            let taken = Taken::Token { rate: 0.0 };
            return Ok(Ticket { at: now, wait: 0, permits: n, taken });
        }
        let now = now.max(self.last);
        let wanted = f64::from(n);
        let left = self.gained(now) - wanted;
        let wait = self.wait_with(left);
        if wanted > self.burst {
            return Err(Exhausted::NEVER);
        }
        if wait > max_wait.min(FOREVER) {
            // A wait is rounded down, and so is what is lacking after it; but what is gained in between is
            // rounded as well, and may be less by so little that a nanosecond is lacking.
            let is_short = self.wait_with(self.gained(now.saturating_add(wait)) - wanted) > 0;
            return Err(Exhausted::for_nanos(wait.saturating_add(is_short.into())));
        }
        let at = now.saturating_add(wait);
        self.last = now;
        self.tokens = left;
        self.last_event = at;
        Ok(Ticket { at, wait, permits: n, taken: Taken::Token { rate: self.rate } })
    }

    /// Takes a ticket back as x/time/rate does.
    pub(super) fn cancel(&mut self, ticket: &Ticket, now: u64) {
        if ticket.at < now {
            return;
        }
        let Taken::Token { rate } = ticket.taken else { return };
        let kept = if self.last_event >= ticket.at {
            gain(self.last_event - ticket.at, rate)
        } else {
            -gain(ticket.at - self.last_event, rate)
        };
        self.restore(ticket, rate, kept, now);
    }

    /// Takes a ticket back, whether or not its time has come.
    ///
    /// Two things count against it: what those who reserved later wait for on its account, or else
    /// they and whoever gets it now would meet; and what the bucket gained since its time, which
    /// without it might have been gained in vain, at the brim.
    pub(super) fn give_back(&mut self, ticket: &Ticket, now: u64) {
        let Taken::Token { rate } = ticket.taken else { return };
        let now = now.max(self.last);
        // A rate that was raised since has brought more than the ticket's would have.
        let most = rate.max(self.rate);
        let kept = gain(self.last_event.max(now).saturating_sub(ticket.at), most);
        self.restore(ticket, rate, kept, now);
    }

    /// Puts back the permits of a ticket that was handed out at `rate`, but for what is kept.
    fn restore(&mut self, ticket: &Ticket, rate: f64, kept: f64, now: u64) {
        let permits = f64::from(ticket.permits);
        let restored = permits - kept;
        if self.rate == INFINITE || ticket.permits == 0 || restored <= 0.0 {
            return;
        }
        let now = now.max(self.last);
        self.tokens = (self.gained(now) + restored).min(self.burst);
        self.last = now;
        if ticket.at == self.last_event {
            // When the one before it was due, if it was.
            let before = if rate > 0.0 {
                ticket.at.saturating_sub(wait_for(permits, rate))
            } else {
                ticket.at.saturating_add(FOREVER)
            };
            if before >= now {
                self.last_event = before;
            }
        }
    }

    pub(super) fn available(&self, now: u64) -> f64 {
        self.gained(now.max(self.last))
    }

    pub(super) fn is_full(&self, now: u64) -> bool {
        self.available(now) >= self.burst
    }

    pub(super) fn set_rate(&mut self, per_second: f64, now: u64) {
        self.settle(now);
        self.rate = known(per_second);
    }

    pub(super) fn set_burst(&mut self, burst: u32, now: u64) {
        self.settle(now);
        self.burst = f64::from(burst);
    }

    fn settle(&mut self, now: u64) {
        let now = now.max(self.last);
        self.tokens = self.gained(now);
        self.last = now;
    }

    /// Whether it was full when the newest permits, `n` of them, were taken. They are all that is lacking
    /// then, and beside rate and burst that number and [`last`](Self::last) are all there is to know.
    #[inline]
    pub(super) fn were_full_before(&self, n: u32) -> bool {
        self.tokens == self.burst - f64::from(n)
            && self.last_event == self.last
            && self.rate != INFINITE
    }

    /// As if the newest permits had been taken then, and so many tokens been left lacking.
    pub(super) fn resume(&mut self, lacking: u64, last: u64) {
        self.tokens = self.burst - lacking as i64 as f64;
        self.last = last;
        self.last_event = last;
    }

    /// When the tokens were last counted.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    #[expect(clippy::cast_possible_truncation, reason = "it was a whole number")]
    pub(super) fn burst(&self) -> u64 {
        self.burst as u64
    }

    /// How long to wait where so many are left, which is less than none for a debt.
    #[inline]
    fn wait_with(&self, left: f64) -> u64 {
        if left < 0.0 { wait_for(-left, self.rate) } else { 0 }
    }

    /// The tokens at `now`, which is not before `last`.
    fn gained(&self, now: u64) -> f64 {
        let tokens = self.tokens + gain(now - self.last, self.rate);
        // Neither is ever not a number, which `min` would look for.
        if tokens < self.burst { tokens } else { self.burst }
    }
}

impl Counted for Tokens {
    type Refusal = Exhausted;

    #[inline]
    fn take(&mut self, n: u32, max_wait: u64, now: u64) -> Result<Ticket, Exhausted> {
        Tokens::take(self, n, max_wait, now)
    }

    #[inline]
    fn tokens(&mut self) -> Option<&mut Tokens> {
        Some(self)
    }
}

/// A rate as it is kept.
fn known(per_second: f64) -> f64 {
    if per_second.is_nan() { 0.0 } else { per_second.clamp(0.0, INFINITE) }
}

/// What is gained in so many nanoseconds: in the order of x/time/rate, for the same last bit.
fn gain(nanos: u64, rate: f64) -> f64 {
    // A signed number is the cheaper to convert, and all of them are below 2^63.
    if nanos < NANOS {
        // Most distances are short. To add no whole seconds changes nothing.
        return nanos as i64 as f64 / NANOS as f64 * rate;
    }
    let nanos = nanos.min(FOREVER);
    let seconds = (nanos / NANOS) as i64 as f64 + (nanos % NANOS) as i64 as f64 / NANOS as f64;
    seconds * rate
}

/// How many nanoseconds it takes to gain so many tokens.
#[expect(clippy::cast_possible_truncation, reason = "a fraction of a nanosecond is dropped")]
fn wait_for(tokens: f64, rate: f64) -> u64 {
    if tokens <= 0.0 {
        return 0;
    }
    if rate <= 0.0 {
        return FOREVER;
    }
    // A cast saturates.
    (((tokens / rate) * NANOS as f64) as u64).min(FOREVER)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = NANOS;

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let bucket = TokenBucket::new(10.0, 3, at(0));
        let passed = |from: u64, to: u64| {
            (from..to).filter(|milli| bucket.allow(1, at(milli * 1_000_000))).count()
        };
        assert_eq!(passed(0, 1), 1);
        assert_eq!(passed(1, 100), 2, "the rest of the burst");
        assert_eq!(passed(100, 2_100), 20);
    }

    /// golang/go#71360: there 100,000 of these 100,000 calls pass.
    #[test]
    fn a_clock_that_goes_back_lets_nothing_pass_twice() {
        let bucket = TokenBucket::new(1_000.0, 100, at(0));
        let late = 10_000_000;
        let passed = (0..100_000u64)
            .map(|call| late + call * 10_000 - if call % 2 == 0 { 0 } else { late })
            .filter(|&now| bucket.allow(1, at(now)))
            .count();
        assert!(passed <= 1_110, "{passed} of 1 s at 1000/s with a burst of 100");
    }

    #[test]
    fn a_wait_that_would_be_too_long_is_refused_at_once_and_takes_nothing() {
        let bucket = TokenBucket::new(1.0, 1, at(0));
        assert!(bucket.allow(1, at(0)));
        let refused = bucket.reserve(1, Duration::from_millis(999), at(0));
        assert_eq!(refused, Err(Exhausted { retry_after: Some(seconds(1)) }));
        let ticket = bucket.reserve(1, seconds(1), at(0)).expect("nothing was taken");
        assert_eq!(ticket.wait(), seconds(1));
        assert_eq!(ticket.ready_at(), at(SECOND));
    }

    #[test]
    fn who_asks_later_waits_for_those_before() {
        let bucket = TokenBucket::new(1.0, 1, at(0));
        let waits: Vec<_> = (0..4)
            .map(|_| bucket.reserve(1, Duration::MAX, at(0)).map(|ticket| ticket.wait().as_secs()))
            .collect();
        assert_eq!(waits, [Ok(0), Ok(1), Ok(2), Ok(3)]);
        assert!(!bucket.allow(0, at(0)), "even none does not pass before them");
        assert!(bucket.allow(0, at(4 * SECOND)));
    }

    #[test]
    fn more_than_the_burst_never_passes() {
        let bucket = TokenBucket::new(1.0, 5, at(0));
        assert_eq!(bucket.reserve(6, Duration::MAX, at(0)), Err(Exhausted::NEVER));
        assert_eq!(bucket.reserve(u32::MAX, Duration::MAX, at(u64::MAX)), Err(Exhausted::NEVER));
    }

    #[test]
    fn without_a_limit_everything_passes() {
        let bucket = TokenBucket::new(f64::INFINITY, 0, at(0));
        assert!(bucket.allow(u32::MAX, at(0)));
        bucket.set_rate(1.0, at(0));
        assert!(!bucket.allow(1, at(0)));
    }

    #[test]
    fn at_a_rate_of_zero_a_burst_passes_and_then_nothing() {
        for zero in [0.0, -1.0, f64::NAN] {
            let bucket = TokenBucket::new(zero, 1, at(0));
            assert!(bucket.allow(1, at(0)));
            let later = at(u64::MAX / 4);
            assert_eq!(bucket.reserve(1, seconds(1_000_000), later), Err(Exhausted::NEVER));
            let for_ever = bucket.reserve(1, Duration::MAX, later).expect("it may wait for ever");
            assert_eq!(for_ever.wait(), Duration::from_nanos(FOREVER));
        }
    }

    #[test]
    fn a_changed_rate_keeps_what_is_there() {
        let bucket = TokenBucket::new(1.0, 10, at(0));
        assert!(bucket.allow(10, at(0)));
        bucket.set_rate(1_000.0, at(SECOND));
        assert_eq!(bucket.tokens(at(SECOND)), 1.0, "one second at the rate of before");
        assert_eq!(bucket.tokens(at(SECOND + 1_000_000)), 2.0);
        bucket.set_burst(1, at(SECOND));
        assert_eq!(bucket.tokens(at(2 * SECOND)), 1.0);
    }

    /// golang/go#56924: `cancel` of what was granted at once comes too late a nanosecond later.
    #[test]
    fn what_was_granted_at_once_can_be_given_back_later() {
        let bucket = TokenBucket::new(1.0, 10, at(0));
        let ticket = bucket.reserve(5, Duration::ZERO, at(0)).expect("it is full");
        let later = at(1_000);
        bucket.give_back(ticket, later);
        assert!(bucket.tokens(later) > 9.999_998);
        let ticket = bucket.reserve(5, Duration::ZERO, later).expect("it is nearly full");
        bucket.cancel(ticket, at(2_000));
        assert!(bucket.tokens(at(2_000)) < 5.1);
    }

    #[test]
    fn giving_back_after_the_rate_was_raised_gives_no_more_than_was_taken() {
        let given_back = |give_back: fn(&TokenBucket, Ticket, Moment)| {
            let bucket = TokenBucket::new(0.1, 100, at(0));
            assert!(bucket.allow(100, at(0)));
            let early = bucket.reserve(30, Duration::MAX, at(0)).expect("in 300 s");
            bucket.set_rate(100.0, at(0));
            assert!(bucket.reserve(1, Duration::MAX, at(0)).is_ok(), "in 0.31 s");
            let before = bucket.tokens(at(0));
            give_back(&bucket, early, at(0));
            bucket.tokens(at(0)) - before
        };
        assert_eq!(given_back(TokenBucket::give_back), 30.0);
        assert!(given_back(TokenBucket::cancel) > 50.0, "as x/time/rate does");
    }

    #[test]
    fn what_a_raised_rate_brought_since_counts_against_what_is_given_back() {
        let bucket = TokenBucket::new(0.1, 10, at(0));
        let ticket = bucket.reserve(10, Duration::ZERO, at(0)).expect("it is full");
        bucket.set_rate(10.0, at(0));
        assert!(bucket.allow(10, at(SECOND)), "full again");
        bucket.give_back(ticket, at(SECOND));
        assert_eq!(bucket.tokens(at(SECOND)), 0.0, "or twenty would go in this moment");
    }

    /// One thing that is done to a bucket.
    #[derive(Clone, Debug)]
    struct Step {
        after: u64,
        back: u64,
        n: u32,
        max_wait: u64,
        give_back: Option<prop::sample::Index>,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step =
            (0..400u64, 0..300u64, 0..5u32, 0..3_000u64, any::<Option<prop::sample::Index>>());
        let step = step.prop_map(|(after, back, n, max_wait, give_back)| Step {
            after: after * 1_000_000,
            back: back * 1_000_000,
            n,
            max_wait: max_wait * 1_000_000,
            give_back,
        });
        prop::collection::vec(step, 1..60)
    }

    proptest! {
        /// Whatever is asked for, given back, and told about the time.
        #[test]
        fn no_stretch_of_time_lets_more_go_than_the_burst_and_the_rate(
            rate in prop_oneof![0.5..20.0f64, 50.0..2000.0f64],
            burst in 0..8u32,
            steps in steps(),
        ) {
            let bucket = TokenBucket::new(rate, burst, at(0));
            let mut now = 1_000_000_000;
            let mut gone: Vec<Ticket> = Vec::new();
            for step in steps {
                now += step.after;
                let told = at(now - step.back);
                if let Some(index) = step.give_back.filter(|_| !gone.is_empty()) {
                    let ticket = gone.swap_remove(index.index(gone.len()));
                    bucket.give_back(ticket, told);
                }
                gone.extend(bucket.reserve(step.n, Duration::from_nanos(step.max_wait), told));
            }
            gone.sort_by_key(|ticket| ticket.at);
            for (first, from) in gone.iter().enumerate() {
                let mut sum = 0.0;
                for to in &gone[first..] {
                    sum += f64::from(to.permits);
                    // A wait is cut to the nanosecond, so that much may be gained too early.
                    let bound = f64::from(burst) + gain(to.at - from.at + 2, rate);
                    prop_assert!(sum <= bound + 1e-6, "{sum} > {bound}");
                }
            }
        }

        #[test]
        fn what_is_given_back_at_once_was_never_taken(
            burst in 1..50u32, used in 0..50u32, n in 0..50u32, wait in 0..100u64,
        ) {
            let bucket = TokenBucket::new(10.0, burst, at(0));
            let _ = bucket.allow(used, at(0));
            let before = bucket.tokens(at(0));
            if let Ok(ticket) = bucket.reserve(n, Duration::from_secs(wait), at(0)) {
                bucket.give_back(ticket, at(0));
            }
            prop_assert!((bucket.tokens(at(0)) - before).abs() < 1e-9);
        }
    }
}
