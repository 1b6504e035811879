//! How often something has happened in the last minute.

use crate::governance::Moment;

/// Counts are per ten seconds, so that a minute is six of them.
const SPAN_NANOS: u64 = 10_000_000_000;
const SPANS: u64 = 6; // as `Tally::spans` has

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// The number of the latest span, and the counts of it and those before it, in a ring.
    latest: u64,
    spans: [u64; 6],
}

impl Tally {
    pub(super) fn add(&mut self, now: Moment) {
        self.roll(now);
        self.spans[index(self.latest)] += 1;
    }

    /// To within ten seconds.
    pub(super) fn last_minute(mut self, now: Moment) -> u64 {
        self.roll(now);
        self.spans.iter().sum()
    }

    fn roll(&mut self, now: Moment) {
        let span = now.as_nanos() / SPAN_NANOS;
        if span <= self.latest {
            return;
        }
        for passed in 1..=(span - self.latest).min(SPANS) {
            self.spans[index(self.latest + passed)] = 0;
        }
        self.latest = span;
    }
}

/// Where a span of this number is kept.
fn index(span: u64) -> usize {
    (span % SPANS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_passes() {
        let mut tally = Tally::default();
        let at = |seconds: u64| Moment::from_nanos(seconds * 1_000_000_000);
        for second in 0..90 {
            tally.add(at(second));
        }
        assert_eq!(tally.last_minute(at(89)), 60);
        assert_eq!(tally.last_minute(at(1_000)), 0);
    }
}
