//! The handlers that were polled in place during one read, which are counted and timed together.
//!
//! Their answers leave in one write after the last of them, so that is when each of them ends, and one
//! look at the clock does for all. Only a batch that took long makes the next one look at the clock for
//! every handler, to learn which of them it is.

use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::answering::Served;
use super::compressed;
use super::execution::Run;
use super::outbox::Gathered;
use crate::context::Peer;
use crate::governance::outcome::Outcome;
use crate::observe::Meter;
use crate::request::Response;
use crate::status::Status;

/// A batch is above suspicion if it took no longer than this, and a microsecond for each handler.
const SWIFT: Duration = Duration::from_micros(20);
const SWIFT_EACH: Duration = Duration::from_micros(1);

#[derive(Default)]
pub(super) struct Batch {
    /// What the next handler runs in.
    run: Option<Run>,
    /// Answers of this read that go out with no more than their value.
    plain: Gathered,
    /// How many handlers of each method ended with an answer.
    answered: Vec<(Arc<Meter>, u64)>,
    polled: u32,
    suspicious: bool,
}

impl Batch {
    /// What the next handler of a call by `peer` is to run in.
    pub(super) fn next(&mut self, peer: &Peer, now: Instant) -> &mut Run {
        self.run.get_or_insert_with(|| Run::new(peer, now))
    }

    /// The same for a handler that goes on by itself.
    pub(super) fn take(&mut self) -> Option<Run> {
        self.run.take()
    }

    /// Bytes of answers that have yet to be queued.
    pub(super) fn gathered_bytes(&self) -> usize {
        self.plain.len()
    }

    /// Polls the handler that was made ready once, and answers its call if that was enough.
    pub(super) fn run(&mut self, served: &Arc<Served>, meter: &Arc<Meter>, call: u64) -> Poll<()> {
        let Some(run) = &mut self.run else { return Poll::Ready(()) };
        self.polled += 1;
        let began = (self.suspicious || !meter.cost.is_settled()).then(Instant::now);
        let polled = run.poll(&mut Context::from_waker(Waker::noop()));
        if let Some(began) = began {
            meter.cost.note(began.elapsed());
        }
        let result = ready!(polled);
        match Outcome::of(&result) {
            Outcome::Success => self.count(meter),
            other => meter.counters.record(other, run.received.elapsed(), 1),
        }
        self.answer(served, call, result);
        Poll::Ready(())
    }

    fn answer(&mut self, served: &Arc<Served>, call: u64, result: Result<Response, Status>) {
        let Some(run) = self.run.as_mut().filter(|run| !run.oneway) else { return };
        match result {
            Ok(response)
                if response.is_plain()
                    && compressed::is_small(&response.body)
                    && run.context.is_silent() =>
            {
                self.plain.push_response(&served.outbox, call, &response.body);
            }
            result => {
                // Others may send it, and before this read has ended.
                run.place = None;
                served.answer(call, result, run.context.take_reply_metadata(), run.compression);
            }
        }
    }

    fn count(&mut self, meter: &Arc<Meter>) {
        match self.answered.iter_mut().rev().find(|(known, _)| Arc::ptr_eq(known, meter)) {
            Some((_, calls)) => *calls += 1,
            None => self.answered.push((meter.clone(), 1)),
        }
    }

    /// All requests of a read that began at `began` have been looked at.
    pub(super) fn end(&mut self, served: &Served, began: Instant) {
        // Their place is free before the answers leave: the client may send its next call right after.
        self.run = None;
        self.plain.queue(&served.outbox);
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
