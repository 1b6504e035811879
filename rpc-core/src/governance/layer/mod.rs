//! The machines as tower layers, for any service: axum's routes, reqwest's client, tonic's channel, or
//! one's own.
//!
//! What it prevents: governance that only one kind of call has. A service that is called over HTTP goes
//! down just as well, and should not need another breaker, with other rules, for that.
//!
//! Each layer is a thin skin: it reads the clock, asks its machine, waits if it has to, and holds
//! what it got until the call ends or is dropped.

mod adaptive;
mod again;
mod breaker;
mod concurrency;
mod ending;
mod fallback;
mod gate;
mod hedge;
mod pick;
mod queued;
mod rate;
mod retry;
mod timeout;

use std::time::Duration;

use tokio::time::Instant;

pub use adaptive::{AdaptiveFuture, AdaptiveLayer, AdaptiveLimit};
pub use again::{CloneRequest, Cloned};
pub use breaker::{BreakerFuture, BreakerLayer, BreakerService};
pub use concurrency::{
    ConcurrencyFuture, ConcurrencyLayer, ConcurrencyLimit, Hold, OwnedSlot, UntilResponse,
};
pub use ending::{BoxError, ByError, Classify, Ending, Failure, OutcomeTable};
pub use fallback::{Degradations, Fallback, FallbackFuture, FallbackLayer};
pub use gate::{Gate, GateFuture, GateLayer};
pub use hedge::{HedgeFuture, HedgeLayer, Hedged};
pub use pick::{ByKey, One, Pick};
pub use queued::{Inherited, Prioritize};
pub use rate::{RateLimit, RateLimitFuture, RateLimitLayer};
pub use retry::{RetryFuture, RetryLayer, Retrying};
pub use timeout::{TimedOut, Timeout, TimeoutFuture, TimeoutLayer};

use super::Moment;

/// The clock that machines do not have.
fn now() -> Moment {
    Moment::at(Instant::now())
}

/// So long, but no longer than the call being served may still take.
fn within_time_left(wait: Duration) -> Duration {
    if wait.is_zero() {
        return wait;
    }
    crate::context::Context::current().time_left().map_or(wait, |left| wait.min(left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{Call, Context};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_past_the_deadline_of_the_call_being_served() {
        assert_eq!(within_time_left(SECOND), SECOND);
        let deadline = Some(Instant::now() + SECOND / 2);
        let serving = Context::new(Call { deadline, ..Call::default() });
        serving
            .scope(async {
                assert_eq!(within_time_left(SECOND), SECOND / 2);
                assert_eq!(within_time_left(SECOND / 4), SECOND / 4);
                tokio::time::advance(SECOND).await;
                assert_eq!(within_time_left(SECOND), Duration::ZERO);
            })
            .await;
    }
}
