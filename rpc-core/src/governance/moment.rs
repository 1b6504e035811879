//! The time that machines are told: one number, so that it fits into an atomic word and a test can
//! make one up.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

/// A moment, in nanoseconds since some fixed moment of this process. Arithmetic saturates.
///
/// Whoever asks a machine reads the clock once and tells all of them; machines never do. One that
/// is told an earlier moment than before (threads read the clock, then reach it in another order)
/// takes the later of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// Where the first instant asked about is put, so that earlier ones (another runtime's paused clock)
/// have room before it: some 36 years on either side, and centuries after.
const ORIGIN: u64 = 1 << 60;

impl Moment {
    /// So many nanoseconds after the beginning.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the beginning.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment of an instant of tokio's clock, paused or not.
    pub fn at(instant: Instant) -> Self {
        static EPOCH: OnceLock<Instant> = OnceLock::new();
        let epoch = *EPOCH.get_or_init(|| instant);
        match instant.checked_duration_since(epoch) {
            Some(after) => Self(ORIGIN).plus(after),
            None => Self(ORIGIN.saturating_sub(nanos(epoch.duration_since(instant)))),
        }
    }

    /// So much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A duration in nanoseconds; what is longer than 584 years is that long.
pub(crate) fn nanos(duration: Duration) -> u64 {
    // In 64 bits, as calls ask several times: `as_nanos` multiplies in 128.
    let whole = duration.as_secs().saturating_mul(1_000_000_000);
    whole.saturating_add(u64::from(duration.subsec_nanos()))
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_before_the_first_one_have_their_place() {
        let first = Instant::now();
        let moment = Moment::at(first);
        let second = Duration::from_secs(1);
        assert_eq!(Moment::at(first + second).since(moment), second);
        let before = first.checked_sub(second).expect("the machine runs for longer than that");
        assert_eq!(moment.since(Moment::at(before)), second);
        assert_eq!(Moment::at(before).since(moment), Duration::ZERO);
    }

    #[test]
    fn it_does_not_overflow() {
        assert_eq!(Moment::from_nanos(u64::MAX).plus(Duration::MAX).as_nanos(), u64::MAX);
        assert_eq!(Moment::default().since(Moment::from_nanos(5)), Duration::ZERO);
    }
}
