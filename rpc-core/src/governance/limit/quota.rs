//! What a limit allows, with everything filled in that a rule leaves open.

use std::fmt;
use std::time::Duration;

use crate::governance::moment::nanos;
use crate::governance::rules::{LimitKind, LimitRule, Rate};

/// How much a limit lets go: `500/s (burst 50)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// By which algorithm.
    pub kind: LimitKind,
    /// How many per time.
    pub rate: Rate,
    /// Of a token bucket how many at once, at least one; of a leaky bucket how many that were not used
    /// are made up for; nothing of windows, which let go at once what the rate says.
    pub burst: u32,
}

impl Quota {
    /// What the rule says. A token bucket without a burst holds one second's worth, at least one; a
    /// leaky one makes up for nothing: who asks for even distances gets them.
    pub fn of(rule: &LimitRule) -> Self {
        let burst = match rule.kind {
            LimitKind::Token => rule.burst.unwrap_or_else(|| in_a_second(rule.rate)).max(1),
            LimitKind::Leaky => rule.burst.unwrap_or(0),
            LimitKind::Fixed | LimitKind::Sliding => 0,
        };
        Self { kind: rule.kind, rate: rule.rate, burst }
    }

    pub(super) fn per_second(&self) -> f64 {
        f64::from(self.rate.permits) / (self.length() as f64 / 1e9)
    }

    /// The distance of permits, in nanoseconds.
    pub(super) fn every(&self) -> u64 {
        self.length().checked_div(u64::from(self.rate.permits)).unwrap_or(u64::MAX)
    }

    /// In how long the rate's permits go, in nanoseconds.
    pub(super) fn length(&self) -> u64 {
        nanos(self.rate.per).max(1)
    }
}

/// How many permits a second brings.
fn in_a_second(rate: Rate) -> u32 {
    let per = u128::from(nanos(rate.per).max(1));
    u32::try_from(u128::from(rate.permits) * 1_000_000_000 / per).unwrap_or(u32::MAX)
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate { permits, per } = self.rate;
        write!(f, "{permits}/")?;
        match per {
            _ if per == Duration::from_secs(3600) => f.write_str("h")?,
            _ if per == Duration::from_secs(60) => f.write_str("min")?,
            _ if per == Duration::from_secs(1) => f.write_str("s")?,
            _ if per == Duration::from_millis(1) => f.write_str("ms")?,
            _ => write!(f, "{per:?}")?,
        }
        match self.kind {
            LimitKind::Token => write!(f, " (burst {})", self.burst),
            LimitKind::Leaky if self.burst == 0 => f.write_str(" (evenly)"),
            LimitKind::Leaky => write!(f, " (evenly, slack {})", self.burst),
            LimitKind::Fixed => f.write_str(" (fixed window)"),
            LimitKind::Sliding => f.write_str(" (sliding window)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(kind: LimitKind, permits: u32, per: Duration, burst: Option<u32>) -> LimitRule {
        LimitRule { burst, kind, ..LimitRule::to(Rate { permits, per }) }
    }

    #[test]
    fn it_reads_as_a_rule_is_written() {
        let shown = |kind, per, burst| Quota::of(&rule(kind, 500, per, burst)).to_string();
        let second = Duration::from_secs(1);
        assert_eq!(shown(LimitKind::Token, second, Some(50)), "500/s (burst 50)");
        assert_eq!(shown(LimitKind::Leaky, second * 60, None), "500/min (evenly)");
        assert_eq!(shown(LimitKind::Leaky, second * 3600, Some(9)), "500/h (evenly, slack 9)");
        assert_eq!(shown(LimitKind::Fixed, second * 10, Some(9)), "500/10s (fixed window)");
        assert_eq!(shown(LimitKind::Sliding, second / 1_000, None), "500/ms (sliding window)");
    }

    #[test]
    fn a_burst_that_is_not_said_is_one_seconds_worth_and_at_least_one() {
        let burst = |permits, per| Quota::of(&rule(LimitKind::Token, permits, per, None)).burst;
        assert_eq!(burst(100, Duration::from_secs(1)), 100);
        assert_eq!(burst(100, Duration::from_secs(60)), 1);
        assert_eq!(burst(150, Duration::from_secs(60)), 2);
        assert_eq!(burst(3, Duration::from_secs(60)), 1);
        assert_eq!(burst(u32::MAX, Duration::ZERO), u32::MAX);
    }

    #[test]
    fn a_token_bucket_that_lets_nothing_go_is_not_a_limit_but_a_switch() {
        let quota = Quota::of(&rule(LimitKind::Token, 1, Duration::from_secs(1), Some(0)));
        assert_eq!(quota.burst, 1);
    }

    #[test]
    fn a_rate_is_turned_into_a_distance() {
        let every = |permits, per| Quota::of(&rule(LimitKind::Leaky, permits, per, None)).every();
        assert_eq!(every(3, Duration::from_secs(1)), 333_333_333);
        assert_eq!(every(0, Duration::from_secs(1)), u64::MAX);
    }
}
