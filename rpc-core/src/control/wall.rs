//! Times of day, for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time of day of so long ago, UTC.
pub(super) fn wall(ago: Duration) -> String {
    #[expect(clippy::disallowed_methods, reason = "it is for people, who look at wall clocks")]
    let now = SystemTime::now();
    let then = now.checked_sub(ago).unwrap_or(UNIX_EPOCH);
    let since = then.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs() % 86_400, since.subsec_millis());
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{millis:03}Z", seconds % 60)
}
