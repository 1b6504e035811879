//! A limit that follows throughput while the CPU is busy, for servers.
//!
//! As BBR does with packets (Cardwell et al., ACM Queue 2016), and aegis and go-zero with calls:
//! what a server can have under way is the most it got done in a while times what a call takes
//! when nothing stands in its way. Below [`BUSY`] it has nothing to say, and latency counts (theirs then shed
//! nothing at all, and calls queue for a pool or a disk without end). Different from theirs is also:
//!
//! - What a call takes is a [`Baseline`] that load can't lift. Theirs is the least of the last 5
//!   or 10 s: once overload lasts for longer, the queue is taken for the service.
//! - So there can be headroom, without which Poisson arrivals leave a sixth of the server idle.
//! - Only calls that were done count, and only their time: errors are fast and get nothing done.
//! - Of a server that did nothing yet it knows no limit, rather than one of zero or one that overflowed: then
//!   what the limit begins with holds.
//!
//! [`Baseline`]: super::measure::Baseline

use std::time::Duration;

use super::whole;
use crate::governance::Moment;
use crate::governance::rules::Share;

/// From this share of the CPU on there is too much to do (aegis; go-zero takes 90 %).
pub(super) const BUSY: Share = Share::from_percent(80);

/// How long after it was busy it still counts as busy (aegis and go-zero): what was shed made it less
/// so.
const COOLING: Duration = Duration::from_secs(1);

/// When there was no reading for so long, there is none.
const STALE: Duration = Duration::from_secs(10);

/// Calls done are counted by the tenth of a second, for ten seconds (aegis).
const BUCKET: Duration = Duration::from_millis(100);
const BUCKETS: usize = 100;

/// Of what would just keep the server busy, if calls came evenly.
const HEADROOM: f64 = 1.5;

/// How busy the CPU is.
#[derive(Debug, Default)]
pub(super) struct Cpu {
    read: Option<Moment>,
    busy_until: Moment,
}

impl Cpu {
    pub(super) fn observe(&mut self, share: Option<Share>, now: Moment) {
        self.read = share.map(|_| now);
        if share.is_some_and(|share| share >= BUSY) {
            self.busy_until = now.plus(COOLING);
        }
    }

    /// Whether it is busy; `None` where that can't be told.
    pub(super) fn is_busy(&self, now: Moment) -> Option<bool> {
        self.read.filter(|read| now.since(*read) <= STALE)?;
        Some(now < self.busy_until)
    }
}

/// How many calls were done in each of the last tenths of a second.
#[derive(Debug)]
pub(super) struct Passes {
    counts: [u32; BUCKETS],
    /// The number of the bucket that is being filled.
    current: u64,
}

impl Passes {
    pub(super) fn new() -> Self {
        Self { counts: [0; BUCKETS], current: 0 }
    }

    /// A call was done. Whether a new bucket has begun.
    pub(super) fn count(&mut self, now: Moment) -> bool {
        let rolled = self.roll(now);
        let count = &mut self.counts[slot(self.current)];
        *count = count.saturating_add(1);
        rolled
    }

    fn roll(&mut self, now: Moment) -> bool {
        let bucket = now.as_nanos() / crate::governance::moment::nanos(BUCKET);
        let passed = bucket.saturating_sub(self.current);
        for step in 1..=passed.min(BUCKETS as u64) {
            self.counts[slot(self.current + step)] = 0;
        }
        self.current = self.current.max(bucket);
        passed > 0
    }

    /// The most that were done in a whole bucket; `None` if none was.
    fn most(&mut self, now: Moment) -> Option<u32> {
        self.roll(now);
        let current = slot(self.current);
        let whole = self.counts.iter().enumerate().filter(|(index, _)| *index != current);
        whole.map(|(_, count)| *count).max().filter(|count| *count > 0)
    }

    /// How many may be under way, if each takes `base` nanoseconds. What is left of a call is not rounded
    /// up: the most that were done in a tenth of a second is what comes out high when few are.
    pub(super) fn limit(&mut self, base: Option<f64>, now: Moment) -> Option<u32> {
        let a_second = f64::from(self.most(now)?) / BUCKET.as_secs_f64();
        Some(whole((HEADROOM * a_second * base? / 1e9).floor()))
    }
}

fn slot(bucket: u64) -> usize {
    usize::try_from(bucket % BUCKETS as u64).expect("it is less than a hundred")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(1_000_000_000_000 + millis * 1_000_000)
    }

    #[test]
    fn it_is_what_was_done_times_what_a_call_takes() {
        let mut passes = Passes::new();
        for millis in 0..1000 {
            passes.count(at(millis));
        }
        assert_eq!(passes.limit(Some(10e6), at(1000)), Some(15), "1000 a second, 10 ms each");
    }

    #[test]
    fn two_cpus_and_a_bucket_that_is_too_full_by_chance_make_three_calls_and_not_four() {
        let mut passes = Passes::new();
        let two_at_a_time = (0..1000).step_by(10);
        two_at_a_time.chain([110, 111]).for_each(|millis| _ = passes.count(at(millis)));
        assert_eq!(
            passes.limit(Some(20e6), at(1000)),
            Some(3),
            "100 a second and once 120, 20 ms each"
        );
    }

    #[test]
    fn without_data_there_is_no_limit_rather_than_one_that_overflowed() {
        let mut passes = Passes::new();
        assert_eq!(passes.limit(Some(10e6), at(0)), None);
        passes.count(at(0));
        assert_eq!(passes.limit(Some(10e6), at(50)), None, "no bucket is whole");
        assert_eq!(passes.limit(None, at(100)), None);
        assert!(passes.limit(Some(10e6), at(100)).is_some());
    }

    #[test]
    fn what_was_done_ten_seconds_ago_is_forgotten() {
        let mut passes = Passes::new();
        (0..50).for_each(|_| _ = passes.count(at(0)));
        assert_eq!(passes.most(at(9_900)), Some(50));
        assert_eq!(passes.most(at(10_000)), None);
        passes.count(at(1_000_000_000));
        assert_eq!(passes.most(at(0)), None, "an earlier moment changes nothing");
    }

    #[test]
    fn it_stays_busy_for_a_second() {
        let mut cpu = Cpu::default();
        assert_eq!(cpu.is_busy(at(0)), None);
        cpu.observe(Some(Share::from_percent(79)), at(0));
        assert_eq!(cpu.is_busy(at(0)), Some(false));
        cpu.observe(Some(BUSY), at(100));
        cpu.observe(Some(Share::ZERO), at(200));
        assert_eq!(cpu.is_busy(at(1099)), Some(true));
        assert_eq!(cpu.is_busy(at(1100)), Some(false));
        assert_eq!(cpu.is_busy(at(10_201)), None, "nobody reads it any longer");
        cpu.observe(None, at(10_300));
        assert_eq!(cpu.is_busy(at(10_300)), None);
    }
}
