//! Each file of `valid/` is read, and says the same when it is written out and read again.

use proptest::prelude::*;

use std::time::Duration;

use rpc_core::governance::rules::{
    BreakerKind, BreakerRule, ConcurrencyRule, FallbackRule, HedgeAfter, HedgeRule, Key, Keys,
    LimitKind, LimitRule, Rate, RetryRule, RuleKey, RuleSet, Rules, Setting, Share, Side, Strength,
    Syntax, Target, Window,
};

use crate::{files, folder, parse};

#[test]
fn valid_files_are_read_and_written_out_again() {
    for path in files(&folder("valid"), &["toml", "json"]) {
        let set = parse(&path).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let written = set.to_string();
        let again = RuleSet::parse(Strength::File, "again", Syntax::Toml, &written, None)
            .unwrap_or_else(|mistakes| panic!("{written}\n{mistakes}"));
        assert_eq!(again.to_string(), written);
        assert_eq!(again.source().as_ref(), "again");
    }
}

#[test]
fn the_same_rules_in_toml_and_json_are_the_same() {
    let [toml, json] = ["valid/design.toml", "valid/design.json"].map(|name| {
        parse(&folder(name)).unwrap_or_else(|mistakes| panic!("{mistakes}")).to_string()
    });
    assert_eq!(toml, json);
}

#[test]
fn every_key_can_be_written() {
    let set = parse(&folder("valid/everything.toml")).expect("valid rules");
    let defaults = set.side(Side::Client).entry(&Target::Defaults).expect("defaults");
    for key in RuleKey::ALL {
        assert!(defaults.rules().written(key).is_some(), "{}", key.name());
        assert!(defaults.origin(key).expect("an origin").place.is_some(), "{}", key.name());
    }
}

fn duration() -> impl Strategy<Value = Duration> {
    (1_u64.., 0_u32..63).prop_map(|(nanos, shift)| Duration::from_nanos((nanos >> shift).max(1)))
}

fn share() -> impl Strategy<Value = Share> {
    (1_u32..=1_000_000).prop_map(Share::from_millionths)
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        Just(Key::Caller),
        "[a-z][a-z0-9-]{0,8}x".prop_map(|name| Key::Metadata(name.into()))
    ]
}

prop_compose! {
    fn limit()(
        permits in 1_u32.., per in duration(), burst in proptest::option::of(1_u32..),
        kind in 0..4_usize, wait in duration(), key in proptest::option::of(key()),
    ) -> LimitRule {
        let kind = LimitKind::ALL[kind];
        let burst = burst.filter(|_| matches!(kind, LimitKind::Token | LimitKind::Leaky));
        LimitRule { burst, kind, wait, key, ..LimitRule::to(Rate { permits, per }) }
    }
}

prop_compose! {
    fn breaker()(
        failure_rate in proptest::option::of(share()), slow_rate in share(), slow in duration(),
        consecutive in proptest::option::of(1_u32..), time in duration(), calls in 1_u32..=10_000,
        by_calls in any::<bool>(), min_calls in 1_u32.., open in duration(), grow in 1_u32..4,
        probes in 1_u32..=1_000, throttle in any::<bool>(), key in proptest::option::of(key()),
    ) -> BreakerRule {
        let anyway = BreakerRule::DEFAULT;
        let window = if by_calls { Window::Calls(calls) } else { Window::Time(time) };
        let min_calls = if by_calls { min_calls.min(calls) } else { min_calls };
        let open = open / 8;
        let rule = BreakerRule {
            kind: BreakerKind::Trip, failure_rate, slow_rate: Some(slow_rate), slow, consecutive, window,
            min_calls, open: open.max(Duration::from_nanos(1)), max_open: (open * grow).max(Duration::from_nanos(1)),
            probes, key,
        };
        if !throttle {
            return rule;
        }
        let (open, max_open, probes) = (anyway.open, anyway.max_open, anyway.probes);
        let (failure_rate, slow_rate, slow) = (failure_rate.or(anyway.failure_rate), None, anyway.slow);
        BreakerRule {
            kind: BreakerKind::Throttle, failure_rate, slow_rate, slow, consecutive: None, open, max_open,
            probes, ..rule
        }
    }
}

prop_compose! {
    fn rules()(
        timeout in duration(), attempts in 1_u32..=100, backoff in duration(), grow in 1_u32..4,
        delay in duration(), percentile in 1_u32..1_000_000, by_time in any::<bool>(), hedges in 1_u32..=10,
        limit in limit(), breaker in breaker(), max in 1_u32.., queue in any::<u32>(), wait in duration(),
        adaptive in any::<bool>(), ttl in duration(), vary in proptest::collection::vec("[a-z]{1,5}", 0..3),
        which in 0..3_u8, optional in 1_u8.., off in any::<u16>(), dark in any::<u16>(),
    ) -> Rules {
        let after = match by_time {
            true => HedgeAfter::Delay(delay),
            false => HedgeAfter::Percentile(Share::from_millionths(percentile)),
        };
        let wait = if queue == 0 { Duration::ZERO } else { wait };
        let longest = limit.wait.max(wait).max(delay).max(backoff).max(breaker.slow);
        let concurrency = match adaptive {
            true => ConcurrencyRule::Adaptive,
            false => ConcurrencyRule::Fixed { max, queue, wait },
        };
        let fallback = match which {
            0 => FallbackRule::Default,
            _ => FallbackRule::LastGood { ttl, max, vary: vary.into_iter().map(Into::into).collect() },
        };
        let keys = RuleKey::ALL.into_iter().filter(|key| key.can_be_dark() && dark & 1 << *key as u16 != 0);
        let backoff = backoff / 8 + Duration::from_nanos(1);
        let mut rules = Rules::NONE;
        rules.timeout = Some(Setting::On(timeout));
        rules.retry = Some(Setting::On(RetryRule { attempts, backoff, max_backoff: backoff * grow }));
        rules.hedge = Some(Setting::On(HedgeRule { after, max: hedges }));
        rules.limit = Some(Setting::On(limit));
        rules.concurrency = Some(Setting::On(concurrency));
        rules.breaker = Some(Setting::On(breaker));
        rules.fallback = Some(Setting::On(fallback));
        rules.degrade = Some(if adaptive { Setting::On(()) } else { Setting::Off });
        rules.optional = Some(Setting::On(optional));
        rules.priority = Some(Setting::On(rpc_core::Priority::Bulk));
        rules.dark = Some(Setting::On(keys.fold(Keys::NONE, Keys::with)));
        // Nothing may wait for longer than the call takes.
        if longest >= timeout {
            rules.timeout = Some(Setting::Off);
        }
        let mut none = Rules::NONE;
        none.retry = Some(Setting::Off);
        none.limit = Some(Setting::Off);
        none.breaker = Some(Setting::Off);
        for key in [RuleKey::Retry, RuleKey::Limit, RuleKey::Breaker] {
            if off & 1 << key as u16 != 0 {
                rules.take(key, &none);
            }
        }
        rules
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_the_same(rules in rules()) {
        let text = format!("[client.\"a.B/c\"]\n{rules}");
        let set = RuleSet::parse(Strength::File, "r", Syntax::Toml, &text, None);
        let set = set.map_err(|mistakes| TestCaseError::fail(format!("{text}\n{mistakes}")))?;
        let target = Target::Method("a.B/c".to_owned());
        let entry = set.side(Side::Client).entry(&target).expect("what was written");
        prop_assert_eq!(entry.rules(), &rules);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(\\[[a-z\"./]{0,12}\\]\n|[a-z_]{1,8} = [0-9a-z\"{}\\[\\]., ]{0,16}\n){0,6}|\\PC{0,60}") {
        for syntax in [Syntax::Toml, Syntax::Json] {
            let _ = RuleSet::parse(Strength::File, "r", syntax, &text, None);
        }
    }
}
