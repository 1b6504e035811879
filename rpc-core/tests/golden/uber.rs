//! `go.uber.org/ratelimit` 0.3.1: a leaky bucket with slack.
//!
//! A step is one `Take`: the time of the call, the time returned, and how long it slept.

use std::time::Duration;

use rpc_core::governance::Moment;
use rpc_core::governance::limit::LeakyBucket;
use serde::Deserialize;

use crate::trace::{Disagreement, Replayed, Trace};

#[derive(Deserialize)]
struct Settings {
    /// Permits per `per_ns`.
    rate: u64,
    per_ns: u64,
    /// The library's default if absent.
    slack: Option<u32>,
    #[serde(default)]
    monotonic: bool,
}

/// The library's, ours is chosen by the rule.
const DEFAULT_SLACK: u32 = 10;

/// The library's clock starts at a large time, before which there is room for the slack.
const ORIGIN: u64 = 1 << 60;

pub(crate) fn replay(trace: &Trace) -> Result<Replayed, Disagreement> {
    let settings: Settings = trace.settings()?;
    if !settings.monotonic {
        return Ok(Replayed::LeftOut("they rely on a clock that goes back"));
    }
    let every = settings.per_ns.checked_div(settings.rate).ok_or_else(|| {
        let why = "a rate of zero, which the library does not take".to_owned();
        Disagreement::Malformed { step: None, why }
    })?;
    let bucket =
        LeakyBucket::new(Duration::from_nanos(every), settings.slack.unwrap_or(DEFAULT_SLACK));
    for (number, step) in trace.steps::<(u64, u64, u64)>().enumerate() {
        let (t, returned, slept) = step?;
        let now = Moment::from_nanos(ORIGIN + t);
        let got = bucket
            .reserve(1, Duration::MAX, now)
            .map(|ticket| (ticket.ready_at().as_nanos() - ORIGIN, ticket.wait().as_nanos()));
        let expected = Ok((returned, u128::from(slept)));
        if got != expected {
            return Err(trace.differs(number, expected, got));
        }
    }
    Ok(Replayed::Compared { steps: trace.steps.len(), skipped: 0 })
}
