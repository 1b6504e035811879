//! What became of the calls of each method, and how long they took.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use histogram::{AtomicHistogram, Config, Histogram};

use crate::governance::Rough;
use crate::governance::outcome::{Degradation, Outcome};

/// Eight buckets for each power of two, so that a time is known to within an eighth of itself.
const GROUPING_POWER: u8 = 3;
/// Times from 1 ns; those above 2^40 ns (18 minutes) count as that.
const MAX_POWER: u8 = 40;
/// Methods told apart; calls of further ones are counted together. Only paths made at run time can be so many.
const MAX_METHODS: usize = 1024;
/// What the others are counted as.
const OTHERS: &str = "(others)";

/// The counters of one method, shared by everyone who calls or serves it.
pub(crate) struct Counters {
    outcomes: [AtomicU64; Outcome::COUNT],
    degraded: [AtomicU64; Degradation::COUNT],
    latency: AtomicHistogram,
}

impl Counters {
    /// `calls` calls ended like this, each after `latency`.
    pub(crate) fn record(&self, outcome: Outcome, latency: Duration, calls: u64) {
        self.outcomes[outcome as usize].fetch_add(calls, Ordering::Relaxed);
        if matches!(outcome, Outcome::Overload | Outcome::RefusedLocally) {
            return;
        }
        let longest = (1 << MAX_POWER) - 1;
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(longest).min(longest);
        // It only fails for what is above the longest.
        let _ = self.latency.add(nanos, calls);
    }

    /// A fallback was asked for a call, whose own end is counted beside that.
    pub(crate) fn degrade(&self, degradation: Degradation) {
        self.degraded[degradation as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self, method: Cow<'static, str>) -> MethodStats {
        let outcomes = self.outcomes.each_ref().map(|count| count.load(Ordering::Relaxed));
        let degraded = self.degraded.each_ref().map(|count| count.load(Ordering::Relaxed));
        MethodStats { method, outcomes, degraded, latency: self.latency.load() }
    }
}

impl Default for Counters {
    fn default() -> Self {
        const CONFIG: Config = match Config::new(GROUPING_POWER, MAX_POWER) {
            Ok(config) => config,
            Err(_) => panic!("the powers are in range"),
        };
        Self {
            outcomes: Default::default(),
            degraded: Default::default(),
            latency: AtomicHistogram::with_config(&CONFIG),
        }
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counters").field(&self.outcomes).finish()
    }
}

/// The counters of all methods that one channel calls, or one server serves.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<HashMap<Cow<'static, str>, Arc<Counters>>>);

impl Ledger {
    /// The counters of `method`; to be asked for once and kept.
    pub(crate) fn of(&self, method: Cow<'static, str>) -> Arc<Counters> {
        let mut methods = self.lock();
        if let Some(counters) = methods.get(&method) {
            return counters.clone();
        }
        let name = if methods.len() < MAX_METHODS { method } else { OTHERS.into() };
        methods.entry(name).or_default().clone()
    }

    /// All of them, by name.
    pub(crate) fn snapshot(&self) -> Vec<MethodStats> {
        let methods = self.lock().clone();
        let mut all: Vec<_> =
            methods.into_iter().map(|(method, counters)| counters.snapshot(method)).collect();
        all.sort_unstable_by(|one, other| one.method.cmp(&other.method));
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Cow<'static, str>, Arc<Counters>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a method's calls so far. A copy: it does not change any more.
///
/// From [`Channel::stats`](crate::Channel::stats) as callers see it, from
/// [`ServerHandle::stats`](crate::ServerHandle::stats) as their server does.
#[derive(Clone)]
pub struct MethodStats {
    method: Cow<'static, str>,
    outcomes: [u64; Outcome::COUNT],
    degraded: [u64; Degradation::COUNT],
    latency: Histogram,
}

impl MethodStats {
    /// The method's path, `shop.Inventory/price`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Calls that have ended.
    pub fn calls(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Those that ended like this.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Calls for which a fallback was asked, by what came of it. Each of them is also counted by how
    /// it ended itself, so that a degraded answer hides no outage.
    pub fn degraded(&self, degradation: Degradation) -> u64 {
        self.degraded[degradation as usize]
    }

    /// How long calls took, however they ended, but for those that were refused: 0.5 for what half of
    /// them were faster than, 0.99 for all but one in a hundred. At most an eighth too much; `None`
    /// before the first call and for what is no share from 0 to 1.
    pub fn latency(&self, share: f64) -> Option<Duration> {
        let bucket = self.latency.quantile_bucket(share).ok().flatten()?;
        Some(Duration::from_nanos(bucket.end()))
    }
}

/// `shop.Inventory/price: 120 calls, 100 success, 20 server fault, 15 answered by a fallback, p50 1.1ms,
/// p99 3.4ms`.
impl fmt::Display for MethodStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = if self.calls() == 1 { "call" } else { "calls" };
        write!(f, "{}: {} {calls}", self.method, self.calls())?;
        for outcome in Outcome::ALL.into_iter().filter(|outcome| self.count(*outcome) > 0) {
            write!(f, ", {} {}", self.count(outcome), outcome.name())?;
        }
        for (degradation, words) in [
            (Degradation::Answered, "answered by a fallback"),
            (Degradation::Failed, "whose fallback failed"),
        ] {
            if self.degraded(degradation) > 0 {
                write!(f, ", {} {words}", self.degraded(degradation))?;
            }
        }
        for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
            if let Some(latency) = self.latency(share) {
                write!(f, ", {name} {}", Rough::about(latency))?;
            }
        }
        Ok(())
    }
}

/// As it is displayed: there are hundreds of counters of latency.
impl fmt::Debug for MethodStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
