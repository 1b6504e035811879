//! The clock that machines do not have: whoever asks them looks at it, and tells them.

use tokio::time::Instant;

use crate::governance::Moment;

/// One look at the clock: for the runtime's timers, and for machines.
///
/// To tell how far instants are apart takes as long as a machine does, so a call works out its moments
/// once, and subtracts those.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) moment: Moment,
}

impl Now {
    pub(crate) fn read() -> Self {
        let instant = Instant::now();
        Self { instant, moment: Moment::at(instant) }
    }
}

impl Moment {
    /// This moment, by tokio's clock.
    pub(crate) fn now() -> Self {
        Now::read().moment
    }
}
