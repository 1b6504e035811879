//! `CircuitBreaker` against Sony's gobreaker v2.
//!
//! Settings: `max_requests`, `interval_ns` (of the window; none if not above 0), `bucket_period_ns` (rolling
//! if above 0), `timeout_ns` (of the open state; 60 s if not above 0), `trip` (see [`Trip`]),
//! `acceptable_is_success`, `excluded_is_ignored`.
//!
//! Steps: `exec` is a whole call, `begin` and `end` are one that others overlap, `state` and `counts` read.
//! `out` is how the call ends, `r` what the operation says, `st` the state after it, `g` the generation,
//! `c` requests, successes, failures, exclusions, successes in a row, failures in a row, and `ev` the
//! changes of state.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use rpc_core::governance::Moment;
use rpc_core::governance::breaker::{
    BreakerSettings, CircuitBreaker, Counting, Lookback, Permit, State, Verdict,
};
use rpc_core::governance::outcome::Outcome;
use rpc_core::governance::rules::Share;
use serde::Deserialize;

use super::trace::{Disagreement, Replayed, Trace};

#[derive(Deserialize)]
struct Settings {
    max_requests: u32,
    interval_ns: i64,
    bucket_period_ns: i64,
    timeout_ns: i64,
    trip: Trip,
    acceptable_is_success: bool,
    excluded_is_ignored: bool,
}

/// When a failure opens the circuit.
#[derive(Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
enum Trip {
    /// At more than five in a row.
    Default,
    Consecutive {
        n: u32,
    },
    Ratio {
        min_requests: u32,
        ratio: f64,
    },
    TotalFailures {
        n: u32,
    },
    Never,
    Always,
}

#[derive(Deserialize)]
struct Step {
    t: u64,
    op: Op,
    #[serde(default)]
    id: u64,
    out: Option<Out>,
    #[serde(default)]
    r: String,
    st: String,
    g: u64,
    c: [u32; 6],
    #[serde(default)]
    ev: Vec<(String, String)>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    Exec,
    Begin,
    End,
    State,
    Counts,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Out {
    Success,
    Failure,
    Acceptable,
    Excluded,
    Panic,
}

pub(crate) fn replay(trace: &Trace) -> Result<Replayed, Disagreement> {
    let settings: Settings = trace.settings()?;
    let breaker = CircuitBreaker::new(ours(&settings), Moment::default(), 0);
    let mut under_way = HashMap::new();
    let (mut seen, mut state) = (0, State::Closed);
    let mut steps = 0;
    for (number, step) in trace.steps::<Step>().enumerate() {
        let step = step?;
        let malformed =
            |why: &str| Disagreement::Malformed { step: Some(number), why: why.to_owned() };
        let now = Moment::from_nanos(step.t);
        let out = || step.out.ok_or_else(|| malformed("it does not say how the call ended"));
        let said = match step.op {
            Op::Exec | Op::Begin => match CircuitBreaker::admit(&breaker, now) {
                Ok(permit) if matches!(step.op, Op::Begin) => {
                    under_way.insert(step.id, permit);
                    "ok".to_owned()
                }
                Ok(permit) => {
                    end(permit, out()?, &settings, now);
                    "ok".to_owned()
                }
                Err(refusal) if refusal.state() == State::HalfOpen => "too_many".to_owned(),
                Err(_) => "open".to_owned(),
            },
            Op::End => {
                let permit = under_way.remove(&step.id);
                end(permit.ok_or_else(|| malformed("no such call"))?, out()?, &settings, now);
                String::new()
            }
            Op::State => breaker.state(now).to_string(),
            Op::Counts => String::new(),
        };
        let mut changes = Vec::new();
        for change in breaker.transitions_after(seen) {
            (seen, state) = (change.number, change.to);
            changes.push((change.from.to_string(), change.to.to_string()));
        }
        let counts = breaker.counts();
        let counts = [
            counts.requests,
            counts.successes,
            counts.failures,
            counts.exclusions,
            counts.consecutive_successes,
            counts.consecutive_failures,
        ];
        let got = (said, state.to_string(), breaker.generation(), counts, changes);
        let expected = (step.r, step.st, step.g, step.c, step.ev);
        if got != expected {
            return Err(trace.differs(number, expected, got));
        }
        steps += 1;
    }
    Ok(Replayed::Compared { steps, skipped: 0 })
}

/// What of ours is that of gobreaker's: calls count when they begin, openings don't grow or spread,
/// and a probe keeps its place for ever.
fn ours(settings: &Settings) -> BreakerSettings {
    // There a time is over when more than it has passed, here when it has.
    let over = |nanos: i64| Duration::from_nanos(nanos.unsigned_abs().saturating_add(1));
    let buckets = buckets(settings.interval_ns, settings.bucket_period_ns);
    let mut ours = BreakerSettings::default();
    ours.failure_rate = None;
    ours.counting = Counting::Begun;
    ours.window = match buckets {
        Some(buckets) => {
            let bucket = Duration::from_nanos(settings.bucket_period_ns.unsigned_abs());
            Lookback::Rolling { bucket, buckets }
        }
        None if settings.interval_ns > 0 => Lookback::Fixed(over(fixed(settings))),
        None => Lookback::Everything,
    };
    ours.open = match settings.timeout_ns {
        nanos @ 1.. => over(nanos),
        _ => over(60_000_000_000),
    };
    ours.max_open = ours.open;
    ours.jitter = Share::ZERO;
    ours.probes = settings.max_requests;
    ours.lease = Duration::MAX;
    match settings.trip {
        Trip::Default => ours.consecutive = Some(6),
        Trip::Consecutive { n } => ours.consecutive = Some(n),
        Trip::TotalFailures { n } => ours.failures = Some(n),
        Trip::Always => ours.failures = Some(0),
        Trip::Never => {}
        Trip::Ratio { min_requests, ratio } => {
            ours.min_calls = min_requests;
            // Rounded down but for what the multiplication makes of 0.29: two of three are 2/3.
            #[expect(clippy::cast_possible_truncation, reason = "a share, in millionths")]
            let millionths = (ratio * 1e6 + 1e-6).floor() as u32;
            ours.failure_rate = Some(Share::from_millionths(millionths));
        }
    }
    ours
}

/// How many buckets a rolling window has; a single one is a fixed window.
fn buckets(interval: i64, period: i64) -> Option<u32> {
    if interval <= 0 || period <= 0 {
        return None;
    }
    let buckets = interval.unsigned_abs().div_ceil(period.unsigned_abs());
    u32::try_from(buckets).ok().filter(|buckets| *buckets >= 2)
}

/// How long a fixed window is: the interval, rounded up to the bucket that it consists of.
fn fixed(settings: &Settings) -> i64 {
    settings.interval_ns.max(settings.bucket_period_ns)
}

fn end(permit: Permit<&CircuitBreaker>, out: Out, settings: &Settings, now: Moment) {
    let failure = Verdict::Failure(Outcome::ServerFault);
    let verdict = match out {
        Out::Success => Verdict::Success,
        Out::Acceptable if settings.acceptable_is_success => Verdict::Success,
        Out::Excluded if settings.excluded_is_ignored => Verdict::Neutral,
        Out::Failure | Out::Acceptable | Out::Excluded => failure,
        Out::Panic => {
            let call = AssertUnwindSafe(|| {
                let _permit = permit;
                resume_unwind(Box::new("the call panics"))
            });
            let _panic: Result<(), _> = catch_unwind(call);
            return;
        }
    };
    permit.settle(verdict, Duration::ZERO, now);
}
