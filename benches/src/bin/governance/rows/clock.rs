//! What it costs to ask for the time, which no machine of ours does; and what the rest costs around it.

use std::hint::black_box;
use std::time::Instant;

use rpc_core::governance::Moment;

use crate::service::{Answers, Call, call};
use crate::suite::{Clock, Suite};

#[expect(clippy::disallowed_methods, reason = "it is what is measured")]
pub(super) fn rows(suite: &mut Suite) {
    suite.bench("clock", "std Instant", Clock::Own, |_| {
        black_box(Instant::now());
    });
    suite.bench("clock", "tokio Instant", Clock::Own, |_| {
        black_box(tokio::time::Instant::now());
    });
    suite.bench("clock", "tokio Instant as Moment", Clock::Own, |_| {
        black_box(Moment::at(tokio::time::Instant::now()));
    });
    suite.bench("nothing", "loop", Clock::Told, |now| {
        black_box(now);
    });
    let mut service = Answers;
    suite.bench("nothing", "service that answers at once", Clock::Needless, move |_| {
        black_box(call(&mut service, black_box(Call::Works))).expect("it works");
    });
}
