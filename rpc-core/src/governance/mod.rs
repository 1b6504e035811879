//! What a call's end means, and how long to wait before the next: the ground that limits, breakers,
//! retries and balancing will stand on. Pure machines that take `now`; nothing here knows of clients, servers or
//! connections.

pub mod backoff;
pub mod outcome;
