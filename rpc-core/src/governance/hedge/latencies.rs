//! How long answers take lately, as percentiles.

use std::fmt;
use std::time::Duration;

use histogram::{AtomicHistogram, Config, Histogram};

use crate::governance::Moment;
use crate::governance::moment::nanos;
use crate::governance::rules::Share;
use crate::governance::sync::{Mutex, lock};

/// What is looked at: the present stretch of this length and the one before.
const WINDOW: Duration = Duration::from_secs(10);
/// So many samples beyond a percentile make it known to within half of what lies beyond it: 100
/// samples for p95, 500 for p99.
const BEYOND: u64 = 5;
/// And so many in all.
const LEAST: u64 = 20;

/// Eight buckets for each power of two, so that a time is known to within an eighth of itself.
const GROUPING_POWER: u8 = 3;
/// Times from 1 ns; those above 2^40 ns (18 minutes) count as that.
const MAX_POWER: u8 = 40;

const CONFIG: Config = match Config::new(GROUPING_POWER, MAX_POWER) {
    Ok(config) => config,
    Err(_) => panic!("the powers are in range"),
};

/// Percentiles of the last ten to twenty seconds.
///
/// Two histograms take turns: one is added to, the other is what was before. Recording is
/// one relaxed addition; reading sums both up under a lock and is for once a second. Who does not
/// read for twenty seconds begins anew.
pub struct Latencies {
    present: AtomicHistogram,
    turn: Mutex<Turn>,
}

struct Turn {
    since: Moment,
    before: Histogram,
    /// Where the sums are made, kept so that they need no memory.
    sum: Histogram,
}

impl Latencies {
    /// Nothing is known.
    pub fn new(now: Moment) -> Self {
        let empty = Histogram::with_config(&CONFIG);
        let turn = Turn { since: now, before: empty.clone(), sum: empty };
        Self { present: AtomicHistogram::with_config(&CONFIG), turn: Mutex::new(turn) }
    }

    /// An answer took so long, or something was given up after so long.
    pub fn record(&self, took: Duration) {
        let longest = (1 << MAX_POWER) - 1;
        // It only fails for what is above the longest.
        let _ = self.present.increment(nanos(took).min(longest));
    }

    /// The time in which this share of answers came, at most an eighth too long; `None` while there are
    /// too few to tell.
    pub fn percentile(&self, share: Share, now: Moment) -> Option<Duration> {
        let beyond = u64::from(Share::ONE.as_millionths() - share.as_millionths());
        let needed = (BEYOND * 1_000_000).div_ceil(beyond.max(1)).max(LEAST);
        let mut turn = lock(&self.turn);
        let sum = self.sum(&mut turn, now);
        if beyond == 0 || count(sum) < needed {
            return None;
        }
        let bucket = sum.quantile_bucket(share.as_f64()).ok().flatten()?;
        Some(Duration::from_nanos(bucket.end()))
    }

    /// How many samples there are.
    pub fn count(&self, now: Moment) -> u64 {
        count(self.sum(&mut lock(&self.turn), now))
    }

    fn sum<'a>(&self, turn: &'a mut Turn, now: Moment) -> &'a Histogram {
        let passed = now.since(turn.since);
        if passed >= WINDOW {
            self.present.drain_into(&mut turn.before).expect(SAME);
            if passed >= 2 * WINDOW {
                // Nobody asked for two windows: these may be from the first of them.
                turn.before.reset();
            }
            turn.since = now;
        }
        self.present.load_into(&mut turn.sum).expect(SAME);
        turn.sum.checked_add_assign(&turn.before).expect("fewer than 2^64 samples, and one config");
        &turn.sum
    }
}

const SAME: &str = "all histograms here have one config";

fn count(histogram: &Histogram) -> u64 {
    histogram.as_slice().iter().sum()
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latencies").finish_non_exhaustive()
    }
}
