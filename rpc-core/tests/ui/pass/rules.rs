//! What `#[rpc(..)]` may say of a method, and that the method then knows it.

use std::time::Duration;

use rpc_core::client::Client;
use rpc_core::governance::outcome::Outcome;
use rpc_core::governance::rules::{
    BreakerKind, BreakerRule, ConcurrencyRule, FallbackRule, HedgeAfter, HedgeRule, Key, Keys,
    LimitKind, LimitRule, Rate, RetryRule, RuleKey, Rules, Setting, Share, Window,
};
use rpc_core::{Priority, Status, service};

/// One method for what belongs together.
#[service]
pub trait Lab {
    /// Nothing.
    async fn plain(&self) -> Result<u64, Status>;

    /// Times.
    #[rpc(timeout = "200ms", per_try = "200ms")]
    async fn times(&self) -> Result<u64, Status>;

    /// Further attempts; retries need no `idempotent`, for they are of what has not run.
    #[rpc(retry(attempts = 1, backoff = "1s"))]
    async fn retries(&self) -> Result<u64, Status>;

    /// What is not said fits what is.
    #[rpc(retry(backoff = "2s"), breaker(open = "2m", window = 10))]
    async fn long(&self) -> Result<u64, Status>;

    /// The same from the other side.
    #[rpc(retry(max_backoff = "1ms"), breaker(max_open = "1s"))]
    async fn short(&self) -> Result<u64, Status>;

    /// Said in two attributes.
    #[rpc(idempotent)]
    #[rpc(hedge(after = "20ms"), dark = ["hedge", "retry"])]
    async fn hedges(&self) -> Result<u64, Status>;

    /// Limits.
    #[rpc(
        limit(rate = "100/s", burst = 20, kind = "token", wait = "0ms", key = "caller"),
        concurrency = 64
    )]
    async fn limits(&self) -> Result<u64, Status>;

    /// Of another kind.
    #[rpc(limit(kind = "sliding", rate = "5/1.5s", key = "x-tenant"), concurrency(max = 1))]
    async fn windows(&self) -> Result<u64, Status>;

    /// Opens at what is said, and at nothing else.
    #[rpc(breaker(consecutive = 5, window = 10))]
    async fn consecutive(&self) -> Result<u64, Status>;

    /// Opens at the default share.
    #[rpc(breaker(kind = "throttle", min_calls = 10, window = 10, key = "caller"))]
    async fn default_rate(&self) -> Result<u64, Status>;

    /// The rest.
    #[rpc(optional = 255, priority = "bulk", fallback(last_good = "30s", vary = ["tenant"]))]
    async fn rest(&self) -> Result<u64, Status>;

    /// Off.
    #[rpc(
        timeout = "off",
        per_try = "off",
        retry = "off",
        hedge = "off",
        limit = "off",
        concurrency = "off",
        breaker = "off",
        fallback = "off",
        optional = "off",
        priority = "off",
        dark = "off"
    )]
    async fn off(&self) -> Result<u64, Status>;

    /// How long a one-way call may wait to be sent, and what else makes sense for it.
    #[rpc(
        oneway, timeout = "1s", retry = "off", limit(rate = "1/m"), concurrency = "adaptive",
        breaker(), classify = lenient
    )]
    async fn oneway(&self) -> Result<(), Status>;
}

fn lenient(_: &Status) -> Option<Outcome> {
    None
}

fn check(method: &str, rules: Rules) {
    let found = LabClient::METHODS.iter().find(|known| known.name() == method);
    assert_eq!(found.map(|method| method.rules()), Some(&rules), "{method}");
}

const fn on<T>(value: T) -> Option<Setting<T>> {
    Some(Setting::On(value))
}

/// Each method knows what is said of it.
pub fn main() -> Result<(), Status> {
    let (ms, secs) = (Duration::from_millis, Duration::from_secs);
    check("plain", Rules::NONE);
    check("times", Rules { timeout: on(ms(200)), per_try: on(ms(200)), ..Rules::NONE });
    let retry = RetryRule { attempts: 1, backoff: secs(1), ..RetryRule::DEFAULT };
    check("retries", Rules { retry: on(retry), ..Rules::NONE });
    check(
        "hedges",
        Rules {
            hedge: on(HedgeRule { after: HedgeAfter::Delay(ms(20)), ..HedgeRule::DEFAULT }),
            dark: on(Keys::NONE.with(RuleKey::Hedge).with(RuleKey::Retry)),
            ..Rules::NONE
        },
    );
    let per_second = Rate { permits: 100, per: secs(1) };
    check(
        "limits",
        Rules {
            limit: on(LimitRule {
                burst: Some(20),
                key: Some(Key::Caller),
                ..LimitRule::to(per_second)
            }),
            concurrency: on(ConcurrencyRule::Fixed { max: 64, queue: 0, wait: Duration::ZERO }),
            ..Rules::NONE
        },
    );
    check(
        "windows",
        Rules {
            limit: on(LimitRule {
                kind: LimitKind::Sliding,
                key: Some(Key::Metadata("x-tenant".into())),
                ..LimitRule::to(Rate { permits: 5, per: ms(1500) })
            }),
            concurrency: on(ConcurrencyRule::Fixed { max: 1, queue: 0, wait: Duration::ZERO }),
            ..Rules::NONE
        },
    );
    check(
        "consecutive",
        Rules {
            breaker: on(BreakerRule {
                failure_rate: None,
                consecutive: Some(5),
                window: Window::Calls(10),
                min_calls: 10,
                ..BreakerRule::DEFAULT
            }),
            ..Rules::NONE
        },
    );
    check(
        "long",
        Rules {
            retry: on(RetryRule { backoff: secs(2), max_backoff: secs(2), ..RetryRule::DEFAULT }),
            breaker: on(BreakerRule {
                open: secs(120),
                max_open: secs(120),
                window: Window::Calls(10),
                min_calls: 10,
                ..BreakerRule::DEFAULT
            }),
            ..Rules::NONE
        },
    );
    check(
        "short",
        Rules {
            retry: on(RetryRule { backoff: ms(1), max_backoff: ms(1), ..RetryRule::DEFAULT }),
            breaker: on(BreakerRule { open: secs(1), max_open: secs(1), ..BreakerRule::DEFAULT }),
            ..Rules::NONE
        },
    );
    check(
        "default_rate",
        Rules {
            breaker: on(BreakerRule {
                kind: BreakerKind::Throttle,
                failure_rate: Some(Share::from_percent(50)),
                window: Window::Calls(10),
                min_calls: 10,
                key: Some(Key::Caller),
                ..BreakerRule::DEFAULT
            }),
            ..Rules::NONE
        },
    );
    check(
        "rest",
        Rules {
            optional: on(255),
            priority: on(Priority::Bulk),
            fallback: on(FallbackRule::LastGood {
                ttl: secs(30),
                max: FallbackRule::DEFAULT_MAX,
                vary: vec!["tenant".into()].into(),
            }),
            ..Rules::NONE
        },
    );
    check(
        "off",
        Rules {
            timeout: Some(Setting::Off),
            per_try: Some(Setting::Off),
            retry: Some(Setting::Off),
            hedge: Some(Setting::Off),
            limit: Some(Setting::Off),
            concurrency: Some(Setting::Off),
            breaker: Some(Setting::Off),
            fallback: Some(Setting::Off),
            optional: Some(Setting::Off),
            priority: Some(Setting::Off),
            dark: Some(Setting::Off),
            ..Rules::NONE
        },
    );
    check(
        "oneway",
        Rules {
            timeout: on(secs(1)),
            retry: Some(Setting::Off),
            limit: on(LimitRule::to(Rate { permits: 1, per: secs(60) })),
            concurrency: on(ConcurrencyRule::Adaptive),
            breaker: on(BreakerRule::DEFAULT),
            ..Rules::NONE
        },
    );
    Ok(())
}
