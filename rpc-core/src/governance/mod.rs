//! What decides whether a call is made, made again, or answered otherwise: limits, breakers,
//! retries, degradation, and the rules behind them. Pure machines that take `now`; nothing here knows
//! of clients, servers or connections.

pub mod adaptive;
pub mod backoff;
pub mod breaker;
pub mod fallback;
pub mod hedge;
pub mod layer;
pub mod limit;
mod moment;
pub mod outcome;
pub mod retry;
mod rough;
pub mod rules;
mod sync;

pub use moment::Moment;
pub(crate) use moment::nanos;
pub(crate) use rough::Rough;
