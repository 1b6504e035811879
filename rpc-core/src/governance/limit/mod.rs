//! Limits: how many calls per time, and how many at a time.
//!
//! Without them one caller's loop, or one popular page, takes all that a service has, and everyone
//! else's calls fail with it. A limit per time keeps what is called from being asked more than was
//! agreed; callers use [`RateLimiter`], made from a rule, and the kinds behind it stand beside it: token
//! bucket, leaky bucket, fixed window, sliding window. [`Keyed`] keeps one each for so many callers or
//! tenants, and no more.
//!
//! All are exact, also when many threads ask at once: what is there is counted and taken under one
//! lock, or by one swap of a word while that is enough to count the tokens of a bucket. All count what
//! waits as taken, in the order of asking, so that there is no queue to keep and a waiter knows at once
//! when its turn is, or that it would come too late. A limit is one process's: ten processes with a
//! limit of 100/s let 1,000/s go.

pub mod concurrency;
mod fixed;
mod keyed;
#[cfg(test)]
mod laws;
mod leaky;
mod limited;
#[cfg(all(test, model))]
mod model;
mod quota;
mod rate;
mod shared;
mod sliding;
mod ticket;
mod token;

pub use fixed::FixedWindow;
pub use keyed::Keyed;
pub use leaky::LeakyBucket;
pub use limited::{KeyLimited, RateLimited};
pub use quota::Quota;
pub use rate::{RateLimiter, RateSnapshot};
pub use sliding::SlidingWindow;
pub use ticket::{Exhausted, Ticket};
pub use token::TokenBucket;
