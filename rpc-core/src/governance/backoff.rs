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

impl Backoff {
    /// Pauses from about `first` to about `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, failures: 0 }
    }

    /// The pause after one more failure; `random` is in `0.0..1.0`.
    pub fn next(&mut self, random: f64) -> Duration {
        let exponent = i32::try_from(self.failures).unwrap_or(i32::MAX);
        self.failures = self.failures.saturating_add(1);
        let grown = self.first.as_secs_f64() * FACTOR.powi(exponent);
        let base = grown.min(self.max.as_secs_f64());
        Duration::from_secs_f64(base * (0.5 + random.clamp(0.0, 1.0)))
    }

    /// It worked: the next failure begins anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
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
}
