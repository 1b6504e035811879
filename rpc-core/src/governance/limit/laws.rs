//! What holds of a limit of any kind.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::RateLimiter;
use crate::governance::Moment;
use crate::governance::rules::{LimitKind, LimitRule, Rate};

const KINDS: [LimitKind; 4] =
    [LimitKind::Token, LimitKind::Leaky, LimitKind::Fixed, LimitKind::Sliding];

const SECOND: Duration = Duration::from_secs(1);

/// Long after the beginning, as real moments are.
const BEGIN: Moment = Moment::from_nanos(1 << 60);

fn rule(kind: LimitKind, permits: u32, per: Duration, burst: u32) -> LimitRule {
    LimitRule { burst: Some(burst), kind, ..LimitRule::to(Rate { permits, per }) }
}

fn after(nanos: u64) -> Moment {
    BEGIN.plus(Duration::from_nanos(nanos))
}

fn kinds() -> impl Strategy<Value = LimitKind> {
    prop::sample::select(&KINDS[..])
}

/// How many single calls go at this moment.
fn going(limiter: &RateLimiter, now: Moment) -> u32 {
    (0..10_000).find(|_| limiter.try_acquire(1, now).is_err()).unwrap_or(10_000)
}

/// Check, then act, is how Sentinel and tower-resilience let more go than they allow.
#[test]
fn many_threads_on_one_limiter_never_let_more_go_than_it_allows() {
    for kind in KINDS {
        let limiter = Arc::new(RateLimiter::new(&rule(kind, 1_000, SECOND, 1_000), BEGIN));
        // A leaky bucket saves up from its first permit on.
        let used = limiter.try_acquire(1, BEGIN).is_ok();
        let now = BEGIN.plus(SECOND * 10);
        let threads: Vec<_> = (0..4)
            .map(|_| Arc::clone(&limiter))
            .map(|limiter| thread::spawn(move || going(&limiter, now)))
            .collect();
        let gone: u32 = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
        let slack = u32::from(kind == LimitKind::Leaky);
        assert!(used && gone == 1_000 + slack, "{kind:?}: {gone}");
    }
}

/// governor's `check_n` of 5,124,097 at 1/h wraps around and passes.
#[test]
fn asking_for_millions_at_once_is_refused_and_wraps_around_nothing() {
    for kind in KINDS {
        let limiter = RateLimiter::new(&rule(kind, 1, SECOND * 3600, 10), BEGIN);
        for n in [5_124_097, u32::MAX] {
            let refused = limiter.try_acquire(n, BEGIN).expect_err("far more than it allows");
            assert_eq!(refused.retry_after(), None, "{kind:?}");
        }
        assert!(limiter.try_acquire(1, BEGIN).is_ok(), "{kind:?}: nothing was taken");
    }
}

/// governor#273: a new quota there is a new limiter, which lets everything go once more.
#[test]
fn a_rule_that_changes_does_not_let_a_burst_go_once_more() {
    for kind in KINDS {
        let limiter = RateLimiter::new(&rule(kind, 100, SECOND, 100), BEGIN);
        assert!(going(&limiter, BEGIN) > 0);
        for permits in [101, 50, 100] {
            limiter.reconfigure(&rule(kind, permits, SECOND, permits), BEGIN);
            assert!(going(&limiter, BEGIN) <= 1, "{kind:?}: no more than was added");
        }
    }
}

#[test]
fn a_rule_that_changes_its_kind_does_not_let_a_burst_go_once_more() {
    for (from, to) in KINDS.into_iter().flat_map(|from| KINDS.map(|to| (from, to))) {
        let limiter = RateLimiter::new(&rule(from, 100, SECOND, 100), BEGIN);
        going(&limiter, BEGIN);
        limiter.reconfigure(&rule(to, 100, SECOND, 100), BEGIN);
        assert_eq!(going(&limiter, BEGIN), 0, "{from:?} to {to:?}");
        let unused = RateLimiter::new(&rule(from, 100, SECOND, 100), BEGIN);
        unused.reconfigure(&rule(to, 100, SECOND, 100), BEGIN);
        assert_eq!(
            going(&unused, BEGIN),
            if to == LimitKind::Leaky { 1 } else { 100 },
            "{from:?} to {to:?}, unused"
        );
    }
}

#[test]
fn a_ticket_of_the_kind_of_before_gives_nothing_to_the_one_of_now() {
    for (from, to) in KINDS.into_iter().flat_map(|from| KINDS.map(|to| (from, to))) {
        if from == to {
            continue;
        }
        let limiter = RateLimiter::new(&rule(from, 100, SECOND, 100), BEGIN);
        let ticket = limiter.try_acquire(1, BEGIN).expect("it is unused");
        going(&limiter, BEGIN);
        limiter.reconfigure(&rule(to, 100, SECOND, 100), BEGIN);
        limiter.cancel(ticket, BEGIN);
        assert_eq!(going(&limiter, BEGIN), 0, "{from:?} to {to:?}");
    }
}

/// Asks for so many, so many nanoseconds after the last time, and comes back when told.
#[track_caller]
fn coming_back(rule: &LimitRule, asked: &[(u64, u32)]) {
    let limiter = RateLimiter::new(rule, BEGIN);
    let mut now = BEGIN;
    for (later, n) in asked {
        now = now.plus(Duration::from_nanos(*later));
        if let Err(refused) = limiter.try_acquire(*n, now)
            && let Some(wait) = refused.retry_after()
        {
            assert!(!wait.is_zero());
            now = now.plus(wait);
            assert!(limiter.try_acquire(*n, now).is_ok(), "{refused} after {wait:?}");
        }
    }
}

/// A nanosecond was lacking: what is gained was rounded as well as the wait.
#[test]
fn who_comes_back_when_told_passes_where_roundings_meet() {
    let rule = rule(LimitKind::Token, 1, Duration::from_millis(2161), 8);
    coming_back(&rule, &[(0, 3), (584_874_605, 1), (0, 5), (1_733_682_477, 6)]);
}

proptest! {
    #[test]
    fn who_comes_back_when_told_passes(
        kind in kinds(),
        permits in 1..2_000u32,
        per in 1..5_000u64,
        burst in 0..20u32,
        asked in prop::collection::vec((0..5_000_000_000u64, 1..20u32), 1..30),
    ) {
        coming_back(&rule(kind, permits, Duration::from_millis(per), burst), &asked);
    }

    #[test]
    fn who_is_promised_a_wait_is_promised_no_longer_one_than_asked_for(
        kind in kinds(),
        burst in 0..20u32,
        asked in prop::collection::vec((0..100_000_000u64, 0..20u32, 0..500_000_000u64), 1..30),
    ) {
        let limiter = RateLimiter::new(&rule(kind, 100, SECOND, burst), BEGIN);
        let (mut now, mut last) = (BEGIN, BEGIN);
        for (later, n, max_wait) in asked {
            now = now.plus(Duration::from_nanos(later));
            let max_wait = Duration::from_nanos(max_wait);
            if let Ok(ticket) = limiter.reserve(n, max_wait, now) {
                prop_assert!(ticket.wait() <= max_wait);
                prop_assert_eq!(now.plus(ticket.wait()), ticket.ready_at());
                if n > 0 {
                    prop_assert!(ticket.ready_at() >= last, "first come, first served");
                    last = ticket.ready_at();
                }
            }
        }
    }

    #[test]
    fn time_that_goes_back_gives_nothing(
        kind in kinds(),
        burst in 1..20u32,
        used in prop::collection::vec(0..100_000_000u64, 1..30),
        back in prop::collection::vec(0..u64::MAX >> 4, 1..30),
    ) {
        let limiter = RateLimiter::new(&rule(kind, 10, SECOND, burst), BEGIN);
        let mut now = BEGIN;
        for later in used {
            now = now.plus(Duration::from_nanos(later));
            let _ = limiter.try_acquire(1, now);
        }
        going(&limiter, now);
        for back in back {
            let before = Moment::from_nanos(now.as_nanos() - back);
            prop_assert!(limiter.try_acquire(1, before).is_err());
        }
        prop_assert!(limiter.try_acquire(1, now).is_err(), "nor is a later moment worth more then");
    }

    #[test]
    fn what_a_later_step_refused_was_never_taken(
        kind in kinds(),
        burst in 1..20u32,
        used in 0..10u32,
        idle in 0..2_000_000_000u64,
        n in 0..10u32,
    ) {
        let limiter = RateLimiter::new(&rule(kind, 10, SECOND, burst), BEGIN);
        let _ = limiter.try_acquire(used, BEGIN);
        let now = after(idle);
        let before = limiter.snapshot(now);
        if let Ok(ticket) = limiter.try_acquire(n, now) {
            limiter.cancel(ticket, now);
        }
        prop_assert_eq!(limiter.snapshot(now), before);
    }

    #[test]
    fn a_snapshot_says_what_goes(
        kind in kinds(), burst in 1..20u32, used in prop::collection::vec(0..100_000_000u64, 0..30),
    ) {
        let limiter = RateLimiter::new(&rule(kind, 10, SECOND, burst), BEGIN);
        let mut now = BEGIN;
        for later in used {
            now = now.plus(Duration::from_nanos(later));
            let _ = limiter.try_acquire(1, now);
        }
        let snapshot = limiter.snapshot(now);
        prop_assert_eq!(snapshot.next == Some(Duration::ZERO), snapshot.available > 0);
        prop_assert_eq!(going(&limiter, now), snapshot.available);
    }

    /// Debug builds panic where arithmetic overflows.
    #[test]
    fn no_number_is_too_large(
        kind in kinds(),
        then in kinds(),
        numbers in prop::collection::vec(
            (extreme(), extreme(), extreme(), extreme(), extreme()), 1..20,
        ),
    ) {
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let limiter = RateLimiter::new(&rule(kind, 1, SECOND, 1), Moment::from_nanos(numbers[0].0));
        for (index, (now, n, wait, permits, per)) in numbers.into_iter().enumerate() {
            let now = Moment::from_nanos(now);
            if let Ok(ticket) = limiter.reserve(small(n), Duration::from_nanos(wait), now)
                && index % 2 == 0
            {
                limiter.cancel(ticket, now);
            }
            let kind = if index % 3 == 0 { then } else { kind };
            limiter.reconfigure(&rule(kind, small(permits), Duration::from_nanos(per), small(wait)), now);
            let _ = limiter.reserve(small(n), Duration::MAX, now);
            let _ = limiter.snapshot(now);
        }
    }
}

fn extreme() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..3u64,
        any::<u64>(),
        Just(u64::MAX),
        Just(i64::MAX as u64),
        Just(u64::from(u32::MAX)),
        1_000_000..2_000_000_000u64,
    ]
}
