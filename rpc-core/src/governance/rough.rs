//! Durations for people: as exact as somebody who reads them can use.

use std::fmt;
use std::time::Duration;

use super::nanos;

/// A duration in words: `1.4s`, `22ms`, `3.1ms`, `640µs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rough(Duration);

impl Rough {
    /// How long something took or has been so.
    pub(crate) fn about(duration: Duration) -> Self {
        let step = step(duration);
        let steps = nanos(duration).saturating_add(step / 2) / step;
        Self::steps(steps, step)
    }

    /// How long to wait, and never shorter: who comes back by it is not early.
    pub(crate) fn at_least(duration: Duration) -> Self {
        let step = step(duration);
        Self::steps(nanos(duration).div_ceil(step), step)
    }

    fn steps(steps: u64, step: u64) -> Self {
        Self(Duration::from_nanos(steps.saturating_mul(step)))
    }
}

/// What it is rounded to, in nanoseconds.
fn step(duration: Duration) -> u64 {
    match duration {
        _ if duration >= Duration::from_secs(1) => 100_000_000,
        _ if duration >= Duration::from_millis(10) => 1_000_000,
        _ if duration >= Duration::from_millis(1) => 100_000,
        _ => 1_000,
    }
}

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Duration::ZERO => f.write_str("0s"),
            duration => write!(f, "{duration:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_as_exact_as_a_person_can_use() {
        for (duration, about, at_least) in [
            (0, "0s", "0s"),
            (1, "0s", "1µs"),
            (640_400, "640µs", "641µs"),
            (3_149_000, "3.1ms", "3.2ms"),
            (21_939_505, "22ms", "22ms"),
            (39_000_001, "39ms", "40ms"),
            (999_999_999, "1s", "1s"),
            (1_240_000_000, "1.2s", "1.3s"),
            (3_600_000_000_000, "3600s", "3600s"),
        ] {
            let duration = Duration::from_nanos(duration);
            assert_eq!(Rough::about(duration).to_string(), about);
            assert_eq!(Rough::at_least(duration).to_string(), at_least);
        }
    }

    #[test]
    fn the_longest_does_not_overflow() {
        assert_eq!(Rough::at_least(Duration::MAX), Rough(Duration::from_nanos(u64::MAX)));
        assert!(Rough::about(Duration::MAX).to_string().ends_with('s'));
    }
}
