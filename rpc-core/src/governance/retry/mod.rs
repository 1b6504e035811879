//! Attempts after the first, and what they may cost.
//!
//! The failure this prevents: a service that is slow or down gets its callers' retries on top of
//! their calls, and with three attempts on each of three tiers that is 27 times the load, just
//! when it can take the least. So a call is repeated only where that is safe ([`RetryPolicy`]),
//! what is repeated is paid from one [`Budget`] with the hedges, a repeated call is not repeated
//! again further down, and who has nothing left says so to its callers ([`Stop::silences_callers`]).
//!
//! Sources: Finagle's `RetryBudget` (a share of calls and a floor), gRFC A6 (pushback), Marc Brooker's
//! "Exponential Backoff and Jitter" (AWS, 2015), *Site Reliability Engineering* ch. 21 and 22 (a
//! budget per process, no retries on several levels).
//!
//! Nothing here waits or picks a node: the call does.

mod budget;
mod policy;

pub use budget::{Budget, BudgetSettings};
pub use policy::{Facts, MAX_RESENDS, NEVER, Retry, RetryPolicy, Stop, is_never};
