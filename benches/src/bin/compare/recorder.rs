//! What the tasks of a driver count while the window is open.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

/// Longest time that is told apart from longer ones.
const MAX: Duration = Duration::from_secs(60);

/// Counts calls and their times. Its lock is never contended where the driver has one worker.
pub(crate) struct Recorder(Mutex<Counts>);

pub(crate) struct Counts {
    /// The window is open since then.
    since: Option<Instant>,
    pub(crate) calls: u64,
    pub(crate) errors: u64,
    nanos: Histogram<u32>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        let max = u64::try_from(MAX.as_nanos()).expect("a minute's nanoseconds fit");
        let nanos = Histogram::new_with_max(max, 3).expect("three digits of a minute are possible");
        Self(Mutex::new(Counts { since: None, calls: 0, errors: 0, nanos }))
    }

    /// Counts calls that end from now on, and the times of those that begin from now on: what was
    /// under way has waited for the window to be opened.
    pub(crate) fn open(&self, now: Instant) {
        self.counts().since = Some(now);
    }

    /// Counts no more.
    pub(crate) fn close(&self) {
        self.counts().since = None;
    }

    /// A call is done, well.
    pub(crate) fn success(&self, begun: Instant, ended: Instant) {
        let mut counts = self.counts();
        let Some(since) = counts.since else { return };
        counts.calls += 1;
        if begun >= since {
            let nanos = ended.duration_since(begun).min(MAX).as_nanos();
            counts.nanos.saturating_record(u64::try_from(nanos).unwrap_or(u64::MAX));
        }
    }

    /// A call is done and its answer is not the right one. It counts outside of the window too: no
    /// figure is worth anything beside errors.
    pub(crate) fn error(&self) {
        self.counts().errors += 1;
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// The time that this share of the calls did not exceed; none if there were none.
    pub(crate) fn quantile_us(&self, quantile: f64) -> Option<f64> {
        let nanos = self.nanos.value_at_quantile(quantile);
        (!self.nanos.is_empty()).then(|| Duration::from_nanos(nanos).as_secs_f64() * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Recorder;

    #[test]
    fn counts_while_the_window_is_open() {
        let recorder = Recorder::new();
        let (before, ms) = (Instant::now(), Duration::from_millis(1));
        recorder.success(before, before + ms);
        assert_eq!(recorder.counts().calls, 0);

        let open = before + ms;
        recorder.open(open);
        recorder.success(before, open + 50 * ms);
        assert_eq!(recorder.counts().calls, 1);
        assert_eq!(recorder.counts().quantile_us(0.5), None, "it began before the window did");

        recorder.success(open, open + ms);
        let p50 = recorder.counts().quantile_us(0.5).expect("one was recorded");
        assert!((999.0..=1001.0).contains(&p50), "{p50}");

        recorder.close();
        recorder.success(open, open + ms);
        recorder.error();
        assert_eq!(recorder.counts().calls, 2);
        assert_eq!(recorder.counts().errors, 1);
    }
}
