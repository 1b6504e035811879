//! Every interleaving of two threads, tried by loom: that the word beside the lock lets nothing
//! happen that the lock alone would not.
//!
//! `RUSTFLAGS="--cfg model" cargo test -p rpc-core --lib governance::breaker::model`

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::governance::Moment;
use crate::governance::outcome::Outcome;
use crate::governance::rules::Share;

const SECOND: Duration = Duration::from_secs(1);
const FAILED: Verdict = Verdict::Failure(Outcome::ServerFault);

/// Opens at the first failure, for a second.
fn breaker() -> Arc<CircuitBreaker> {
    let mut settings = BreakerSettings::default();
    settings.consecutive = Some(1);
    settings.window = Lookback::Everything;
    settings.open = SECOND;
    settings.jitter = Share::ZERO;
    Arc::new(CircuitBreaker::new(settings, Moment::default(), 1))
}

fn at(seconds: u32) -> Moment {
    Moment::default().plus(SECOND * seconds)
}

/// One whole call, if it is let pass.
fn call(breaker: &CircuitBreaker, verdict: Verdict, now: Moment) -> Option<Transition> {
    CircuitBreaker::admit(breaker, now).ok()?.settle(verdict, SECOND, now)
}

#[test]
fn a_circuit_opens_once_and_then_refuses() {
    loom::model(|| {
        let breaker = breaker();
        let other = Arc::clone(&breaker);
        let other = thread::spawn(move || call(&other, FAILED, at(0)).is_some());
        let opened = call(&breaker, FAILED, at(0)).is_some();
        let both = (opened, other.join().expect("it does not panic"));
        assert!(matches!(both, (true, false) | (false, true)), "one is told, the other late");
        assert!(breaker.peek(at(0)).is_err(), "the word says what the lock says");
        assert_eq!(breaker.snapshot(at(0)).transitions, 1);
    });
}

#[test]
fn a_call_let_pass_as_it_trips_counts_in_no_later_era() {
    loom::model(|| {
        let breaker = breaker();
        let other = Arc::clone(&breaker);
        let other = thread::spawn(move || {
            let permit = CircuitBreaker::admit(&*other, at(0));
            permit.map(|permit| permit.settle(Verdict::Success, SECOND, at(1))).is_ok()
        });
        call(&breaker, FAILED, at(0));
        other.join().expect("it does not panic");
        assert_ne!(breaker.state(at(1)), State::Closed, "only a probe closes it");
        assert_eq!(breaker.counts().successes, 0);
    });
}

#[test]
fn two_that_ask_for_one_place_get_one() {
    loom::model(|| {
        let breaker = breaker();
        call(&breaker, FAILED, at(0));
        let other = Arc::clone(&breaker);
        let other = thread::spawn(move || CircuitBreaker::admit(other, at(1)).ok());
        let mine = CircuitBreaker::admit(Arc::clone(&breaker), at(1)).ok();
        let others = other.join().expect("it does not panic");
        assert!(mine.is_some() != others.is_some());
        drop((mine, others));
        assert_eq!(breaker.snapshot(at(1)).probes_out, 0);
        assert!(breaker.peek(at(1)).is_ok());
    });
}

#[test]
fn a_lost_probe_and_its_successor_do_not_both_decide() {
    loom::model(|| {
        let breaker = breaker();
        call(&breaker, FAILED, at(0));
        let lost = CircuitBreaker::admit(Arc::clone(&breaker), at(1)).expect("half-open");
        let other = thread::spawn(move || lost.settle(FAILED, SECOND, at(20)).is_some());
        let closed = call(&breaker, Verdict::Success, at(20)).is_some();
        let reopened = other.join().expect("it does not panic");
        // Heard before the place was given to another it opens, and that one is refused or late;
        // after that it has no say.
        assert!(closed != reopened);
        let state = if closed { State::Closed } else { State::Open };
        assert_eq!(breaker.state(at(20)), state);
        assert_eq!(breaker.peek(at(20)).is_ok(), closed);
    });
}

#[test]
fn a_forced_circuit_hears_nothing_of_before() {
    loom::model(|| {
        let breaker = breaker();
        let other = Arc::clone(&breaker);
        let other = thread::spawn(move || call(&other, FAILED, at(0)));
        breaker.force(Mode::ForcedOpen, at(0));
        other.join().expect("it does not panic");
        assert_eq!(breaker.state(at(9)), State::ForcedOpen);
        assert!(breaker.peek(at(9)).is_err());
        breaker.force(Mode::Automatic, at(9));
        assert!(breaker.peek(at(9)).is_ok());
    });
}

#[test]
fn no_success_is_lost_or_counted_twice() {
    loom::model(|| {
        let breaker = breaker();
        let other = Arc::clone(&breaker);
        let other = thread::spawn(move || call(&other, Verdict::Success, at(0)));
        call(&breaker, Verdict::Success, at(0));
        let seen = breaker.counts().successes; // which takes them from the word
        other.join().expect("it does not panic");
        assert!((1..=2).contains(&seen));
        assert_eq!(breaker.counts().successes, 2);
    });
}
