//! How long to wait before trying again, so that many who lost the same server don't come back
//! to it in the same instant.

use std::time::Duration;

/// Exponential backoff with jitter: each pause is drawn from half to one and a half of a base that
/// grows by `FACTOR` up to a limit.
///
/// The growth and the limit are those of gRPC's connection backoff; its jitter of 20 % is widened
/// to 50 %, which spreads a herd over a whole step.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
}

const FACTOR: f64 = 1.6;
/// From here on the pause is the longest one, whatever the first was.
const MAX_EXPONENT: i32 = 1_000;

impl Backoff {
    /// Pauses from about `first` to about `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, failures: 0 }
    }

    /// The pause after one more failure; `random` is in `0.0..1.0`.
    pub fn next(&mut self, random: f64) -> Duration {
        let failures = self.failures;
        self.failures = self.failures.saturating_add(1);
        pause(self.first, self.max, failures, random)
    }

    /// It worked: the next failure begins anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The pause after a failure that `earlier` ones went before; `random` is in `0.0..1.0`.
///
/// As wide as the *full jitter* of Marc Brooker's "Exponential Backoff and Jitter" (AWS, 2015), which
/// spreads a herd best, but half a step later: a draw near zero is no pause, and the next attempt
/// would meet what the last one met.
pub fn pause(first: Duration, max: Duration, earlier: u32, random: f64) -> Duration {
    let exponent = i32::try_from(earlier).unwrap_or(MAX_EXPONENT).min(MAX_EXPONENT);
    let grown = first.as_secs_f64() * FACTOR.powi(exponent);
    let base = grown.min(max.as_secs_f64());
    let pause = base * (0.5 + random.clamp(0.0, 1.0));
    Duration::try_from_secs_f64(pause).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let pauses: Vec<u128> = (0..8).map(|_| backoff.next(0.5).as_millis()).collect();
        assert_eq!(pauses, [100, 160, 256, 409, 655, 1000, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next(0.5).as_millis(), 100);
    }

    #[test]
    fn jitter_spreads_from_half_to_one_and_a_half() {
        let pause = |random| Backoff::new(Duration::from_millis(100), Duration::MAX).next(random);
        assert_eq!(pause(0.0), Duration::from_millis(50));
        assert_eq!(pause(1.0), Duration::from_millis(150));
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_secs(9));
        let last = (0..10_000).map(|_| backoff.next(0.5)).last();
        assert_eq!(last, Some(Duration::from_secs(9)));
    }

    #[test]
    fn no_pair_of_bounds_panics() {
        let ends = [Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(1), Duration::MAX];
        for (first, max) in ends.iter().flat_map(|first| ends.map(|max| (*first, max))) {
            for earlier in [0, 1, 100, u32::MAX] {
                let most = pause(first, max, earlier, 1.0);
                assert!(most >= pause(first, max, earlier, 0.0), "{first:?} to {max:?}");
            }
        }
        assert_eq!(pause(Duration::ZERO, Duration::MAX, u32::MAX, 1.0), Duration::ZERO);
    }
}
