//! What is answered instead: the last good answer to the same question, and the switch that
//! answers so without calling.
//!
//! The failure this prevents: a page is gone because one number on it could not be had. The failures
//! it brings: an outage that nobody sees, as all is answered; one tenant's answer given to another; and
//! yesterday's degraded answer kept as good. So what becomes of a fallback is counted beside
//! the call's outcome ([`Degradation`](super::outcome::Degradation)), whole questions are the keys, and
//! only a [`Good`] answer is kept.
//!
//! When to ask the fallback is for [`Outcome::asks_fallback`](super::outcome::Outcome::asks_fallback) to
//! say, and functions and `Default` are for the typed stub. Seen: Dubbo's `MockClusterInvoker` (force and
//! fail), Hystrix issue 1765 (success after fallback is not success).

mod degrade;
mod key;
mod last_good;
mod recent;

pub use degrade::{Degrade, Degraded};
pub use key::Key;
pub use last_good::{Good, LastGood, LastGoodSettings};
