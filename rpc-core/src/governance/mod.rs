//! What a call's end means, and (with the issues to come) what follows from it: limits, breakers,
//! retries, balancing. Pure machines that take `now`; nothing here knows of clients, servers or
//! connections.

pub mod backoff;
pub mod outcome;
