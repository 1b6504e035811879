//! Circuit breakers: refusing while what is called fails.
//!
//! A server that is down or slow holds whoever calls it: callers wait for their time-outs with all
//! that they hold, then try again, and so the failure climbs from tier to tier, and what is down is
//! kept down by those who wait for it. A breaker sees that calls fail, and refuses them at once for
//! a while; then it lets a few pass, to see whether it is better.
//!
//! - [`CircuitBreaker`] lets all pass or none (Nygard, *Release It!*, 2007). It follows Sony's
//!   gobreaker, whose recorded behaviour it reproduces, and its generations: the end of a call that
//!   began in an earlier era never decides.
//! - [`Throttle`] refuses a share that grows.
//! - [`Breaker`] is the one that a rule asks for.
//!
//! To admit a call gives a [`Permit`], which owes a [`Verdict`]. Dropped without one it was
//! abandoned: its place is free, and if nearly all are abandoned they are failures. What is lost
//! without being dropped (a future that nobody polls) loses its place when its lease is over. A call
//! that a later step refuses is [`Verdict::Neutral`]. Nothing is called back under a lock: who
//! settles is told of a change, and [`transitions_after`](Breaker::transitions_after) has the last few.
//!
//! Left to others: what counts as a failure (the table of
//! [`Outcome`](crate::governance::outcome::Outcome), by [`Permit::settle_outcome`]), and one breaker
//! each for tenants or shards.

mod core;
mod counts;
mod either;
mod machine;
mod open;
mod permit;
mod probes;
mod settings;
mod snapshot;
mod successes;
mod throttle;
mod verdict;
mod why;
mod window;

#[cfg(test)]
mod complaints;
#[cfg(all(test, model))]
mod model;

pub use counts::Counts;
pub use either::Breaker;
pub use machine::CircuitBreaker;
pub use open::CircuitOpen;
pub use permit::{Machine, Permit};
pub use settings::{BreakerSettings, Counting, Lookback};
pub use snapshot::Snapshot;
pub use throttle::{MAX_REFUSED, Throttle};
pub use verdict::Verdict;
pub use why::{ABANDONED_SHARE, Evidence, Mode, State, Transition, Why};
