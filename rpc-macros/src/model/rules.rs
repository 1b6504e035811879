//! What `#[rpc(..)]` says. A setting that it lets out is `None`; `rpc_core` has the defaults.

use std::time::Duration;

use syn::{ExprPath, LitStr};

use crate::measure::Rate;

/// What the attributes of a method say.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    pub(crate) idempotent: bool,
    pub(crate) oneway: bool,
    pub(crate) classify: Option<ExprPath>,
    pub(crate) timeout: Option<Setting<Duration>>,
    pub(crate) per_try: Option<Setting<Duration>>,
    pub(crate) retry: Option<Setting<Retry>>,
    pub(crate) hedge: Option<Setting<Hedge>>,
    pub(crate) limit: Option<Setting<Limit>>,
    pub(crate) concurrency: Option<Setting<Concurrency>>,
    pub(crate) breaker: Option<Setting<Breaker>>,
    pub(crate) fallback: Option<Setting<Fallback>>,
    pub(crate) optional: Option<Setting<u8>>,
    pub(crate) priority: Option<Setting<Variant>>,
    pub(crate) dark: Option<Setting<Vec<Variant>>>,
}

/// `"off"`, or a value.
#[derive(Clone, Copy)]
pub(crate) enum Setting<T> {
    Off,
    On(T),
}

/// The name of a variant of one of `rpc_core`'s enums.
pub(crate) type Variant = &'static str;

#[derive(Clone, Default)]
pub(crate) struct Retry {
    pub(crate) attempts: Option<u32>,
    pub(crate) backoff: Option<Duration>,
    pub(crate) max_backoff: Option<Duration>,
}

#[derive(Clone, Default)]
pub(crate) struct Hedge {
    pub(crate) after: Option<After>,
    pub(crate) max: Option<u32>,
}

/// When to hedge.
#[derive(Clone, Copy)]
pub(crate) enum After {
    Delay(Duration),
    /// In millionths.
    Percentile(u32),
}

#[derive(Clone)]
pub(crate) struct Limit {
    pub(crate) rate: Rate,
    pub(crate) burst: Option<u32>,
    pub(crate) kind: Option<Variant>,
    pub(crate) wait: Option<Duration>,
    pub(crate) key: Option<Key>,
}

/// What tells one caller, tenant or shard from another.
#[derive(Clone)]
pub(crate) enum Key {
    Caller,
    Metadata(String),
}

#[derive(Clone, Copy)]
pub(crate) enum Concurrency {
    Adaptive,
    /// Without a queue, `wait` is zero.
    Fixed {
        max: u32,
        queue: u32,
        wait: Duration,
    },
}

#[derive(Clone, Default)]
pub(crate) struct Breaker {
    pub(crate) kind: Option<Variant>,
    /// In millionths, as is `slow_rate`.
    pub(crate) failure_rate: Option<u32>,
    pub(crate) slow_rate: Option<u32>,
    pub(crate) slow: Option<Duration>,
    pub(crate) consecutive: Option<u32>,
    pub(crate) window: Option<Window>,
    pub(crate) min_calls: Option<u32>,
    pub(crate) open: Option<Duration>,
    pub(crate) max_open: Option<Duration>,
    pub(crate) probes: Option<u32>,
    pub(crate) key: Option<Key>,
}

/// What a breaker looks at.
#[derive(Clone, Copy)]
pub(crate) enum Window {
    Time(Duration),
    Calls(u32),
}

#[derive(Clone)]
pub(crate) enum Fallback {
    /// The word `"default"`, to show there what has none.
    Default(LitStr),
    Function(ExprPath),
    LastGood {
        ttl: Duration,
        max: Option<u32>,
        vary: Vec<String>,
    },
}

impl<T> Setting<T> {
    /// The value, if it is on.
    pub(crate) fn on(&self) -> Option<&T> {
        match self {
            Self::Off => None,
            Self::On(value) => Some(value),
        }
    }
}

impl Breaker {
    /// Whether it is said at what it opens.
    pub(crate) fn has_threshold(&self) -> bool {
        self.failure_rate.is_some() || self.slow_rate.is_some() || self.consecutive.is_some()
    }
}
