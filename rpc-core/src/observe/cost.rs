//! What one poll of a method's handler costs, learned from what it has cost so far.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A handler whose polls take longer than this holds up the others of its connection for too long.
const CHEAP: Duration = Duration::from_micros(20);
/// Polls to have seen before a guess is one.
const SETTLED: u32 = 8;
/// How much of the old guess goes with each new sample: one in so many.
const WEIGHT: u32 = 4;

/// A guess, kept without a lock: a sample lost to another thread's does no harm.
///
/// A method starts as cheap; one that was misjudged, because the thread was taken away in the middle of
/// a poll, is looked at again wherever it runs and is forgiven within a few calls.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    nanos: AtomicU32,
    samples: AtomicU32,
}

impl Cost {
    /// A poll took this long.
    pub(crate) fn note(&self, took: Duration) {
        let took = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
        let before = self.nanos.load(Ordering::Relaxed);
        let samples = self.samples.load(Ordering::Relaxed);
        let guess = if samples == 0 { took } else { before - before / WEIGHT + took / WEIGHT };
        self.nanos.store(guess, Ordering::Relaxed);
        if samples < SETTLED {
            self.samples.store(samples + 1, Ordering::Relaxed);
        }
    }

    /// Whether enough polls were seen.
    pub(crate) fn is_settled(&self) -> bool {
        self.samples.load(Ordering::Relaxed) >= SETTLED
    }

    /// Whether a poll is over so soon that a task for it would cost more than it saves.
    pub(crate) fn is_cheap(&self) -> bool {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed).into()) <= CHEAP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Duration = Duration::from_nanos(300);
    const SLOW: Duration = Duration::from_micros(200);

    #[test]
    fn one_that_computes_is_known_after_its_first_poll() {
        let cost = Cost::default();
        assert!(cost.is_cheap() && !cost.is_settled());
        cost.note(SLOW);
        assert!(!cost.is_cheap());
    }

    #[test]
    fn one_that_was_interrupted_is_forgiven() {
        let cost = Cost::default();
        (0..SETTLED).for_each(|_| cost.note(FAST));
        assert!(cost.is_cheap() && cost.is_settled());
        cost.note(Duration::from_millis(1));
        assert!(!cost.is_cheap());
        (0..12).for_each(|_| cost.note(FAST));
        assert!(cost.is_cheap());
    }

    #[test]
    fn an_endless_poll_is_no_overflow() {
        let cost = Cost::default();
        (0..100).for_each(|_| cost.note(Duration::MAX));
        assert!(!cost.is_cheap());
    }
}
