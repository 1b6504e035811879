//! How often a peer may do what costs it nothing: a small token bucket per kind of nuisance.

use tokio::time::Instant;

/// So many a second, and a burst.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: f64,
    burst: f64,
    left: f64,
    at: Instant,
}

impl Budget {
    pub(super) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst);
        Self { per_second: f64::from(per_second), burst, left: burst, at: now }
    }

    /// Takes one; false once they come faster than allowed.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.left = (self.left + elapsed * self.per_second).min(self.burst);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_then_so_many_a_second() {
        let now = Instant::now();
        let mut budget = Budget::new(2, 3, now);
        let taken = (0..5).filter(|_| budget.take(now)).count();
        assert_eq!(taken, 3);
        assert!(!budget.take(now + Duration::from_millis(499)));
        assert!(budget.take(now + Duration::from_millis(500)));
        let later = now + Duration::from_secs(3600);
        assert_eq!((0..5).filter(|_| budget.take(later)).count(), 3);
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let now = Instant::now() + Duration::from_secs(10);
        let mut budget = Budget::new(1000, 1, now);
        assert!(budget.take(now));
        assert!(!budget.take(now - Duration::from_secs(5)));
        assert!(!budget.take(now));
    }
}
