//! What is measured: one file for each family of machines, each with the peers that do the same.
//!
//! Every machine is asked as a call asks it that nothing holds up: limits that are wide enough, closed
//! breakers, time that moves by a microsecond a call. Services of peers are polled to their end on top of one
//! that answers at once.

mod adaptive;
mod breaker;
mod chain;
mod clock;
mod concurrency;
mod hedge;
mod keyed;
mod last_good;
mod rate;
mod retry;
mod turns;

use crate::suite::Suite;

pub(crate) fn all(suite: &mut Suite) {
    clock::rows(suite);
    rate::rows(suite);
    keyed::rows(suite);
    concurrency::rows(suite);
    adaptive::rows(suite);
    breaker::rows(suite);
    retry::rows(suite);
    hedge::rows(suite);
    last_good::rows(suite);
    chain::rows(suite);
}
