//! Values in the words in which they are written, so that what is shown can be copied into a file;
//! and the same words shortened, for a person to read.

use std::fmt;
use std::time::Duration;

use rpc_codec::Priority;

use super::types::{
    BreakerKind, BreakerRule, ConcurrencyRule, FallbackRule, HedgeAfter, HedgeRule, Key, LimitKind,
    LimitRule, RetryRule, RuleKey, Rules, Setting, Share, Window,
};
use super::units::{Written, percentage};

/// A value as a file has it. Its `Display` is TOML.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Words {
    Flag(bool),
    Number(u64),
    Text(String),
    List(Vec<String>),
    Table(Vec<(&'static str, Words)>),
}

impl Words {
    fn text(text: impl fmt::Display) -> Self {
        Self::Text(text.to_string())
    }

    /// Shortened: `500/s burst 50`.
    pub(crate) fn short(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(", "),
            Self::Table(fields) => {
                let field = |(name, value): &(&str, Self)| match *name {
                    "rate" => value.short(),
                    name => format!("{name} {}", value.short()),
                };
                fields.iter().map(field).collect::<Vec<_>>().join(" ")
            }
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{}", Quoted(text)),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(|item| Quoted(item).to_string()).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::Table(fields) => {
                let fields: Vec<_> =
                    fields.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                write!(f, "{{ {} }}", fields.join(", "))
            }
        }
    }
}

/// A text as TOML and JSON quote it. What rules say holds no control characters.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// The fields of a table that are worth saying.
#[derive(Default)]
struct Fields(Vec<(&'static str, Words)>);

impl Fields {
    fn always(mut self, name: &'static str, value: Words) -> Self {
        self.0.push((name, value));
        self
    }

    /// Says `name` unless it is what holds anyway.
    fn unless<T: PartialEq>(
        self,
        name: &'static str,
        value: &T,
        anyway: &T,
        words: impl FnOnce(&T) -> Words,
    ) -> Self {
        if value == anyway { self } else { self.always(name, words(value)) }
    }

    fn table(self) -> Words {
        Words::Table(self.0)
    }
}

fn time(duration: &Duration) -> Words {
    Words::text(Written(*duration))
}

fn number(number: &u32) -> Words {
    Words::Number(u64::from(*number))
}

fn share_or_off(share: &Option<Share>) -> Words {
    share.map_or(Words::text("off"), Words::text)
}

fn key(key: &Option<Key>) -> Words {
    Words::text(match key {
        None => "",
        Some(Key::Caller) => "caller",
        Some(Key::Metadata(name)) => name,
    })
}

fn retry(rule: &RetryRule) -> Words {
    let anyway = RetryRule::DEFAULT;
    Fields::default()
        .always("attempts", number(&rule.attempts))
        .unless("backoff", &rule.backoff, &anyway.backoff, time)
        .unless("max_backoff", &rule.max_backoff, &anyway.max_backoff, time)
        .table()
}

fn hedge(rule: &HedgeRule) -> Words {
    let after = |after: &HedgeAfter| match after {
        HedgeAfter::Delay(delay) => time(delay),
        HedgeAfter::Percentile(share) => Words::text(format!("p{}", percentage(*share))),
    };
    Fields::default()
        .always("after", after(&rule.after))
        .unless("max", &rule.max, &HedgeRule::DEFAULT.max, number)
        .table()
}

fn limit(rule: &LimitRule) -> Words {
    let kind = |kind: &LimitKind| Words::text(kind.name());
    Fields::default()
        .always("rate", Words::text(rule.rate))
        .unless("burst", &rule.burst, &None, |burst| number(&burst.unwrap_or(0)))
        .unless("kind", &rule.kind, &LimitKind::Token, kind)
        .unless("wait", &rule.wait, &Duration::ZERO, time)
        .unless("key", &rule.key, &None, key)
        .table()
}

fn concurrency(rule: &ConcurrencyRule) -> Words {
    match rule {
        ConcurrencyRule::Adaptive => Words::text("adaptive"),
        ConcurrencyRule::Fixed { max, queue: 0, .. } => number(max),
        ConcurrencyRule::Fixed { max, queue, wait } => Fields::default()
            .always("max", number(max))
            .always("queue", number(queue))
            .always("wait", time(wait))
            .table(),
    }
}

fn breaker(rule: &BreakerRule) -> Words {
    let anyway = BreakerRule::DEFAULT;
    let kind = |kind: &BreakerKind| Words::text(kind.name());
    let window = |window: &Window| match window {
        Window::Time(time) => self::time(time),
        Window::Calls(calls) => number(calls),
    };
    // The rate that holds where nothing else opens it is said all the same.
    let says_else = rule.slow_rate.is_some() || rule.consecutive.is_some();
    let rate_anyway = if says_else { None } else { Some(Share::ZERO) };
    Fields::default()
        .unless("kind", &rule.kind, &anyway.kind, kind)
        .unless("failure_rate", &rule.failure_rate, &rate_anyway, share_or_off)
        .unless("slow_rate", &rule.slow_rate, &None, share_or_off)
        .unless("slow", &rule.slow, &anyway.slow, time)
        .unless("consecutive", &rule.consecutive, &None, |run| number(&run.unwrap_or(0)))
        .unless("window", &rule.window, &anyway.window, window)
        .unless("min_calls", &rule.min_calls, &anyway.min_calls, number)
        .unless("open", &rule.open, &anyway.open, time)
        .unless("max_open", &rule.max_open, &anyway.max_open, time)
        .unless("probes", &rule.probes, &anyway.probes, number)
        .unless("key", &rule.key, &None, key)
        .table()
}

fn fallback(rule: &FallbackRule) -> Words {
    match rule {
        FallbackRule::Default => Words::text("default"),
        // Only code can name one; this is how it is shown, not how it could be written.
        FallbackRule::Function => Words::text("function"),
        FallbackRule::LastGood { ttl, max, vary } => Fields::default()
            .always("last_good", time(ttl))
            .unless("max", max, &FallbackRule::DEFAULT_MAX, number)
            .unless("vary", &vary.to_vec(), &Vec::new(), |vary| {
                Words::List(vary.iter().map(ToString::to_string).collect())
            })
            .table(),
    }
}

fn setting<T>(setting: &Option<Setting<T>>, words: impl FnOnce(&T) -> Words) -> Option<Words> {
    setting.as_ref().map(|setting| match setting {
        Setting::Off => Words::text("off"),
        Setting::On(value) => words(value),
    })
}

impl Rules {
    /// What is said of `key`.
    pub(crate) fn words(&self, key: RuleKey) -> Option<Words> {
        match key {
            RuleKey::Timeout => setting(&self.timeout, time),
            RuleKey::PerTry => setting(&self.per_try, time),
            RuleKey::Retry => setting(&self.retry, retry),
            RuleKey::Hedge => setting(&self.hedge, hedge),
            RuleKey::Limit => setting(&self.limit, limit),
            RuleKey::Concurrency => setting(&self.concurrency, concurrency),
            RuleKey::Breaker => setting(&self.breaker, breaker),
            RuleKey::Fallback => setting(&self.fallback, fallback),
            RuleKey::Degrade => setting(&self.degrade, |()| Words::Flag(true)),
            RuleKey::Optional => setting(&self.optional, |level| Words::Number((*level).into())),
            RuleKey::Priority => setting(&self.priority, |it| Words::text(priority_name(*it))),
            RuleKey::Dark => setting(&self.dark, |keys| {
                Words::List(keys.iter().map(|key| key.name().to_owned()).collect())
            }),
        }
    }

    /// What is said of `key`, where it is a cap: a hedge is bounded in number only.
    pub(crate) fn cap_words(&self, key: RuleKey) -> Option<Words> {
        match (key, &self.hedge) {
            (RuleKey::Hedge, Some(Setting::On(HedgeRule { max, .. }))) => {
                Some(Fields::default().always("max", number(max)).table())
            }
            _ => self.words(key),
        }
    }

    /// What is said of `key`, as a file would say it: `{ rate = "500/s", burst = 50 }`.
    pub fn written(&self, key: RuleKey) -> Option<String> {
        self.words(key).map(|words| words.to_string())
    }

    /// What is said of `key`, shortened: `500/s burst 50`.
    pub fn shown(&self, key: RuleKey) -> Option<String> {
        self.words(key).map(|words| words.short())
    }

    /// Whether `key` is said, and not `"off"`.
    pub fn is_on(&self, key: RuleKey) -> bool {
        self.words(key).is_some_and(|words| words != Words::text("off"))
    }

    /// The keys of which something is said.
    pub fn keys(&self) -> impl Iterator<Item = RuleKey> {
        RuleKey::ALL.into_iter().filter(|key| self.words(*key).is_some())
    }
}

/// A line for each key that is said: what a file would have.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in RuleKey::ALL {
            if let Some(words) = self.words(key) {
                writeln!(f, "{} = {words}", key.name())?;
            }
        }
        Ok(())
    }
}

macro_rules! displayed {
    ($($rule:ty: $words:ident;)*) => {$(
        /// As a file would say it.
        impl fmt::Display for $rule {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $words(self).fmt(f)
            }
        }
    )*};
}

displayed! {
    RetryRule: retry;
    HedgeRule: hedge;
    LimitRule: limit;
    ConcurrencyRule: concurrency;
    BreakerRule: breaker;
    FallbackRule: fallback;
}

impl LimitKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Token, Self::Leaky, Self::Fixed, Self::Sliding];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Leaky => "leaky",
            Self::Fixed => "fixed",
            Self::Sliding => "sliding",
        }
    }
}

impl BreakerKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Trip, Self::Throttle];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trip => "trip",
            Self::Throttle => "throttle",
        }
    }
}

/// From the one that matters most.
pub(crate) const PRIORITIES: [Priority; 4] =
    [Priority::Critical, Priority::Normal, Priority::Sheddable, Priority::Bulk];

/// As it is written.
pub(crate) fn priority_name(priority: Priority) -> &'static str {
    match priority {
        Priority::Critical => "critical",
        Priority::Normal => "normal",
        Priority::Sheddable => "sheddable",
        Priority::Bulk => "bulk",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_said_in_a_files_words_and_in_short() {
        let rate = crate::governance::rules::units::parse_rate("500/s").expect("a rate");
        let limit = LimitRule { burst: Some(50), ..LimitRule::to(rate) };
        let rules = Rules {
            timeout: Some(Setting::On(Duration::from_millis(200))),
            hedge: Some(Setting::Off),
            limit: Some(Setting::On(limit)),
            ..Rules::NONE
        };
        assert_eq!(
            rules.to_string(),
            "timeout = \"200ms\"\nhedge = \"off\"\nlimit = { rate = \"500/s\", burst = 50 }\n"
        );
        assert_eq!(rules.shown(RuleKey::Limit).as_deref(), Some("500/s burst 50"));
        assert_eq!(rules.shown(RuleKey::Retry), None);
    }

    #[test]
    fn a_breaker_says_what_differs() {
        let rule = BreakerRule { consecutive: Some(5), ..BreakerRule::DEFAULT };
        assert_eq!(rule.to_string(), "{ failure_rate = \"50%\", consecutive = 5 }");
    }
}
