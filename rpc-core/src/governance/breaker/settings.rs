//! What can be said of a [`CircuitBreaker`](super::CircuitBreaker): more than a rule says, since a
//! rule should have few words.

use std::time::Duration;

use crate::governance::moment::nanos;
use crate::governance::rules::{BreakerRule, Share, Window};

/// The settings of a circuit breaker.
///
/// Made from a rule, or from [`BreakerSettings::default`], which is the default rule. Any of the
/// thresholds that are set opens the circuit; with none of them it stays closed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BreakerSettings {
    /// Opens at this share of failures, from `min_calls` on.
    pub failure_rate: Option<Share>,
    /// Opens at this share of slow calls, from `min_calls` on; a probe that is slow has then not
    /// shown that things are better.
    pub slow_rate: Option<Share>,
    /// From when on a call is slow.
    pub slow: Duration,
    /// Opens at so many failures in a row.
    pub consecutive: Option<u32>,
    /// Opens at so many failures in the window.
    pub failures: Option<u32>,
    /// Rates say nothing below so many calls.
    pub min_calls: u32,
    /// Which calls are looked at.
    pub window: Lookback,
    /// When a call begins to count.
    pub counting: Counting,
    /// How long the circuit stays open at first.
    pub open: Duration,
    /// How long at most: each opening that follows another without a healthy time between them is
    /// twice as long.
    pub max_open: Duration,
    /// By which share an opening may be shorter or longer than that, so that many clients don't
    /// come back at once.
    pub jitter: Share,
    /// How many calls may try at a time whether it is better; as many have to succeed. At least 1.
    pub probes: u32,
    /// When a probe that has not reported is presumed lost: its place is free again, and what it
    /// says later is ignored. Each loss doubles it for the next one, so that calls that really take
    /// this long get to decide in the end. [`Duration::MAX`] for never.
    pub lease: Duration,
}

/// Which calls a breaker looks at while it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookback {
    /// All since it was closed.
    Everything,
    /// Those of a while, which then begins anew with nothing; what was under way is forgotten.
    Fixed(Duration),
    /// Those of this last while, of which one bucket at a time is forgotten.
    Rolling {
        /// How long a bucket is: at least 1 ns.
        bucket: Duration,
        /// How many there are: from 1 to [`Lookback::MAX_BUCKETS`].
        buckets: u32,
    },
    /// So many last ones: from 1 to [`Lookback::MAX_CALLS`].
    Calls(u32),
}

/// When a call begins to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counting {
    /// When it ends, where it ends. Calls under way say nothing yet, and one that takes longer than
    /// the window still counts.
    #[default]
    Ended,
    /// When it begins, in the bucket in which it began: calls under way are part of the whole, as
    /// in gobreaker. Not for [`Lookback::Calls`].
    Begun,
}

/// How far an opening is from what is said, at most: a fleet that lost the same server at the same
/// time should not return in the same instant.
const JITTER: Share = Share::from_percent(20);

/// The least time until a probe is presumed lost: what a call may take where nothing is said.
const MIN_LEASE: Duration = Duration::from_secs(10);

/// Into how many parts a rule's window is divided: as it rolls, a tenth of it is forgotten at once.
const BUCKETS: u32 = 10;

impl Lookback {
    /// More buckets than this would cost more memory than they are worth.
    pub const MAX_BUCKETS: u32 = 65_536;
    /// More calls than this are a window of time.
    pub const MAX_CALLS: u32 = 65_536;

    /// A rolling window of ten buckets.
    pub fn rolling(window: Duration) -> Self {
        let bucket = Duration::from_nanos(nanos(window).div_ceil(u64::from(BUCKETS)));
        Self::Rolling { bucket, buckets: BUCKETS }
    }

    /// The same within its bounds.
    fn within_bounds(self) -> Self {
        match self {
            Self::Everything => self,
            Self::Fixed(window) => Self::Fixed(window.max(Duration::from_nanos(1))),
            Self::Rolling { bucket, buckets } => Self::Rolling {
                bucket: bucket.max(Duration::from_nanos(1)),
                buckets: buckets.clamp(1, Self::MAX_BUCKETS),
            },
            Self::Calls(calls) => Self::Calls(calls.clamp(1, Self::MAX_CALLS)),
        }
    }

    /// How long it is, where that is a time.
    pub(super) fn duration(self) -> Option<Duration> {
        match self {
            Self::Everything | Self::Calls(_) => None,
            Self::Fixed(window) => Some(window),
            Self::Rolling { bucket, buckets } => Some(bucket.saturating_mul(buckets)),
        }
    }
}

impl BreakerSettings {
    /// The same within their bounds: what a machine works with.
    pub(super) fn within_bounds(mut self) -> Self {
        self.window = self.window.within_bounds();
        if let Lookback::Calls(_) = self.window {
            self.counting = Counting::Ended;
        }
        self.max_open = self.max_open.max(self.open);
        self.probes = self.probes.max(1);
        self
    }
}

impl From<&BreakerRule> for BreakerSettings {
    fn from(rule: &BreakerRule) -> Self {
        Self {
            failure_rate: rule.failure_rate,
            slow_rate: rule.slow_rate,
            slow: rule.slow,
            consecutive: rule.consecutive,
            failures: None,
            min_calls: rule.min_calls,
            window: match rule.window {
                Window::Time(window) => Lookback::rolling(window),
                Window::Calls(calls) => Lookback::Calls(calls),
            },
            counting: Counting::Ended,
            open: rule.open,
            max_open: rule.max_open,
            jitter: JITTER,
            probes: rule.probes,
            lease: rule.open.max(MIN_LEASE),
        }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self::from(&BreakerRule::DEFAULT)
    }
}
