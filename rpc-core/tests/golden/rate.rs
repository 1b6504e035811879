//! `golang.org/x/time/rate` 0.13: a token bucket.
//!
//! A step is an operation at `t`, its inputs, what was seen, and `tok`, the tokens after it. A wait
//! is a reservation that is cancelled if the waiter goes away.

use std::collections::HashMap;
use std::time::Duration;

use rpc_core::governance::Moment;
use rpc_core::governance::limit::{Ticket, TokenBucket};
use serde::Deserialize;

use crate::trace::{Disagreement, Replayed, Trace};

#[derive(Deserialize)]
struct Settings {
    limit: Limit,
    burst: u32,
    #[serde(default)]
    monotonic: bool,
    #[serde(default)]
    double_cancel: bool,
}

/// Events per second, or `"inf"`.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Limit {
    PerSecond(f64),
    Word(Word),
}

#[derive(Clone, Copy, Deserialize)]
enum Word {
    #[serde(rename = "inf")]
    Infinite,
}

#[derive(Deserialize)]
struct Step {
    t: i64,
    #[serde(flatten)]
    op: Op,
    /// The tokens after it.
    tok: f64,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Op {
    AllowN {
        n: u32,
        #[serde(default)]
        ok: bool,
    },
    ReserveN {
        n: u32,
        id: u64,
        #[serde(default)]
        ok: bool,
        #[serde(default)]
        delay: u64,
    },
    CancelAt {
        id: u64,
    },
    DelayFrom {
        id: u64,
        #[serde(default)]
        delay: u64,
    },
    WaitN {
        n: u32,
        deadline: Option<i64>,
        cancelled_at: Option<i64>,
        r: Waited,
        #[serde(default)]
        delay: u64,
    },
    SetLimitAt {
        limit: Limit,
    },
    SetBurstAt {
        burst: u32,
    },
    TokensAt,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Waited {
    Ok,
    ExceedsBurst,
    ExceedsDeadline,
    Cancelled,
}

/// What has been done so far in a trace.
struct State {
    bucket: TokenBucket,
    /// The limiter's own answer to a wait says which of the two it was.
    burst: u32,
    unlimited: bool,
    /// Reservations that can still be cancelled.
    tickets: HashMap<u64, Ticket>,
    /// From when on each reservation may act; `None` if it was refused.
    acts: HashMap<u64, Option<Moment>>,
}

/// Where the trace's time 0 is put.
const ORIGIN: u64 = 1 << 60;

/// A delay of this length and above is infinite.
const INFINITE: u64 = 1 << 62;

/// How far a delay may be off, in nanoseconds, and a number of tokens, relatively.
const NANOS_OFF: u64 = 1;
const TOKENS_OFF: f64 = 1e-9;

pub(crate) fn replay(trace: &Trace) -> Result<Replayed, Disagreement> {
    let settings: Settings = trace.settings()?;
    if !settings.monotonic {
        return Ok(Replayed::LeftOut("they rely on a clock that goes back"));
    }
    if settings.double_cancel {
        return Ok(Replayed::LeftOut("they rely on a second cancel of the same reservation"));
    }
    let mut state = State {
        bucket: TokenBucket::new(settings.limit.per_second(), settings.burst, at(0)),
        burst: settings.burst,
        unlimited: settings.limit.per_second().is_infinite(),
        tickets: HashMap::new(),
        acts: HashMap::new(),
    };
    for (number, step) in trace.steps::<Step>().enumerate() {
        let Step { t, op, tok } = step?;
        let looked_at = state.take(t, op).map_err(|wrong| match wrong {
            Wrong::Answer { expected, got } => trace.differs(number, expected, got),
            Wrong::Id(id) => Disagreement::Malformed {
                step: Some(number),
                why: format!("no reservation {id} can be meant"),
            },
        })?;
        let tokens = state.bucket.tokens(at(looked_at));
        if !is_close(tok, tokens) {
            return Err(trace.differs(number, tok, tokens));
        }
    }
    Ok(Replayed::Compared { steps: trace.steps.len(), skipped: 0 })
}

/// Why a step did not agree.
enum Wrong {
    Answer { expected: String, got: String },
    Id(u64),
}

impl State {
    /// Takes a step and compares what it says; the time at which the tokens are to be looked at.
    fn take(&mut self, t: i64, op: Op) -> Result<i64, Wrong> {
        match op {
            Op::AllowN { n, ok } => same(ok, self.bucket.allow(n, at(t)))?,
            Op::ReserveN { n, id, ok, delay } => {
                let reserved = self.bucket.reserve(n, Duration::MAX, at(t)).ok();
                same(ok, reserved.is_some())?;
                let acts = reserved.as_ref().map(Ticket::ready_at);
                self.acts.insert(id, acts);
                same_delay(delay, delay_from(acts, t))?;
                self.tickets.extend(reserved.map(|ticket| (id, ticket)));
            }
            Op::CancelAt { id } => {
                self.acts.get(&id).ok_or(Wrong::Id(id))?;
                if let Some(ticket) = self.tickets.remove(&id) {
                    self.bucket.cancel(ticket, at(t));
                }
            }
            Op::DelayFrom { id, delay } => {
                let acts = *self.acts.get(&id).ok_or(Wrong::Id(id))?;
                same_delay(delay, delay_from(acts, t))?;
            }
            Op::WaitN { n, deadline, cancelled_at, r, delay } => {
                return self.wait(t, n, deadline, cancelled_at, (r, delay));
            }
            Op::SetLimitAt { limit } => {
                self.unlimited = limit.per_second().is_infinite();
                self.bucket.set_rate(limit.per_second(), at(t));
            }
            Op::SetBurstAt { burst } => {
                self.burst = burst;
                self.bucket.set_burst(burst, at(t));
            }
            Op::TokensAt => {}
        }
        Ok(t)
    }

    /// A wait, as callers of a bucket make it: reserve, sleep, give back if told to go away.
    fn wait(
        &mut self,
        t: i64,
        n: u32,
        deadline: Option<i64>,
        cancelled_at: Option<i64>,
        (r, delay): (Waited, u64),
    ) -> Result<i64, Wrong> {
        let may_wait = match deadline {
            None => Some(Duration::MAX),
            Some(deadline) => u64::try_from(deadline - t).ok().map(Duration::from_nanos),
        };
        if n > self.burst && !self.unlimited {
            same(r, Waited::ExceedsBurst)?;
            return Ok(t);
        }
        if cancelled_at.is_some_and(|cancelled| cancelled <= t) {
            same(r, Waited::Cancelled)?;
            return Ok(t);
        }
        let reserved = match may_wait {
            Some(may_wait) => self.bucket.reserve(n, may_wait, at(t)).ok(),
            // The deadline is over, which no caller of ours asks with; only without a limit does
            // the library not look at it.
            None if self.unlimited => self.bucket.reserve(n, Duration::ZERO, at(t)).ok(),
            None => None,
        };
        let Some(ticket) = reserved else {
            same(r, Waited::ExceedsDeadline)?;
            return Ok(t);
        };
        let wait = delay_from(Some(ticket.ready_at()), t);
        match cancelled_at.filter(|cancelled| cancelled.abs_diff(t) < wait) {
            Some(cancelled) => {
                self.bucket.cancel(ticket, at(cancelled));
                same(r, Waited::Cancelled)?;
                Ok(cancelled)
            }
            None => {
                same(r, Waited::Ok)?;
                same_delay(delay, wait)?;
                Ok(t)
            }
        }
    }
}

impl Limit {
    fn per_second(self) -> f64 {
        match self {
            Self::PerSecond(number) => number,
            Self::Word(Word::Infinite) => f64::INFINITY,
        }
    }
}

/// A moment of the trace, with room before it.
fn at(t: i64) -> Moment {
    Moment::from_nanos(ORIGIN.saturating_add_signed(t))
}

/// How long after `t` a reservation acts: one that was refused never does.
fn delay_from(acts: Option<Moment>, t: i64) -> u64 {
    acts.map_or(u64::MAX, |acts| acts.as_nanos().saturating_sub(at(t).as_nanos()))
}

fn same<T: PartialEq + std::fmt::Debug>(expected: T, got: T) -> Result<(), Wrong> {
    if expected == got { Ok(()) } else { Err(Wrong::answer(expected, got)) }
}

fn same_delay(expected: u64, got: u64) -> Result<(), Wrong> {
    let both_infinite = expected >= INFINITE && got >= INFINITE;
    if both_infinite || expected.abs_diff(got) <= NANOS_OFF {
        Ok(())
    } else {
        Err(Wrong::answer(expected, got))
    }
}

fn is_close(expected: f64, got: f64) -> bool {
    (expected - got).abs() <= expected.abs() * TOKENS_OFF
}

impl Wrong {
    fn answer(expected: impl std::fmt::Debug, got: impl std::fmt::Debug) -> Self {
        Self::Answer { expected: format!("{expected:?}"), got: format!("{got:?}") }
    }
}
