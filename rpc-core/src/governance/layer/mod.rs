//! The machines as tower layers, for any service: axum's routes, reqwest's client, tonic's channel, or
//! one's own.
//!
//! What it prevents: governance that only one kind of call has. A service that is called over HTTP goes
//! down just as well, and should not need another breaker, with other rules, for that.
//!
//! Each layer is a thin skin: it reads the clock once, asks its machine, waits if it has to, and holds
//! what it got until the call ends or is dropped. All services that a layer makes share its machine,
//! and so do their clones; [`One`] and [`ByKey`] say which. The machine can be had from the layer, to
//! see how it stands or to change it while it works.
//!
//! # In which order
//!
//! From the outermost to the innermost, as a call of this crate goes through them:
//!
//! | layer | why there |
//! |---|---|
//! | [`FallbackLayer`] | answers whatever the others refuse, when all that they held is free |
//! | [`TimeoutLayer`] | the time of the whole, waits, pauses and attempts included |
//! | [`GateLayer`] | an open breaker refuses before anything waits or is spent |
//! | [`RateLimitLayer`] | one turn for a call, however often it is tried |
//! | [`ConcurrencyLayer`] | one place for a call; not held while it waits for its turn |
//! | [`BreakerLayer`] | judges calls, so that a failure that a retry made good is none |
//! | [`RetryLayer`] | attempts, one after the other |
//! | [`HedgeLayer`] | attempts, one beside the other, paid from the budget of the retries |
//! | [`AdaptiveLayer`] | learns from how long an attempt takes, not from pauses |
//! | [`TimeoutLayer`] | the time of one attempt |
//!
//! The first layer given to tower's `ServiceBuilder` is the outermost. A server has the limits only, before
//! anything is read or decoded. A layer that the time of the whole cuts off does not learn of a deadline:
//! its call was abandoned.
//!
//! # How they refuse
//!
//! A refusal is an error of the service: [`RateLimited`], [`Overloaded`], [`CircuitOpen`] or
//! [`TimedOut`], for which its error needs a `From`. [`Status`] and [`BoxError`] have one for each. An error
//! that has none is mapped first, inside of the layers: reqwest's into a box by
//! `ServiceBuilder::map_err(BoxError::from)`, axum's `Infallible` by `map_err(|never| match never {})`. A
//! route of axum then turns what was refused into a response, outside of them, by its
//! `HandleErrorLayer`: *429 Too Many Requests* for [`RateLimited`], *503 Service Unavailable* for the others,
//! and [`Ending::retry_after`] as the header `retry-after`. `examples/governed_axum.rs` and
//! `examples/governed_reqwest.rs` show both.
//!
//! # What is a failure
//!
//! Those that learn from the end of a call ask a [`Classify`]: [`ByError`] takes every answer for a success
//! and asks the error; [`OutcomeTable`] is for calls of this crate; a function is one too, and needed where
//! an answer may be a failure, as in HTTP. What another layer refused is never one.
//!
//! # Ready
//!
//! Nothing is reserved in `poll_ready`, but by the service inside: a turn or a place is taken when the call
//! is made, so an idle handle starves nobody and a clone has nothing to lose. What has to wait does so in the
//! call, with the service that was ready, and leaves a clone behind. Dropping a call at any point gives
//! back all that it held.
//!
//! [`RateLimited`]: crate::governance::limit::RateLimited
//! [`Overloaded`]: crate::governance::limit::concurrency::Overloaded
//! [`CircuitOpen`]: crate::governance::breaker::CircuitOpen
//! [`Status`]: crate::Status
//!
//! ```
//! use std::time::Duration;
//! use rpc_core::governance::layer::{BoxError, BreakerLayer, TimeoutLayer};
//! use rpc_core::governance::rules::BreakerRule;
//! use tower_layer::Layer;
//! # use std::task::{Context, Poll};
//! # #[derive(Clone)]
//! # struct Client;
//! # impl tower_service::Service<String> for Client {
//! #     type Response = String;
//! #     type Error = BoxError;
//! #     type Future = std::future::Ready<Result<String, BoxError>>;
//! #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
//! #         Poll::Ready(Ok(()))
//! #     }
//! #     fn call(&mut self, request: String) -> Self::Future {
//! #         std::future::ready(Ok(request))
//! #     }
//! # }
//! # fn callable(_: impl tower_service::Service<String>) {}
//!
//! let breaker = BreakerLayer::new(&BreakerRule::DEFAULT);
//! let service = breaker.layer(TimeoutLayer::new(Duration::from_secs(1)).layer(Client));
//! println!("{:?}", breaker.breaker().counts());
//! # callable(service);
//! ```

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

/// So long, but no longer than the call being served may still take.
fn within_time_left(wait: Duration) -> Duration {
    if wait.is_zero() {
        return wait;
    }
    crate::context::Context::current().time_left().map_or(wait, |left| wait.min(left))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

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
