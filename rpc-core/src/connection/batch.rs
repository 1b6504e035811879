//! The handlers that were polled in place during one read, which are counted and timed together.
//!
//! Their answers leave in one write after the last of them, so that is when each of them ends, and one
//! look at the clock does for all. Only a batch that took long makes the next one look at the clock for
//! every handler, to learn which of them it is.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::answering::Served;
use super::execution::Run;
use crate::governance::outcome::Outcome;
use crate::observe::Meter;

/// A batch is above suspicion if it took no longer than this, and a microsecond for each handler.
const SWIFT: Duration = Duration::from_micros(20);
const SWIFT_EACH: Duration = Duration::from_micros(1);

#[derive(Default)]
pub(super) struct Batch {
    /// How many handlers of each method ended with an answer.
    answered: Vec<(Arc<Meter>, u64)>,
    polled: u32,
    suspicious: bool,
}

impl Batch {
    /// Polls a handler once. One that has to wait comes back.
    pub(super) fn run(
        &mut self,
        served: &Arc<Served>,
        meter: &Arc<Meter>,
        call: u64,
        mut run: Run,
    ) -> Option<Run> {
        self.polled += 1;
        let began = (self.suspicious || !meter.cost.is_settled()).then(Instant::now);
        let polled = run.poll(&mut Context::from_waker(Waker::noop()));
        if let Some(began) = began {
            meter.cost.note(began.elapsed());
        }
        let Poll::Ready(result) = polled else { return Some(run) };
        let received = run.received;
        match run.finish(served, call, Some(result)) {
            Outcome::Success => self.count(meter),
            other => meter.counters.record(other, received.elapsed(), 1),
        }
        None
    }

    fn count(&mut self, meter: &Arc<Meter>) {
        match self.answered.iter_mut().rev().find(|(known, _)| Arc::ptr_eq(known, meter)) {
            Some((_, calls)) => *calls += 1,
            None => self.answered.push((meter.clone(), 1)),
        }
    }

    /// All requests of a read that began at `began` have been looked at.
    pub(super) fn end(&mut self, began: Instant) {
        if self.polled == 0 {
            return;
        }
        let took = began.elapsed();
        for (meter, calls) in self.answered.drain(..) {
            meter.counters.record(Outcome::Success, took, calls);
        }
        self.suspicious = took > SWIFT + SWIFT_EACH * self.polled;
        self.polled = 0;
    }
}
