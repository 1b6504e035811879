//! Limits of calls at a time that find their size: to enter, to leave, and to learn from it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use rpc_core::Priority;
use rpc_core::governance::adaptive::{Adaptive, Sample};
use rpc_core::governance::outcome::Outcome;
use tower::Layer;
use tower_resilience::adaptive::{IntoLayer as _, Vegas};

use super::rate::passes;
use crate::service::Answers;
use crate::suite::{Clock, Suite};

/// What a call took: always the same, so that the limit has settled.
const TOOK: Duration = Duration::from_micros(200);

pub(super) fn rows(suite: &mut Suite) {
    let limit = Arc::new(Adaptive::client(suite.now()));
    suite.bench("adaptive", "ours", Clock::Told, move |now| {
        let slot = Adaptive::try_enter(&*limit, Priority::Normal, now).expect("there is room");
        black_box(slot.in_use());
        slot.settle(Sample::of(Outcome::Success, black_box(TOOK)), now);
    });
    let vegas = Vegas::builder().initial_limit(20).build().expect("it is valid");
    let vegas = vegas.into_layer().layer(Answers);
    suite.bench("adaptive", "tower-resilience (service)", Clock::Own, passes(vegas));
}
