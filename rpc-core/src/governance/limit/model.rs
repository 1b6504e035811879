//! Every interleaving of threads, tried by loom: that the word beside the lock lets nothing happen that
//! the lock alone would not.
//!
//! `RUSTFLAGS="--cfg model" cargo test -p rpc-core --lib governance::limit::model`

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::*;
use crate::governance::Moment;
use crate::governance::rules::{LimitRule, Rate};

const SECOND: Duration = Duration::from_secs(1);

fn rule(permits: u32, burst: u32) -> LimitRule {
    LimitRule { burst: Some(burst), ..LimitRule::to(Rate { permits, per: SECOND }) }
}

/// A limit whose word counts: it was full and one permit is taken.
fn limiter(permits: u32, burst: u32) -> (Arc<RateLimiter>, Ticket) {
    let limiter = RateLimiter::new(&rule(permits, burst), at(0));
    let ticket = limiter.try_acquire(1, at(0)).expect("it is full");
    (Arc::new(limiter), ticket)
}

fn at(millis: u64) -> Moment {
    Moment::default().plus(Duration::from_millis(millis))
}

/// How many single calls go at this moment.
fn going(limiter: &RateLimiter, now: Moment) -> u32 {
    (0..10).find(|_| limiter.try_acquire(1, now).is_err()).unwrap_or(10)
}

#[test]
fn two_at_the_word_and_one_at_the_lock_take_no_more_than_there_is() {
    loom::model(|| {
        let (limiter, _) = limiter(1, 3);
        let others = [0, 0].map(|millis| {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || u32::from(limiter.try_acquire(1, at(millis)).is_ok()))
        });
        // Half a token is more than the word can count.
        let mine = u32::from(limiter.try_acquire(1, at(500)).is_ok());
        let [first, second] = others.map(|other| other.join().expect("it does not panic"));
        assert_eq!(mine + first + second, 2);
        assert_eq!(going(&limiter, at(999)), 0);
        assert_eq!(going(&limiter, at(1_000)), 1, "nor less");
    });
}

#[test]
fn two_at_the_word_of_whom_one_is_later_are_both_counted() {
    loom::model(|| {
        let (limiter, _) = limiter(1_000, 3);
        let other = Arc::clone(&limiter);
        let other = thread::spawn(move || other.try_acquire(1, at(0)).is_ok());
        assert!(limiter.try_acquire(1, at(1_000)).is_ok());
        assert!(other.join().expect("it does not panic"));
        let left = going(&limiter, at(1_000));
        assert!(left == 1 || left == 2, "if the other was first it is full again: {left}");
    });
}

#[test]
fn a_permit_is_not_lost_in_a_change_nor_given_twice() {
    loom::model(|| {
        let (limiter, _) = limiter(1, 2);
        let other = Arc::clone(&limiter);
        let other = thread::spawn(move || {
            u32::from(other.try_acquire(1, at(0)).is_ok())
                + u32::from(other.try_acquire(1, at(0)).is_ok())
        });
        limiter.reconfigure(&rule(2, 3), at(0));
        let others = other.join().expect("it does not panic");
        assert_eq!(others, 1, "one was left, and none was added");
        assert_eq!(going(&limiter, at(1_000)), 2, "at the new rate");
        assert_eq!(going(&limiter, at(9_000)), 3, "and up to the new burst");
    });
}

#[test]
fn a_swap_that_was_prepared_under_other_terms_fails() {
    loom::model(|| {
        let (limiter, _) = limiter(1, 2);
        let other = Arc::clone(&limiter);
        let other = thread::spawn(move || other.try_acquire(1, at(0)).is_ok());
        limiter.reconfigure(&rule(3, 1), at(0));
        assert!(limiter.try_acquire(1, at(9_000)).is_ok(), "full, and so the word counts again");
        other.join().expect("it does not panic");
        assert_eq!(going(&limiter, at(9_000)), 0);
        assert_eq!(going(&limiter, at(9_334)), 1, "nothing was taken on top of that");
    });
}

#[test]
fn what_is_given_back_while_another_takes_is_there_once() {
    loom::model(|| {
        let (limiter, ticket) = limiter(1, 1);
        let other = Arc::clone(&limiter);
        let other = thread::spawn(move || u32::from(other.try_acquire(1, at(0)).is_ok()));
        limiter.cancel(ticket, at(0));
        let others = other.join().expect("it does not panic");
        assert_eq!(others + going(&limiter, at(0)), 1);
    });
}
