//! Something to compute.

use std::hint::black_box;
use std::time::Duration;

use tokio::time::Instant;

/// As much arithmetic as takes a given time when nothing else runs: a fixed number of rounds, so that a
/// handler that is disturbed takes longer, as real ones do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    rounds: u64,
}

impl Work {
    /// Work that takes about this long on this machine; finding that out takes some milliseconds.
    pub fn taking(time: Duration) -> Self {
        const TRIAL: Work = Work { rounds: 1_000_000 };
        let trial = || {
            let begun = Instant::now();
            TRIAL.run();
            begun.elapsed()
        };
        // The fastest is the one that was disturbed least.
        let fastest = (0..5).map(|_| trial()).min().unwrap_or_default();
        let rounds = time.as_nanos() * u128::from(TRIAL.rounds) / fastest.as_nanos().max(1);
        Self { rounds: u64::try_from(rounds).unwrap_or(u64::MAX) }
    }

    /// Does it.
    pub fn run(self) {
        let mut number = 88_172_645_463_325_252_u64;
        for _ in 0..self.rounds {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
        }
        black_box(number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Work;

    #[test]
    fn twice_the_time_is_twice_the_work() {
        let once = Work::taking(Duration::from_micros(200));
        assert!(once.rounds > 1_000, "{once:?}");
        let many = Work::taking(Duration::from_millis(20));
        assert!(many.rounds > 20 * once.rounds, "{once:?}, {many:?}");
        assert_eq!(Work::default().rounds, 0);
    }
}
