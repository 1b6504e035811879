//! What can be said of a method: the same words in an attribute, a file, a registry and on the
//! console. Every value can be written as a constant, since attributes become constants.

use std::borrow::Cow;
use std::mem;
use std::time::Duration;

use rpc_codec::Priority;

/// What one source says of a method, key by key.
///
/// A key is absent (a less specific entry or a weaker source decides), switched off, or on. It is
/// taken whole from whoever decides: values are never merged.
///
/// Keys may be added: write `Rules { timeout: .., ..Rules::NONE }`, which also works in a constant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// How long a call may take, attempts and waits included.
    pub timeout: Option<Setting<Duration>>,
    /// How long each attempt may take.
    pub per_try: Option<Setting<Duration>>,
    /// Attempts after the first.
    pub retry: Option<Setting<RetryRule>>,
    /// A second attempt beside a slow one.
    pub hedge: Option<Setting<HedgeRule>>,
    /// Calls per time.
    pub limit: Option<Setting<LimitRule>>,
    /// Calls at a time.
    pub concurrency: Option<Setting<ConcurrencyRule>>,
    /// Refusing while what is called fails.
    pub breaker: Option<Setting<BreakerRule>>,
    /// What to answer instead.
    pub fallback: Option<Setting<FallbackRule>>,
    /// Answer by the fallback without calling.
    pub degrade: Option<Setting<()>>,
    /// From which level of the process on `degrade` is in force.
    pub optional: Option<Setting<u8>>,
    /// How much calls matter.
    pub priority: Option<Setting<Priority>>,
    /// Keys that only count what they would do.
    pub dark: Option<Setting<Keys>>,
}

/// A key that is said: `"off"`, or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting<T> {
    /// Switched off, whatever a less specific entry or a weaker source says.
    Off,
    /// In force.
    On(T),
}

/// `{ attempts = 3, backoff = "10ms", max_backoff = "1s" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRule {
    /// Attempts in all, the first included: at least 1.
    pub attempts: u32,
    /// The pause before the second attempt, about.
    pub backoff: Duration,
    /// The longest pause, about.
    pub max_backoff: Duration,
}

/// `{ after = "20ms", max = 1 }` or `{ after = "p95" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeRule {
    /// When a further attempt joins those that have not been answered.
    pub after: HedgeAfter,
    /// How many may join.
    pub max: u32,
}

/// When to hedge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeAfter {
    /// After so long.
    Delay(Duration),
    /// After the time in which this share of attempts is answered.
    Percentile(Share),
}

/// `{ rate = "100/s", burst = 20, kind = "token", wait = "0ms", key = "caller" }`.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitRule {
    /// How many per time.
    pub rate: Rate,
    /// How many at once, where that was saved up; `None` for one second's worth, at least one.
    pub burst: Option<u32>,
    /// By which algorithm.
    pub kind: LimitKind,
    /// How long a call may wait for its turn.
    pub wait: Duration,
    /// A limit each for what this tells apart, instead of one for all.
    pub key: Option<Key>,
}

/// `"100/s"`: so many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub permits: u32,
    /// In how long: more than zero.
    pub per: Duration,
}

/// The algorithm of a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitKind {
    /// A bucket of tokens that fills at the rate; a burst passes at once.
    #[default]
    Token,
    /// One after the other, evenly spaced; what was not used is made up for, up to `burst`.
    Leaky,
    /// So many in each window of time. Up to twice as many around its end.
    Fixed,
    /// So many in any stretch of time, nearly: the last window counts in part.
    Sliding,
}

/// What tells one caller, tenant or shard from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Who calls: the authenticated identity, else the peer's name, else its address.
    Caller,
    /// The value of this metadata.
    Metadata(Cow<'static, str>),
}

/// `64`, `"adaptive"` or `{ max = 64, queue = 100, wait = "50ms" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConcurrencyRule {
    /// So many at a time.
    Fixed {
        /// How many calls may be under way.
        max: u32,
        /// How many more may wait; none if zero.
        queue: u32,
        /// For how long.
        wait: Duration,
    },
    /// As many as turn out not to slow each other down.
    Adaptive,
}

/// `{ kind = "trip", failure_rate = "50%", window = "10s", min_calls = 20, open = "5s", .. }`.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerRule {
    /// All or nothing, or a growing share.
    pub kind: BreakerKind,
    /// Opens at this share of failures.
    pub failure_rate: Option<Share>,
    /// Opens at this share of slow calls.
    pub slow_rate: Option<Share>,
    /// From when on a call is slow.
    pub slow: Duration,
    /// Opens at so many failures in a row.
    pub consecutive: Option<u32>,
    /// What is looked at.
    pub window: Window,
    /// Rates say nothing below so many calls.
    pub min_calls: u32,
    /// How long it stays open at first, about.
    pub open: Duration,
    /// How long at most when it opens again and again.
    pub max_open: Duration,
    /// How many calls try whether it is better, at a time; as many have to succeed.
    pub probes: u32,
    /// A breaker each for what this tells apart, instead of one for all.
    pub key: Option<Key>,
}

/// How a breaker refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerKind {
    /// Closed, open, half-open.
    #[default]
    Trip,
    /// A share that grows with the failures: where one shard of many may be ill.
    Throttle,
}

/// What a breaker looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The calls of this last while.
    Time(Duration),
    /// So many last calls.
    Calls(u32),
}

/// `"default"`, `{ last_good = "30s", max = 1000, vary = ["tenant"] }`, or a function in code.
#[derive(Clone, Debug, PartialEq)]
pub enum FallbackRule {
    /// The return type's `Default`.
    Default,
    /// The last good answer to the same arguments.
    LastGood {
        /// How old it may be.
        ttl: Duration,
        /// How many are kept.
        max: u32,
        /// Metadata that tells answers apart beside the arguments.
        vary: Cow<'static, [Cow<'static, str>]>,
    },
    /// The function that the attribute names.
    Function,
}

/// A share from 0 to 1, in millionths: `"50%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Nothing of it.
    pub const ZERO: Self = Self(0);
    /// All of it.
    pub const ONE: Self = Self(1_000_000);

    /// So many millionths; what is more than all is all.
    pub const fn from_millionths(millionths: u32) -> Self {
        Self(if millionths > 1_000_000 { 1_000_000 } else { millionths })
    }

    /// So many percent; what is more than all is all.
    pub const fn from_percent(percent: u32) -> Self {
        Self::from_millionths(percent.saturating_mul(10_000))
    }

    /// In millionths.
    pub const fn as_millionths(self) -> u32 {
        self.0
    }

    /// As a number from 0.0 to 1.0.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// Whether `part` of `whole` is at least this share. Nothing of nothing is no share at all.
    pub fn is_reached(self, part: u64, whole: u64) -> bool {
        whole > 0 && u128::from(part) * 1_000_000 >= u128::from(self.0) * u128::from(whole)
    }
}

/// The keys of rules, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys(u16);

/// A key of [`Rules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // each is the field of that name
pub enum RuleKey {
    Timeout,
    PerTry,
    Retry,
    Hedge,
    Limit,
    Concurrency,
    Breaker,
    Fallback,
    Degrade,
    Optional,
    Priority,
    Dark,
}

impl RuleKey {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 12] = [
        Self::Timeout,
        Self::PerTry,
        Self::Retry,
        Self::Hedge,
        Self::Limit,
        Self::Concurrency,
        Self::Breaker,
        Self::Fallback,
        Self::Degrade,
        Self::Optional,
        Self::Priority,
        Self::Dark,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::PerTry => "per_try",
            Self::Retry => "retry",
            Self::Hedge => "hedge",
            Self::Limit => "limit",
            Self::Concurrency => "concurrency",
            Self::Breaker => "breaker",
            Self::Fallback => "fallback",
            Self::Degrade => "degrade",
            Self::Optional => "optional",
            Self::Priority => "priority",
            Self::Dark => "dark",
        }
    }
}

impl Keys {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// These and `key`.
    #[must_use]
    pub const fn with(self, key: RuleKey) -> Self {
        Self(self.0 | 1 << key as u16)
    }

    /// Whether `key` is among them.
    pub const fn contains(self, key: RuleKey) -> bool {
        self.0 & (1 << key as u16) != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Them, in the order in which they are shown.
    pub fn iter(self) -> impl Iterator<Item = RuleKey> {
        RuleKey::ALL.into_iter().filter(move |key| self.contains(*key))
    }
}

impl Rules {
    /// Nothing is said.
    pub const NONE: Self = Self {
        timeout: None,
        per_try: None,
        retry: None,
        hedge: None,
        limit: None,
        concurrency: None,
        breaker: None,
        fallback: None,
        degrade: None,
        optional: None,
        priority: None,
        dark: None,
    };
}

impl RetryRule {
    /// What holds where nothing else is said.
    pub const DEFAULT: Self = Self {
        attempts: 3,
        backoff: Duration::from_millis(10),
        max_backoff: Duration::from_secs(1),
    };
}

impl HedgeRule {
    /// What holds where nothing else is said: one more, after 95 % have been answered.
    pub const DEFAULT: Self =
        Self { after: HedgeAfter::Percentile(Share::from_percent(95)), max: 1 };
}

impl LimitRule {
    /// A limit to this rate, all else as where nothing is said.
    pub const fn to(rate: Rate) -> Self {
        Self { rate, burst: None, kind: LimitKind::Token, wait: Duration::ZERO, key: None }
    }

    /// With so many at once.
    #[must_use]
    pub const fn with_burst(mut self, burst: u32) -> Self {
        self.burst = Some(burst);
        self
    }

    /// By this algorithm.
    #[must_use]
    pub const fn with_kind(mut self, kind: LimitKind) -> Self {
        self.kind = kind;
        self
    }

    /// With so long a wait for one's turn.
    #[must_use]
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// A limit each for what `key` tells apart.
    #[must_use]
    #[expect(clippy::mem_forget, reason = "what a constant had before owns no memory")]
    pub const fn with_key(mut self, key: Key) -> Self {
        // Nothing can be dropped in a constant.
        mem::forget(self.key.replace(key));
        self
    }
}

impl BreakerRule {
    /// What holds where nothing else is said: half of at least 20 calls within 10 s.
    pub const DEFAULT: Self = Self {
        kind: BreakerKind::Trip,
        failure_rate: Some(Share::from_percent(50)),
        slow_rate: None,
        slow: Duration::from_secs(1),
        consecutive: None,
        window: Window::Time(Duration::from_secs(10)),
        min_calls: 20,
        open: Duration::from_secs(5),
        max_open: Duration::from_secs(60),
        probes: 1,
        key: None,
    };
}

impl FallbackRule {
    /// How many last good answers are kept where nothing else is said.
    pub const DEFAULT_MAX: u32 = 1000;
}

impl<T> Setting<T> {
    /// The value, if it is on.
    pub fn on(&self) -> Option<&T> {
        match self {
            Self::Off => None,
            Self::On(value) => Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_reached_without_rounding() {
        let half = Share::from_percent(50);
        assert!(half.is_reached(1, 2) && half.is_reached(u64::MAX, u64::MAX));
        assert!(!half.is_reached(99, 200), "49.5 % is not 50 %");
        assert!(!half.is_reached(0, 0), "nothing of nothing");
        assert_eq!(Share::from_percent(u32::MAX), Share::ONE);
    }

    #[test]
    fn keys_are_a_set() {
        let keys = Keys::NONE.with(RuleKey::Hedge).with(RuleKey::Limit);
        assert!(keys.contains(RuleKey::Hedge) && !keys.contains(RuleKey::Retry));
        assert_eq!(keys.iter().map(RuleKey::name).collect::<Vec<_>>(), ["hedge", "limit"]);
    }
}
