//! What people complain about in other breakers, one case each, and the laws behind them.
//! A number is that of the issue in its tracker.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::governance::Moment;
use crate::governance::outcome::Outcome;
use crate::governance::rules::{BreakerKind, BreakerRule, Share, Window};
use crate::status::{Code, Origin, Status};

const SECOND: Duration = Duration::from_secs(1);
const FAILED: Verdict = Verdict::Failure(Outcome::ServerFault);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// So many milliseconds after the beginning.
fn at(millis: u64) -> Moment {
    Moment::default().plus(ms(millis))
}

/// Half of at least four calls in 10 s; open for 1 s, at most 8 s, without jitter.
fn settings() -> BreakerSettings {
    let rule =
        BreakerRule { min_calls: 4, open: SECOND, max_open: SECOND * 8, ..BreakerRule::DEFAULT };
    let mut settings = BreakerSettings::from(&rule);
    settings.jitter = Share::ZERO;
    settings
}

fn breaker(change: impl FnOnce(&mut BreakerSettings)) -> CircuitBreaker {
    let mut settings = settings();
    change(&mut settings);
    CircuitBreaker::new(settings, at(0), 1)
}

fn call(breaker: &CircuitBreaker, verdict: Verdict, now: Moment) -> Option<Transition> {
    slow_call(breaker, verdict, Duration::ZERO, now)
}

fn slow_call(
    breaker: &CircuitBreaker,
    verdict: Verdict,
    took: Duration,
    now: Moment,
) -> Option<Transition> {
    admit(breaker, now).settle(verdict, took, now)
}

fn admit(breaker: &CircuitBreaker, now: Moment) -> Permit<&CircuitBreaker> {
    CircuitBreaker::admit(breaker, now).expect("it is let pass")
}

fn is_refused(breaker: &CircuitBreaker, now: Moment) -> bool {
    CircuitBreaker::admit(breaker, now).is_err()
}

/// Opens it at `now`, and says until when it will be.
fn trip(breaker: &CircuitBreaker, now: Moment) -> Moment {
    while breaker.state(now) != State::Open {
        call(breaker, FAILED, now);
    }
    let refusal = CircuitBreaker::admit(breaker, now).expect_err("it is open");
    now.plus(refusal.retry_after().expect("it opens by itself"))
}

#[test]
fn half_open_does_not_get_stuck_on_a_probe_that_never_reports() {
    // gobreaker, resilience4j #935, Sentinel #1638, Polly #1979
    let breaker = breaker(|_| {});
    let half_open = trip(&breaker, at(0));
    let lost = admit(&breaker, half_open);
    assert!(is_refused(&breaker, half_open.plus(SECOND * 9)), "its lease is 10 s");

    let later = half_open.plus(SECOND * 10);
    let second = admit(&breaker, later);
    assert!(is_refused(&breaker, later), "one place was lost, one is free");
    assert!(lost.settle(FAILED, SECOND, later).is_none(), "what it says now is stale");
    assert!(
        second.settle(Verdict::Success, SECOND, later).is_some_and(|it| it.to == State::Closed)
    );
}

#[test]
fn calls_that_take_longer_than_a_lease_get_to_close_the_circuit() {
    let breaker = breaker(|_| {});
    let mut now = trip(&breaker, at(0));
    let mut out = Vec::new();
    for _ in 0..100 {
        let took = SECOND * 35;
        if let Ok(permit) = CircuitBreaker::admit(&breaker, now) {
            out.push((now.plus(took), permit));
        }
        now = now.plus(SECOND);
        let (due, rest) = out.into_iter().partition(|(ends, _)| *ends <= now);
        out = rest;
        let due: Vec<(Moment, Permit<&CircuitBreaker>)> = due;
        for (_, permit) in due {
            permit.settle(Verdict::Success, took, now);
        }
    }
    assert_eq!(breaker.state(now), State::Closed);
}

#[test]
fn a_late_result_of_an_earlier_era_decides_nothing() {
    // resilience4j, failsafe-go, tower-resilience, Polly #216
    let breaker = breaker(|_| {});
    let (failed, fine) = (admit(&breaker, at(0)), admit(&breaker, at(0)));
    let half_open = trip(&breaker, at(0));
    assert_eq!(breaker.state(half_open), State::HalfOpen);
    assert!(failed.settle(FAILED, SECOND, half_open).is_none());
    assert!(fine.settle(Verdict::Success, SECOND, half_open).is_none(), "nor does a success close");
    assert_eq!(breaker.state(half_open), State::HalfOpen);
}

#[test]
fn a_late_result_of_an_earlier_era_counts_in_no_later_one() {
    let breaker = breaker(|_| {});
    let late = admit(&breaker, at(0));
    let half_open = trip(&breaker, at(0));
    call(&breaker, Verdict::Success, half_open);
    late.settle(FAILED, SECOND, half_open);
    assert_eq!((breaker.state(half_open), breaker.counts()), (State::Closed, Counts::default()));
}

#[test]
fn a_probe_of_an_earlier_half_open_era_decides_nothing_in_a_later_one() {
    let breaker = breaker(|settings| settings.probes = 2);
    let half_open = trip(&breaker, at(0));
    let (first, second) = (admit(&breaker, half_open), admit(&breaker, half_open));
    first.settle(FAILED, SECOND, half_open);
    let again = half_open.plus(SECOND * 2);
    let (_probe, _another) = (admit(&breaker, again), admit(&breaker, again));
    assert!(second.settle(FAILED, SECOND, again).is_none());
    assert_eq!(breaker.state(again), State::HalfOpen);
    assert!(is_refused(&breaker, again), "nor does it give up another's place");
}

#[test]
fn late_results_give_no_probe_its_place() {
    // resilience4j #1432, failsafe-go: permits above the capacity
    let breaker = breaker(|_| {});
    let late: Vec<_> = (0..10).map(|_| admit(&breaker, at(0))).collect();
    let half_open = trip(&breaker, at(0));
    let _probe = admit(&breaker, half_open);
    for permit in late {
        permit.settle(Verdict::Neutral, SECOND, half_open);
        assert!(is_refused(&breaker, half_open));
    }
}

#[test]
fn a_dropped_probe_frees_its_place() {
    // resilience4j #544, #2172; cc-switch, monix
    let breaker = breaker(|_| {});
    let half_open = trip(&breaker, at(0));
    drop(admit(&breaker, half_open));
    assert!(CircuitBreaker::peek(&breaker, half_open).is_ok());
    call(&breaker, Verdict::Success, half_open);
    assert_eq!(breaker.state(half_open), State::Closed);
}

#[test]
fn peeking_takes_no_probe() {
    let breaker = breaker(|_| {});
    let half_open = trip(&breaker, at(0));
    assert!(breaker.peek(at(0)).is_err());
    (0..3).for_each(|_| breaker.peek(half_open).expect("there is room"));
    let _probe = admit(&breaker, half_open);
    assert!(breaker.peek(half_open).is_err());
}

#[test]
fn a_call_that_a_later_rule_refused_is_neutral() {
    // Sentinel #1638, interlock #194
    let breaker = breaker(|_| {});
    let half_open = trip(&breaker, at(0));
    for _ in 0..100 {
        assert!(call(&breaker, Verdict::Neutral, half_open).is_none());
    }
    assert_eq!(breaker.state(half_open), State::HalfOpen);
    assert!(breaker.peek(half_open).is_ok());
}

#[test]
fn a_neutral_outcome_does_not_close_a_half_open_circuit() {
    // Polly
    let breaker = breaker(|_| {});
    let half_open = trip(&breaker, at(0));
    assert!(call(&breaker, Verdict::Neutral, half_open).is_none());
    assert!(call(&breaker, Verdict::Abandoned, half_open).is_none());
    assert_eq!(breaker.state(half_open), State::HalfOpen);
}

#[test]
fn more_probes_than_allowed_never_pass_however_many_threads_ask() {
    // resilience4j #1432, tower-resilience #382
    let breaker = Arc::new(breaker(|settings| settings.probes = 3));
    let half_open = trip(&breaker, at(0));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let breaker = Arc::clone(&breaker);
            thread::spawn(move || {
                let admit = || CircuitBreaker::admit(Arc::clone(&breaker), half_open);
                (0..100).filter_map(|_| admit().ok()).collect::<Vec<_>>()
            })
        })
        .collect();
    let join = |thread: thread::JoinHandle<_>| thread.join().expect("it did not panic");
    let passed: Vec<Permit<Arc<CircuitBreaker>>> = threads.into_iter().flat_map(join).collect();
    assert_eq!(passed.len(), 3);
}

#[test]
fn a_clock_that_goes_back_wipes_nothing() {
    // resilience4j: each record moves the window on
    let breaker = breaker(|settings| settings.min_calls = 20);
    for _ in 0..9 {
        call(&breaker, FAILED, at(20_000));
    }
    for back in 0..100 {
        call(&breaker, Verdict::Neutral, at(10_000 - back));
    }
    assert_eq!(breaker.counts().failures, 9);
    let open = trip(&breaker, at(20_000));
    assert!(is_refused(&breaker, at(0)), "and an opening is not over earlier");
    assert!(!is_refused(&breaker, open));
}

#[test]
fn not_quite_half_does_not_trip_a_rule_of_half() {
    // failsafe-go rounds 49.5 % up
    let breaker = breaker(|settings| settings.min_calls = 200);
    (0..101).for_each(|_| drop(call(&breaker, Verdict::Success, at(0))));
    (0..99).for_each(|_| drop(call(&breaker, FAILED, at(0))));
    assert_eq!((breaker.counts().requests, breaker.state(at(0))), (200, State::Closed));
    (0..2).for_each(|_| drop(call(&breaker, FAILED, at(0))));
    assert_eq!(breaker.state(at(0)), State::Open);
}

#[test]
fn a_rate_of_all_can_trip() {
    // Sentinel: an exception ratio of 1.0 never does
    let breaker = breaker(|settings| settings.failure_rate = Some(Share::ONE));
    (0..4).for_each(|_| drop(call(&breaker, FAILED, at(0))));
    assert_eq!(breaker.state(at(0)), State::Open);
}

#[test]
fn too_few_calls_say_nothing() {
    let breaker = breaker(|_| {});
    (0..3).for_each(|_| drop(call(&breaker, FAILED, at(0))));
    assert_eq!(breaker.state(at(0)), State::Closed);
}

#[test]
fn who_is_told_of_a_change_may_ask_the_breaker() {
    // gobreaker #37: a deadlock
    let breaker = breaker(|_| {});
    trip(&breaker, at(0));
    let probe = admit(&breaker, at(1000));
    let change = probe.settle(Verdict::Success, SECOND, at(1000)).expect("it closes");
    assert_eq!((change.from, change.to, change.number), (State::HalfOpen, State::Closed, 3));
    assert_eq!(breaker.state(change.at), change.to);
    let all: Vec<String> = breaker.transitions_after(0).iter().map(ToString::to_string).collect();
    assert_eq!(
        all,
        [
            "closed -> open: 4 of 4 calls in 10s failed (100% >= 50%), 4 server fault",
            "open -> half-open: it was open for long enough",
            "half-open -> closed: a probe succeeded",
        ]
    );
    assert_eq!(breaker.transitions_after(2).len(), 1);
}

#[test]
fn a_sliding_window_really_slides() {
    // tower-resilience: 1000 successes hide all failures after them
    for window in [Lookback::Calls(10), Lookback::rolling(SECOND)] {
        let breaker = breaker(|settings| settings.window = window);
        (0..1000).for_each(|now| drop(call(&breaker, Verdict::Success, at(now))));
        for now in 0..10 {
            if breaker.state(at(2000 + now)) == State::Closed {
                call(&breaker, FAILED, at(2000 + now));
            }
        }
        assert_eq!(breaker.state(at(2010)), State::Open, "{window:?}");
    }
}

#[test]
fn failures_leave_the_window() {
    let breaker = breaker(|_| {});
    (0..3).for_each(|_| drop(call(&breaker, FAILED, at(0))));
    call(&breaker, FAILED, at(10_000));
    assert_eq!((breaker.counts().failures, breaker.state(at(10_000))), (1, State::Closed));
}

#[test]
fn a_call_that_takes_longer_than_the_window_still_counts() {
    let breaker = breaker(|_| {});
    let slow: Vec<_> = (0..4).map(|_| admit(&breaker, at(0))).collect();
    for permit in slow {
        permit.settle(Verdict::Failure(Outcome::Deadline), SECOND * 60, at(60_000));
    }
    assert_eq!(breaker.state(at(60_000)), State::Open);
}

#[test]
fn a_changed_rule_keeps_what_was_counted() {
    // governor #273, resilience4j #1073: a new rule, a new machine
    let rule = BreakerRule { min_calls: 20, ..BreakerRule::DEFAULT };
    let breaker = Breaker::new(&rule, at(0), 1);
    let fail = |times| {
        for _ in 0..times {
            let permit = Breaker::admit(&breaker, at(0)).expect("closed");
            permit.settle(FAILED, SECOND, at(0));
        }
    };
    fail(9);
    breaker.reconfigure(&BreakerRule { min_calls: 10, ..BreakerRule::DEFAULT }, at(0));
    assert_eq!(breaker.counts().failures, 9);
    fail(1);
    assert_eq!(breaker.state(at(0)), State::Open);
    let longer = BreakerRule { window: Window::Time(SECOND * 60), ..rule.clone() };
    breaker.reconfigure(&longer, at(0));
    assert_eq!(breaker.state(at(0)), State::Open, "and open stays open");
    let shorter = BreakerRule { open: SECOND, max_open: SECOND, ..rule };
    breaker.reconfigure(&shorter, at(0));
    assert_eq!(breaker.state(at(1000)), State::HalfOpen, "but not for longer than may be");
}

#[test]
fn a_call_under_way_is_not_counted_twice_when_counting_changes() {
    let breaker = breaker(|settings| settings.counting = Counting::Begun);
    let under_way = admit(&breaker, at(0));
    assert_eq!(breaker.counts().requests, 1);
    breaker.reconfigure(settings(), at(0));
    under_way.settle(FAILED, SECOND, at(0));
    assert_eq!(breaker.counts(), Counts::default());
}

#[test]
fn fewer_probes_than_have_succeeded_already_close() {
    let breaker = breaker(|settings| settings.probes = 3);
    let half_open = trip(&breaker, at(0));
    call(&breaker, Verdict::Success, half_open);
    let change = breaker.reconfigure(settings(), half_open).expect("one probe is enough now");
    assert_eq!(change.to, State::Closed);
}

#[test]
fn a_rule_of_the_other_kind_begins_anew() {
    let trip = BreakerRule { consecutive: Some(1), ..BreakerRule::DEFAULT };
    let throttle = BreakerRule { kind: BreakerKind::Throttle, ..BreakerRule::DEFAULT };
    let breaker = Breaker::new(&trip, at(0), 1);
    let late = Breaker::admit(&breaker, at(0)).expect("closed");
    Breaker::admit(&breaker, at(0)).expect("closed").settle(FAILED, SECOND, at(0));
    assert!(breaker.peek(at(0)).is_err());

    breaker.reconfigure(&throttle, at(0));
    let throttled = Breaker::admit(&breaker, at(0)).expect("it has seen nothing");
    assert!(late.settle(FAILED, SECOND, at(0)).is_none(), "that belongs to the other one");
    assert_eq!(breaker.counts(), Counts::default());

    breaker.reconfigure(&trip, at(0));
    assert!(throttled.settle(FAILED, SECOND, at(0)).is_none());
    assert_eq!((breaker.state(at(0)), breaker.counts()), (State::Closed, Counts::default()));

    breaker.force(Mode::ForcedOpen, at(0));
    breaker.reconfigure(&throttle, at(0));
    assert!(breaker.peek(at(0)).is_err(), "what someone forced stays forced");
}

#[test]
fn calls_that_nobody_waits_for_trip_if_they_are_nearly_all() {
    // tower-resilience: 10 of 10 outer time-outs are recorded as nothing
    let breaker = breaker(|settings| settings.min_calls = 20);
    call(&breaker, Verdict::Success, at(0));
    (0..18).for_each(|_| drop(admit(&breaker, at(0))));
    assert_eq!(breaker.state(at(0)), State::Closed);
    drop(admit(&breaker, at(0)));
    assert_eq!(breaker.state(at(0)), State::Open);
    let why = breaker.snapshot(at(0)).opened.expect("it was opened").to_string();
    assert_eq!(why, "19 of 20 calls in 10s were abandoned (95% >= 95%)");
}

#[test]
fn impatient_callers_among_others_trip_nothing() {
    // resilience4j #682: cancelled calls recorded as failures
    let breaker = breaker(|settings| settings.min_calls = 20);
    for _ in 0..1000 {
        (0..9).for_each(|_| drop(admit(&breaker, at(0))));
        call(&breaker, Verdict::Success, at(0));
    }
    assert_eq!(breaker.state(at(0)), State::Closed);
    assert_eq!((breaker.counts().abandoned, breaker.counts().failures), (9000, 0));
}

#[test]
fn the_time_an_abandoned_call_waited_is_a_sample() {
    let slow = |settings: &mut BreakerSettings| {
        (settings.failure_rate, settings.slow_rate) = (None, Some(Share::from_percent(50)));
    };
    let breaker = breaker(slow);
    (0..2).for_each(|_| drop(call(&breaker, Verdict::Success, at(0))));
    (0..50).for_each(|_| drop(admit(&breaker, at(0)).abandon(ms(999), at(0))));
    assert_eq!(breaker.state(at(0)), State::Closed, "they may have been about to be fast");
    admit(&breaker, at(0)).abandon(SECOND, at(0));
    let change = admit(&breaker, at(0)).abandon(SECOND, at(0)).expect("two of four were slow");
    assert_eq!(change.why.to_string(), "2 of 4 calls in 10s were slow (50% >= 50%), 1s or more");
}

#[test]
fn probes_that_nobody_waits_for_open_it_again() {
    let breaker = breaker(|_| {});
    let half_open = trip(&breaker, at(0));
    (0..4).for_each(|_| drop(admit(&breaker, half_open)));
    assert_eq!(breaker.state(half_open), State::HalfOpen);
    drop(admit(&breaker, half_open));
    assert_eq!(breaker.state(half_open), State::Open);
}

#[test]
fn slow_calls_trip_and_a_slow_probe_does_not_close() {
    let breaker = breaker(|settings| settings.slow_rate = Some(Share::from_percent(50)));
    let slow = |now| slow_call(&breaker, Verdict::Success, SECOND, now);
    (0..3).for_each(|_| assert!(slow(at(0)).is_none()));
    assert!(slow(at(0)).is_some_and(|change| change.to == State::Open));
    assert!(slow(at(1000)).is_some_and(|change| change.to == State::Open));
    let fast = slow_call(&breaker, Verdict::Success, ms(999), at(3000));
    assert!(fast.is_some_and(|change| change.to == State::Closed));
}

#[test]
fn a_panic_is_a_failure_and_keeps_no_permit() {
    let breaker = breaker(|settings| settings.consecutive = Some(1));
    let call = std::panic::AssertUnwindSafe(|| {
        let _permit = admit(&breaker, at(0));
        std::panic::resume_unwind(Box::new("the call panics"))
    });
    let _panic: Result<(), _> = std::panic::catch_unwind(call);
    assert_eq!(breaker.state(at(0)), State::Open);
}

#[test]
fn openings_grow_while_nothing_gets_better_and_begin_anew_when_it_did() {
    let breaker = breaker(|_| {});
    let mut now = at(0);
    let mut lengths = Vec::new();
    for _ in 0..6 {
        let until = trip(&breaker, now);
        lengths.push(until.since(now).as_secs());
        now = until;
    }
    assert_eq!(lengths, [1, 2, 4, 8, 8, 8]);

    call(&breaker, Verdict::Success, now);
    let soon = now.plus(SECOND * 9);
    assert_eq!(trip(&breaker, soon).since(soon), SECOND * 8, "that was no healthy time");
    now = soon.plus(SECOND * 8);
    call(&breaker, Verdict::Success, now);
    now = now.plus(SECOND * 10);
    assert_eq!(trip(&breaker, now).since(now), SECOND);
}

#[test]
fn half_open_is_no_healthy_time_however_long_nobody_calls() {
    let breaker = breaker(|_| {});
    trip(&breaker, at(0));
    assert_eq!(breaker.state(at(1000)), State::HalfOpen);
    let late = at(3_600_000);
    assert_eq!(trip(&breaker, late).since(late), SECOND * 2);
}

#[test]
fn a_fleet_does_not_return_at_once() {
    // baseplate #697
    let open_for = |seed| {
        let mut settings = settings();
        settings.jitter = Share::from_percent(20);
        trip(&CircuitBreaker::new(settings, at(0), seed), at(0)).since(at(0))
    };
    let all: Vec<Duration> = (0..200).map(open_for).collect();
    assert!(all.iter().all(|time| (ms(800)..=ms(1200)).contains(time)));
    assert!(all.iter().any(|time| *time < ms(900)) && all.iter().any(|time| *time > ms(1100)));
}

#[test]
fn a_server_may_ask_for_a_longer_opening_but_not_for_any() {
    let breaker = breaker(|_| {});
    breaker.push_back(SECOND * 5, at(0));
    assert_eq!(breaker.state(at(0)), State::Closed, "asking for time is no failure");
    trip(&breaker, at(0));
    breaker.push_back(ms(1), at(0));
    assert!(is_refused(&breaker, at(999)), "nor for a shorter one");
    breaker.push_back(SECOND * 5, at(0));
    assert!(is_refused(&breaker, at(4999)));
    breaker.push_back(Duration::MAX, at(0));
    assert!(is_refused(&breaker, at(8000)) && !is_refused(&breaker, at(4999 + 8000)));
}

#[test]
fn forced_open_refuses_until_it_is_told_otherwise() {
    let breaker = breaker(|_| {});
    let late = admit(&breaker, at(0));
    let change = breaker.force(Mode::ForcedOpen, at(0)).expect("a change");
    assert_eq!((change.from, change.to), (State::Closed, State::ForcedOpen));
    assert!(breaker.force(Mode::ForcedOpen, at(0)).is_none());
    let refusal = CircuitBreaker::admit(&breaker, at(1_000_000)).expect_err("forced");
    assert_eq!((refusal.state(), refusal.retry_after()), (State::ForcedOpen, None));
    assert_eq!(refusal.to_string(), "circuit forced open for 1000s");
    late.settle(FAILED, SECOND, at(1_000_000));
    breaker.force(Mode::Automatic, at(1_000_000));
    assert_eq!(breaker.counts(), Counts::default(), "it begins anew");
    assert!(!is_refused(&breaker, at(1_000_000)));
}

#[test]
fn forced_closed_watches_nothing() {
    let breaker = breaker(|_| {});
    trip(&breaker, at(0));
    breaker.force(Mode::ForcedClosed, at(0));
    (0..100).for_each(|_| assert!(call(&breaker, FAILED, at(0)).is_none()));
    assert_eq!((breaker.state(at(0)), breaker.counts()), (State::ForcedClosed, Counts::default()));
    breaker.force(Mode::Automatic, at(0));
    assert_eq!(breaker.state(at(0)), State::Closed);
}

#[test]
fn metrics_only_refuses_nothing_and_knows_what_it_would_have() {
    let breaker = breaker(|_| {});
    breaker.force(Mode::MetricsOnly, at(0));
    (0..4).for_each(|_| drop(call(&breaker, FAILED, at(0))));
    assert_eq!(breaker.state(at(0)), State::Open);
    for _ in 0..7 {
        breaker.peek(at(0)).expect("nothing is refused");
        call(&breaker, FAILED, at(0));
    }
    let snapshot = breaker.snapshot(at(500));
    assert_eq!(snapshot.refused, 7);
    assert!(snapshot.to_string().starts_with("counting only, would be OPEN 500ms ago"));
    let probe = admit(&breaker, at(1000));
    call(&breaker, FAILED, at(1000));
    assert!(probe.settle(Verdict::Success, SECOND, at(1000)).is_some(), "only probes decide");

    trip_with_metrics_only(&breaker);
    breaker.force(Mode::Automatic, at(1000));
    assert!(is_refused(&breaker, at(1000)), "what it has learnt is in force at once");
}

fn trip_with_metrics_only(breaker: &CircuitBreaker) {
    (0..4).for_each(|_| drop(call(breaker, FAILED, at(1000))));
    assert_eq!(breaker.state(at(1000)), State::Open);
}

#[test]
fn refused_calls_feed_nothing() {
    // go-zero #5551, kratos #2777
    let breaker = breaker(|_| {});
    let until = trip(&breaker, at(0));
    (0..100).for_each(|_| assert!(is_refused(&breaker, at(1))));
    call(&breaker, Verdict::Success, until);
    assert_eq!(breaker.counts(), Counts::default());
    assert_eq!(breaker.snapshot(until).refused, 101);
}

#[test]
fn a_refusal_says_who_why_and_when_to_come_back() {
    let breaker = breaker(|settings| settings.failure_rate = Some(Share::from_percent(50)));
    call(&breaker, Verdict::Success, at(0));
    (0..2).for_each(|_| drop(call(&breaker, FAILED, at(0))));
    call(&breaker, Verdict::Failure(Outcome::Deadline), at(0));
    let refusal = CircuitBreaker::admit(&breaker, at(200)).expect_err("open");
    let said = "circuit open for 200ms: 3 of 4 calls in 10s failed (75% >= 50%), \
                2 server fault, 1 deadline; next probe in 800ms";
    assert_eq!(refusal.to_string(), said);
    let status: Status = refusal.into();
    assert_eq!((status.code(), status.origin()), (Code::Unavailable, Origin::Client));
    assert_eq!((status.retry_after(), status.message()), (Some(ms(800)), said));
    assert!(status.is_refusal());

    let explained = "OPEN 200ms ago, next probe in 800ms: 3 of 4 calls in 10s failed \
                     (75% >= 50%), 2 server fault, 1 deadline";
    assert_eq!(breaker.snapshot(at(200)).to_string(), explained);
    let _probe = admit(&breaker, at(1000));
    let refusal = CircuitBreaker::admit(&breaker, at(1000)).expect_err("half-open");
    assert!(refusal.to_string().ends_with("; enough probes are under way"), "{refusal}");
    let explained = breaker.snapshot(at(1000)).to_string();
    assert!(explained.starts_with("HALF-OPEN 0s ago, probes: 1 under way"), "{explained}");
}

#[test]
fn numbers_from_anyone_overflow_nothing() {
    let breaker = breaker(|settings| {
        (settings.open, settings.max_open) = (Duration::MAX, Duration::MAX);
        settings.jitter = Share::ONE;
        settings.probes = u32::MAX;
        settings.window = Lookback::Rolling { bucket: Duration::MAX, buckets: u32::MAX };
    });
    let end = Moment::from_nanos(u64::MAX);
    (0..4).for_each(|_| drop(call(&breaker, FAILED, end)));
    breaker.push_back(Duration::MAX, end);
    breaker.snapshot(end);
    let rule = BreakerRule {
        window: Window::Time(Duration::ZERO),
        min_calls: 0,
        open: Duration::ZERO,
        max_open: Duration::ZERO,
        probes: 0,
        consecutive: Some(0),
        ..BreakerRule::DEFAULT
    };
    let breaker = CircuitBreaker::new(BreakerSettings::from(&rule), at(0), 1);
    call(&breaker, Verdict::Success, at(0));
    call(&breaker, FAILED, at(0));
    assert!(call(&breaker, Verdict::Success, at(0)).is_some_and(|it| it.to == State::Closed));
}

/// What may be done with a breaker.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Admit,
    Settle(usize, u8, u64),
    Lose(usize),
    PushBack(u64),
    Reconfigure(u32, u32, u8),
    Force(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0u64..3000).prop_map(Step::Pass),
        8 => Just(Step::Admit),
        8 => (any::<usize>(), 0u8..6, 0u64..2000).prop_map(|(a, b, c)| Step::Settle(a, b, c)),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => (0u64..20_000).prop_map(Step::PushBack),
        1 => (1u32..5, 0u32..8, 0u8..4).prop_map(|(a, b, c)| Step::Reconfigure(a, b, c)),
        1 => (0u8..8).prop_map(Step::Force),
    ];
    prop::collection::vec(step, 1..300)
}

fn mode(number: u8) -> Mode {
    match number {
        0 => Mode::ForcedOpen,
        1 => Mode::ForcedClosed,
        2 => Mode::MetricsOnly,
        _ => Mode::Automatic,
    }
}

proptest! {
    /// No order of things wedges it, and no more probes pass than may.
    #[test]
    fn from_anywhere_successes_close_it_in_the_end(steps in steps()) {
        let breaker = breaker(|settings| {
            settings.slow_rate = Some(Share::from_percent(80));
            settings.consecutive = Some(3);
        });
        let (mut now, mut out, mut lost) = (at(0), Vec::new(), Vec::new());
        let mut probes = 1;
        for step in steps {
            match step {
                Step::Pass(millis) => now = now.plus(ms(millis)),
                Step::Admit => out.extend(CircuitBreaker::admit(&breaker, now).ok()),
                Step::Settle(which, how, took) if !out.is_empty() => {
                    let permit = out.swap_remove(which % out.len());
                    let verdict = match how {
                        0 | 1 => FAILED,
                        2 => Verdict::Neutral,
                        3 => Verdict::Abandoned,
                        _ => Verdict::Success,
                    };
                    permit.settle(verdict, ms(took), now);
                }
                Step::Lose(which) if !out.is_empty() => lost.push(out.swap_remove(which % out.len())),
                Step::Settle(..) | Step::Lose(_) => {}
                Step::PushBack(millis) => breaker.push_back(ms(millis), now),
                Step::Reconfigure(more, min_calls, window) => {
                    let mut changed = settings();
                    (changed.probes, changed.min_calls) = (more, min_calls);
                    changed.window = match window {
                        0 => Lookback::Calls(5),
                        1 => Lookback::Fixed(SECOND),
                        2 => Lookback::Everything,
                        _ => Lookback::rolling(SECOND),
                    };
                    probes = probes.max(more); // those let pass before may still be under way
                    breaker.reconfigure(changed, now);
                }
                Step::Force(number) => drop(breaker.force(mode(number), now)),
            }
            prop_assert!(breaker.snapshot(now).probes_out <= probes);
        }
        breaker.force(Mode::Automatic, now);
        breaker.reconfigure(settings(), now);
        // Whoever waits for as long as it takes (all leases, the longest opening) gets through.
        now = now.plus(SECOND * (10 << 20));
        prop_assert!(breaker.peek(now).is_ok());
        call(&breaker, Verdict::Success, now);
        prop_assert_eq!(breaker.state(now), State::Closed);
    }

    /// What the word beside the lock says is what the machine would have said.
    #[test]
    fn peeking_and_being_let_pass_agree(steps in prop::collection::vec((0u64..700, any::<bool>()), 1..100)) {
        let breaker = breaker(|_| {});
        let mut now = at(0);
        for (millis, fails) in steps {
            now = now.plus(ms(millis));
            let peeked = breaker.peek(now);
            match CircuitBreaker::admit(&breaker, now) {
                Ok(permit) => {
                    prop_assert!(peeked.is_ok());
                    permit.settle(if fails { FAILED } else { Verdict::Success }, ms(1), now);
                }
                Err(refusal) => prop_assert_eq!(peeked, Err(refusal)),
            }
        }
    }
}

/// A throttle, and a server that fails so many percent of what it gets.
struct Simulated {
    throttle: Throttle,
    random: fastrand::Rng,
    now: Moment,
}

impl Simulated {
    fn new(rule: &BreakerRule) -> Self {
        let random = fastrand::Rng::with_seed(3);
        Self { throttle: Throttle::new(rule, at(0), 5), random, now: at(0) }
    }

    /// A hundred calls a second, for so many seconds. How many of them were refused.
    fn run(&mut self, seconds: u32, failing_percent: u32) -> u32 {
        let mut refused = 0;
        for _ in 0..seconds * 100 {
            self.now = self.now.plus(ms(10));
            match Throttle::admit(&self.throttle, self.now) {
                Err(_) => refused += 1,
                Ok(permit) => {
                    let fails = self.random.u32(0..100) < failing_percent;
                    permit.settle(if fails { FAILED } else { Verdict::Success }, ms(1), self.now);
                }
            }
        }
        refused
    }
}

fn throttle_rule() -> BreakerRule {
    BreakerRule { kind: BreakerKind::Throttle, ..BreakerRule::DEFAULT }
}

#[test]
fn a_throttle_recovers_from_an_outage() {
    // go-zero #5551: its own drops fed it for ever
    let mut simulated = Simulated::new(&throttle_rule());
    assert_eq!(simulated.run(20, 0), 0);
    assert_eq!(simulated.run(20, 10), 0, "a few failures are let be");
    simulated.run(20, 100);
    let refused = simulated.run(10, 100);
    assert!((850..950).contains(&refused), "nearly all, but never all: {refused} of 1000");
    simulated.run(11, 0);
    assert_eq!(simulated.run(10, 0), 0, "a window later nothing is left of it");
}

#[test]
fn a_throttle_refuses_a_share_where_one_shard_of_many_is_ill() {
    let mut simulated = Simulated::new(&throttle_rule());
    simulated.run(10, 75);
    let refused = simulated.run(20, 75);
    assert!((900..1100).contains(&refused), "1 - 2 * 25 %: {refused} of 2000");
    assert!(
        simulated.throttle.snapshot(simulated.now).to_string().starts_with("throttle refuses ")
    );
}

#[test]
fn the_rate_of_a_throttle_says_from_when_on_it_refuses() {
    let tolerant = BreakerRule { failure_rate: Some(Share::from_percent(80)), ..throttle_rule() };
    assert_eq!(Simulated::new(&tolerant).run(20, 70), 0);
    let strict = BreakerRule { failure_rate: Some(Share::from_percent(10)), ..throttle_rule() };
    assert!(Simulated::new(&strict).run(20, 30) > 0);
    let last = BreakerRule { failure_rate: Some(Share::ONE), ..throttle_rule() };
    assert_eq!(Simulated::new(&last).run(20, 90), 0);
    assert!(Simulated::new(&last).run(20, 100) > 0);
}

#[test]
fn a_throttle_sees_calls_that_nobody_waits_for() {
    let throttle = Throttle::new(&throttle_rule(), at(0), 1);
    for _ in 0..200 {
        drop(Throttle::admit(&throttle, at(0)));
    }
    assert_eq!(throttle.refused_share(at(0)), MAX_REFUSED);
    assert_eq!(throttle.refused_share(at(10_001)), Share::ZERO);
}

#[test]
fn an_overloaded_server_throttles_and_does_not_trip() {
    let trip = BreakerRule { consecutive: Some(1), ..BreakerRule::DEFAULT };
    for (rule, is_throttle) in [(trip, false), (throttle_rule(), true)] {
        let breaker = Breaker::new(&rule, at(0), 1);
        for _ in 0..30 {
            if let Ok(permit) = Breaker::admit(&breaker, at(0)) {
                permit.settle_outcome(Outcome::Overload, true, SECOND, at(0));
            }
        }
        assert_eq!(breaker.counts().failures > 0, is_throttle, "{:?}", rule.kind);
        assert_eq!(breaker.snapshot(at(0)).refused > 0, is_throttle, "{:?}", rule.kind);
    }
}

#[test]
fn a_short_inherited_deadline_trips_nothing() {
    let breaker = breaker(|_| {});
    for _ in 0..100 {
        call(&breaker, Verdict::Success, at(0));
        let permit = admit(&breaker, at(0));
        assert!(permit.settle_outcome(Outcome::Deadline, false, ms(5), at(0)).is_none());
    }
    assert_eq!(breaker.counts().failures, 0);
}

#[test]
fn fast_failures_are_no_fast_answers() {
    let breaker = breaker(|settings| {
        (settings.failure_rate, settings.slow_rate) = (None, Some(Share::from_percent(50)));
    });
    (0..100).for_each(|_| assert!(slow_call(&breaker, FAILED, SECOND * 9, at(0)).is_none()));
    let ran_out = Verdict::Failure(Outcome::Deadline);
    (0..3).for_each(|_| assert!(slow_call(&breaker, ran_out, SECOND, at(0)).is_none()));
    let change = slow_call(&breaker, ran_out, SECOND, at(0)).expect("four of four were slow");
    assert_eq!(change.why.to_string(), "4 of 4 calls in 10s were slow (100% >= 50%), 1s or more");
}

#[test]
fn a_throttle_can_be_forced() {
    let throttle = Throttle::new(&throttle_rule(), at(0), 1);
    throttle.force(Mode::ForcedOpen, at(0));
    assert!(Throttle::admit(&throttle, at(0)).is_err());
    for mode in [Mode::ForcedClosed, Mode::MetricsOnly] {
        throttle.force(mode, at(0));
        for _ in 0..100 {
            let permit = Throttle::admit(&throttle, at(0)).expect("nothing is refused");
            permit.settle(FAILED, SECOND, at(0));
        }
    }
    let snapshot = throttle.snapshot(at(0));
    assert!(snapshot.refused > 0 && snapshot.counts.failures > 0);
    throttle.force(Mode::Automatic, at(0));
    assert!((0..100).any(|_| Throttle::admit(&throttle, at(0)).is_err()));
}
