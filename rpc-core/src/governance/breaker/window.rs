//! The calls that a breaker looks at: all of a generation, those of a while, or the last few.
//!
//! The counts of the whole are kept beside those of the parts, so that to look at them costs nothing.

use std::collections::VecDeque;
use std::time::Duration;

use crate::governance::Moment;
use crate::governance::moment::nanos;

use super::counts::{Counts, Ending};
use super::settings::Lookback;
use super::verdict::Verdict;

pub(super) struct Window {
    lookback: Lookback,
    /// The sum of the parts.
    total: Counts,
    parts: Parts,
}

enum Parts {
    None,
    /// Ends then.
    Fixed(Moment),
    Buckets(Buckets),
    /// At most so many.
    Calls(usize, VecDeque<Ending>),
}

/// A ring of buckets: the one of age `a` since the window began is at `a % buckets`.
struct Buckets {
    width: u64,
    ring: Box<[Counts]>,
    began: Moment,
    /// The age of the newest one.
    age: u64,
    /// Where it is in the ring.
    newest: usize,
    /// When it ends; so that most calls don't have to divide.
    ends: u64,
}

impl Window {
    pub(super) fn new(lookback: Lookback, now: Moment) -> Self {
        let parts = match lookback {
            Lookback::Everything => Parts::None,
            Lookback::Fixed(window) => Parts::Fixed(now.plus(window)),
            Lookback::Rolling { bucket, buckets } => {
                Parts::Buckets(Buckets::new(nanos(bucket), buckets, now))
            }
            Lookback::Calls(calls) => {
                let room = calls as usize;
                Parts::Calls(room, VecDeque::with_capacity(room))
            }
        };
        Self { lookback, total: Counts::default(), parts }
    }

    pub(super) fn lookback(&self) -> Lookback {
        self.lookback
    }

    pub(super) fn total(&self) -> &Counts {
        &self.total
    }

    /// For what is counted without a place in time: probes.
    pub(super) fn total_mut(&mut self) -> &mut Counts {
        &mut self.total
    }

    /// Forgets everything and begins anew.
    pub(super) fn restart(&mut self, now: Moment) {
        self.total = Counts::default();
        match &mut self.parts {
            Parts::None => {}
            Parts::Fixed(ends) => {
                if let Lookback::Fixed(window) = self.lookback {
                    *ends = now.plus(window);
                }
            }
            Parts::Buckets(buckets) => buckets.restart(now),
            Parts::Calls(_, calls) => calls.clear(),
        }
    }

    /// Whether a fixed window is over.
    pub(super) fn is_over(&self, now: Moment) -> bool {
        matches!(self.parts, Parts::Fixed(ends) if ends <= now)
    }

    /// When what is counted now will belong to another part of it than what is counted later.
    pub(super) fn ends(&self) -> Moment {
        match &self.parts {
            Parts::None | Parts::Calls(..) => Moment::from_nanos(u64::MAX),
            Parts::Fixed(ends) => *ends,
            Parts::Buckets(buckets) => Moment::from_nanos(buckets.ends),
        }
    }

    /// Forgets what is too old.
    pub(super) fn roll(&mut self, now: Moment) {
        if let Parts::Buckets(buckets) = &mut self.parts
            && buckets.ends <= now.as_nanos()
        {
            buckets.roll(&mut self.total, now);
        }
    }

    /// Counts the beginning of a call.
    pub(super) fn begin(&mut self) {
        self.total.begin();
        if let Parts::Buckets(buckets) = &mut self.parts {
            buckets.newest_mut().begin();
        }
    }

    /// Counts the end of a call whose beginning was counted, where that was. Nothing if that is
    /// forgotten by now.
    pub(super) fn end_begun(&mut self, ending: Ending, begun: Moment) {
        if let Parts::Buckets(buckets) = &mut self.parts {
            match buckets.at_mut(begun) {
                Some(bucket) => bucket.end(ending),
                None => return,
            }
        }
        self.total.end(ending);
    }

    /// Counts so many calls that succeeded, none of them slow, and whose beginning was not counted.
    pub(super) fn succeed(&mut self, calls: u32) {
        match &mut self.parts {
            Parts::Buckets(buckets) => buckets.newest_mut().succeed(calls),
            Parts::Calls(room, _) => {
                // More than there is room for only make the run longer.
                let kept = calls.min(u32::try_from(*room).unwrap_or(u32::MAX));
                self.total.run_on(calls - kept);
                for _ in 0..kept {
                    self.end(Ending { verdict: Verdict::Success, slow: false });
                }
                return;
            }
            Parts::None | Parts::Fixed(_) => {}
        }
        self.total.succeed(calls);
    }

    /// Counts the end of a call whose beginning was not, now.
    pub(super) fn end(&mut self, ending: Ending) {
        let counts = matches!(ending.verdict, Verdict::Success | Verdict::Failure(_));
        let requests = u32::from(counts);
        match &mut self.parts {
            Parts::Buckets(buckets) => {
                let bucket = buckets.newest_mut();
                bucket.requests = bucket.requests.saturating_add(requests);
                bucket.end(ending);
            }
            Parts::Calls(..) if ending.verdict == Verdict::Neutral => return,
            Parts::Calls(room, calls) => {
                if calls.len() == *room
                    && let Some(oldest) = calls.pop_front()
                {
                    self.total.forget(oldest);
                }
                calls.push_back(ending);
            }
            Parts::None | Parts::Fixed(_) => {}
        }
        self.total.requests = self.total.requests.saturating_add(requests);
        self.total.end(ending);
    }

    /// Looks back otherwise from now on, and keeps of what is known as much as that can say.
    ///
    /// Between windows of the same sort nothing is lost that the new one still covers; another sort
    /// begins anew.
    pub(super) fn change(&mut self, lookback: Lookback, now: Moment) {
        if lookback == self.lookback {
            return;
        }
        let mut changed = Self::new(lookback, now);
        match (&mut self.parts, &mut changed.parts) {
            (Parts::Calls(_, old), Parts::Calls(room, new)) => {
                let forgotten = old.len().saturating_sub(*room);
                for oldest in old.drain(..forgotten) {
                    self.total.forget(oldest);
                }
                new.extend(old.drain(..));
                changed.total = self.total;
            }
            (Parts::Buckets(old), Parts::Buckets(new)) => {
                old.roll(&mut self.total, now);
                old.pour_into(new, now);
                for bucket in &new.ring {
                    changed.total.add_totals(bucket);
                }
                let (was, is) = (&self.total, &mut changed.total);
                is.consecutive_successes = was.consecutive_successes.min(is.successes);
                is.consecutive_failures = was.consecutive_failures.min(is.failures);
            }
            (Parts::None | Parts::Fixed(_), Parts::None | Parts::Fixed(_)) => {
                changed.total = self.total;
            }
            _ => {}
        }
        *self = changed;
    }
}

impl Buckets {
    fn new(width: u64, buckets: u32, now: Moment) -> Self {
        let ring = vec![Counts::default(); buckets as usize].into_boxed_slice();
        let mut new = Self { width, ring, began: now, age: 0, newest: 0, ends: 0 };
        new.restart(now);
        new
    }

    fn restart(&mut self, now: Moment) {
        self.ring.fill(Counts::default());
        (self.began, self.age, self.newest) = (now, 0, 0);
        self.ends = now.plus(Duration::from_nanos(self.width)).as_nanos();
    }

    fn newest_mut(&mut self) -> &mut Counts {
        &mut self.ring[self.newest]
    }

    /// The bucket of an earlier moment, if it is not forgotten.
    fn at_mut(&mut self, then: Moment) -> Option<&mut Counts> {
        let age = self.age_at(then);
        let kept = self.age.saturating_sub(age) < self.ring.len() as u64;
        let place = self.place(age);
        kept.then(|| &mut self.ring[place])
    }

    fn roll(&mut self, total: &mut Counts, now: Moment) {
        let age = self.age_at(now);
        let passed = age.saturating_sub(self.age);
        if passed >= self.ring.len() as u64 {
            self.ring.fill(Counts::default());
            *total = Counts::default();
        } else {
            for age in self.age + 1..=self.age + passed {
                let leaving = std::mem::take(&mut self.ring[self.place(age)]);
                total.forget_bucket(&leaving);
            }
        }
        self.age += passed;
        self.newest = self.place(self.age);
        let ends = self.age.saturating_add(1).saturating_mul(self.width);
        self.ends = self.began.plus(Duration::from_nanos(ends)).as_nanos();
    }

    /// Each bucket, whole, into that of the new ring in which it ended.
    fn pour_into(&self, new: &mut Self, now: Moment) {
        // The new ring has to reach into the past: as if it had begun then, and rolled since.
        let span = new.width.saturating_mul(new.ring.len() as u64);
        let began = Moment::from_nanos(now.as_nanos().saturating_sub(span.saturating_sub(1)));
        new.restart(began);
        new.roll(&mut Counts::default(), now);
        let kept = self.age.min(self.ring.len() as u64 - 1);
        for age in self.age - kept..=self.age {
            let ended = age.saturating_add(1).saturating_mul(self.width);
            let ended = self.began.plus(Duration::from_nanos(ended)).min(now);
            if ended < began {
                continue;
            }
            let bucket = &self.ring[self.place(age)];
            if let Some(into) = new.at_mut(ended) {
                into.append(bucket);
            }
        }
    }

    fn age_at(&self, moment: Moment) -> u64 {
        moment.as_nanos().saturating_sub(self.began.as_nanos()) / self.width
    }

    fn place(&self, age: u64) -> usize {
        let place = age % self.ring.len() as u64;
        usize::try_from(place).expect("less than the length of the ring")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::governance::outcome::Outcome;

    const FAILED: Ending = Ending { verdict: Verdict::Failure(Outcome::ServerFault), slow: false };
    const FINE: Ending = Ending { verdict: Verdict::Success, slow: false };

    fn at(nanos: u64) -> Moment {
        Moment::from_nanos(nanos)
    }

    fn rolling(bucket: u64, buckets: u32) -> Lookback {
        Lookback::Rolling { bucket: Duration::from_nanos(bucket), buckets }
    }

    #[test]
    fn the_last_calls_really_slide() {
        let mut window = Window::new(Lookback::Calls(10), at(0));
        (0..1000).for_each(|_| window.end(FINE));
        (0..10).for_each(|_| window.end(FAILED));
        assert_eq!((window.total().requests, window.total().failures), (10, 10));
    }

    #[test]
    fn fewer_last_calls_are_the_newest_ones() {
        let mut window = Window::new(Lookback::Calls(10), at(0));
        (0..10).for_each(|_| window.end(FINE));
        (0..3).for_each(|_| window.end(FAILED));
        window.change(Lookback::Calls(4), at(0));
        assert_eq!((window.total().requests, window.total().failures), (4, 3));
        window.change(Lookback::Calls(100), at(0));
        window.end(FAILED);
        assert_eq!((window.total().requests, window.total().failures), (5, 4));
    }

    #[test]
    fn a_longer_window_keeps_what_the_shorter_one_knew() {
        let mut window = Window::new(rolling(10, 10), at(0));
        for now in 0..100 {
            window.roll(at(now));
            window.end(FAILED);
        }
        window.change(rolling(100, 10), at(99));
        assert_eq!(window.total().failures, 100);
        window.change(rolling(10, 10), at(99));
        assert_eq!(window.total().failures, 100, "a bucket is not divided");
        window.roll(at(199));
        assert_eq!(window.total().failures, 0);
    }

    proptest! {
        /// The counts of the whole are the sum of what was counted in the buckets still kept.
        #[test]
        fn a_rolling_window_knows_what_a_list_of_all_calls_knows(
            steps in prop::collection::vec((0u64..30, any::<bool>()), 1..200),
            width in 1u64..20, buckets in 1u32..12,
        ) {
            let mut window = Window::new(rolling(width, buckets), at(7));
            let (mut now, mut all) = (7, Vec::new());
            for (passed, failed) in steps {
                now += passed;
                window.roll(at(now));
                window.end(if failed { FAILED } else { FINE });
                let age = (now - 7) / width;
                all.push((age, failed));
                let kept = all.iter().filter(|(then, _)| age - then < u64::from(buckets));
                let failures = kept.clone().filter(|(_, failed)| *failed).count();
                prop_assert_eq!(window.total().requests as usize, kept.count());
                prop_assert_eq!(window.total().failures as usize, failures);
            }
        }

        /// Whatever it is changed to, it never knows of more calls than there were.
        #[test]
        fn a_changed_window_makes_nothing_up(
            steps in prop::collection::vec((0u64..30, 1u64..40, 1u32..12), 1..50),
        ) {
            let mut window = Window::new(rolling(5, 5), at(0));
            let mut now = 0;
            for (calls, (passed, width, buckets)) in steps.into_iter().enumerate() {
                now += passed;
                window.change(rolling(width, buckets), at(now));
                window.roll(at(now));
                window.end(FAILED);
                let total = window.total();
                prop_assert!(total.failures as usize <= calls + 1 && total.failures >= 1);
                prop_assert!(total.consecutive_failures <= total.failures);
            }
        }
    }
}
