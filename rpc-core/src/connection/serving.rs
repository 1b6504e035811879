//! The serving role: takes requests, has their handlers run, and answers them.
//!
//! A handler is polled where its request was read. Most are done at once and cost no task; one that
//! has to wait goes on as a task of its own. Every request that is not one-way is answered exactly
//! once, whatever becomes of its handler.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rpc_codec::{Cancel, Flags, Goaway, Hello, Kind, Metadata, ReceivedFrame};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answering::{Running, Served};
use super::batch::Batch;
use super::budget::Budget;
use super::driver::{Driver, Role};
use super::execution::{Run, Task, cancelled};
use super::fault::{self, Fault};
use super::outbox::Outbox;
use super::{Limits, Returned};
use crate::context::Peer;
use crate::governance::outcome::Outcome;
use crate::observe::Meter;
use crate::status::{Executed, Origin, Status};
use crate::transport::Io;

/// What stands behind a served connection: everything from admission to the handler.
pub(crate) trait Accept: Send + Sync + 'static {
    /// Looks at a peer's HELLO.
    ///
    /// # Errors
    /// Why this is not the server it looks for.
    fn greet(&self, hello: &Hello) -> Result<(), String>;

    /// Decides on a request, before its arguments are decoded, and readies `run` for it if it is to
    /// run.
    fn accept(&self, incoming: Incoming<'_>, run: &mut Run) -> Accepted<'_>;
}

/// A request as it came.
pub(crate) struct Incoming<'a> {
    /// The only frame, or the first of a big request.
    pub(crate) frame: ReceivedFrame,
    /// The whole body of a big request.
    pub(crate) big: Option<Bytes>,
    pub(crate) now: Instant,
    /// Calls running on this connection.
    pub(crate) in_flight: usize,
    /// Bytes of answers that the peer has yet to take.
    pub(crate) queued_bytes: usize,
    pub(crate) limits: &'a Limits,
}

/// What becomes of a request.
pub(crate) enum Accepted<'a> {
    /// It is answered with this, or dropped if it is one-way.
    Refused { status: Status, oneway: bool, meter: &'a Meter },
    /// Its handler is ready to run.
    Run(&'a Arc<Meter>),
}

/// How far a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes calls.
    Serving,
    /// Finishes those it has.
    Draining,
    /// Drops them.
    Stopping,
}

/// A big request of which the end has yet to come.
struct Partial {
    first: ReceivedFrame,
    body: BytesMut,
    credit: Returned,
}

pub(crate) struct Serving {
    shared: Arc<Served>,
    accept: Arc<dyn Accept>,
    hello: Arc<Hello>,
    peer: Peer,
    address: Arc<str>,
    partial: HashMap<u64, Partial>,
    last_call: u64,
    phase: watch::Receiver<Phase>,
    /// When this connection has served long enough.
    age: Option<Instant>,
    goaway: Option<u64>,
    cancels: Budget,
    batch: Batch,
}

impl Serving {
    /// Serves a connection; the future is its task.
    pub(crate) fn run(
        io: Io,
        limits: &Limits,
        accept: Arc<dyn Accept>,
        hello: Arc<Hello>,
        phase: watch::Receiver<Phase>,
        max_age: Option<Duration>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let now = Instant::now();
        let outbox = Outbox::new(limits.window_bytes());
        let role = Self {
            shared: Served::new(outbox.clone(), limits.clone()),
            accept,
            hello,
            peer: Peer::new(String::new(), io.peer.clone()),
            address: io.peer.clone(),
            partial: HashMap::new(),
            last_call: 0,
            phase,
            age: max_age.and_then(|age| now.checked_add(age)),
            goaway: None,
            cancels: Budget::new(limits.max_cancels_per_second, limits.max_cancels_per_second, now),
            batch: Batch::default(),
        };
        Box::new(Driver::new(io, outbox, limits.clone(), role)).run()
    }

    fn request(&mut self, frame: ReceivedFrame, now: Instant) -> Result<(), Fault> {
        if frame.call <= self.last_call {
            return fault::protocol(format!(
                "call ids increase, and {} comes after {}",
                frame.call, self.last_call
            ));
        }
        if self.goaway.is_some() {
            return Ok(()); // The client knows from GOAWAY that it is not executed.
        }
        self.last_call = frame.call;
        if !frame.flags.contains(Flags::MORE) {
            self.start(frame, None, None, now);
            return Ok(());
        }
        if self.partial.len() >= self.shared.limits.calls() as usize {
            return Err(Fault::Limit("more calls begun than a connection may have".into()));
        }
        let (call, body) = (frame.call, frame.body());
        self.shared.outbox.receive(body.len())?;
        let credit = Returned::new(&self.shared.outbox, body.len());
        let body = BytesMut::from(body);
        self.partial.insert(call, Partial { first: frame, body, credit });
        Ok(())
    }

    fn data(&mut self, frame: &ReceivedFrame, now: Instant) -> Result<(), Fault> {
        self.shared.outbox.receive(frame.body().len())?;
        let Some(partial) = self.partial.get_mut(&frame.call) else {
            // The rest of a request that was cancelled meanwhile.
            self.shared.outbox.give_back(frame.body().len());
            return Ok(());
        };
        partial.body.extend_from_slice(frame.body());
        partial.credit.add(frame.body().len());
        let max = self.shared.limits.message_bytes();
        if partial.body.len() > max as usize {
            let what = format!("a request of more than {max} bytes");
            return Err(Fault::Limit(what.into()));
        }
        if !frame.flags.contains(Flags::MORE)
            && let Some(Partial { first, body, credit }) = self.partial.remove(&frame.call)
        {
            self.start(first, Some(body.freeze()), Some(credit), now);
        }
        Ok(())
    }

    fn cancel(&mut self, frame: &ReceivedFrame, now: Instant) -> Result<(), Fault> {
        let cancel = Cancel::decode(frame.head())
            .map_err(|error| Fault::Protocol(format!("bad CANCEL: {error}").into()))?;
        if !self.cancels.take(now) {
            return Err(Fault::Limit("too many calls cancelled".into()));
        }
        if self.partial.remove(&frame.call).is_some() {
            let status = cancelled(cancel.code).from(Origin::Server, Executed::No);
            self.shared.answer_status(frame.call, &status, &Metadata::new());
        } else if let Some(running) = self.shared.lock().calls.get(&frame.call) {
            running.cancel();
        }
        Ok(())
    }

    fn start(
        &mut self,
        frame: ReceivedFrame,
        big: Option<Bytes>,
        credit: Option<Returned>,
        now: Instant,
    ) {
        let (shared, call) = (&self.shared, frame.call);
        let incoming = Incoming {
            frame,
            big,
            now,
            in_flight: shared.in_flight.load(Ordering::Relaxed) + self.partial.len(),
            queued_bytes: shared.unread_bytes() + self.batch.gathered_bytes(),
            limits: &shared.limits,
        };
        match self.accept.accept(incoming, self.batch.next(&self.peer, now)) {
            Accepted::Refused { status, oneway, meter } => {
                meter.counters.record(Outcome::of_status(&status), Duration::ZERO, 1);
                if !oneway {
                    shared.answer_status(call, &status, &Metadata::new());
                }
            }
            Accepted::Run(meter) => {
                if meter.cost.is_cheap() && self.batch.run(shared, meter, call).is_ready() {
                    return;
                }
                if let Some(run) = self.batch.take() {
                    Task::spawn(shared, meter, call, run, credit);
                }
            }
        }
    }

    fn drain(&mut self, code: u32, message: &str) {
        if self.goaway.is_none() {
            self.goaway = Some(self.last_call);
            let message = message.to_owned();
            self.shared.outbox.push_goaway(&Goaway { last_call: self.last_call, code, message });
        }
    }
}

impl Role for Serving {
    const ANSWERS: bool = true;

    fn greeted(&mut self, hello: &Hello) -> Result<(), Fault> {
        // Names are bounded by the builder that made them.
        let _ = self.shared.outbox.push_hello(&self.hello);
        self.peer = Peer::new(hello.peer_name.clone(), self.address.clone());
        // The driver takes one HELLO only.
        let _ = self.shared.client_takes.set(hello.max_message_bytes);
        self.accept
            .greet(hello)
            .map_err(|message| Fault::Mismatch { code: fault::goaway::WRONG_PEER, message })?;
        if *self.phase.borrow() != Phase::Serving {
            self.drain(fault::goaway::DRAIN, "");
        }
        Ok(())
    }

    fn frame(&mut self, frame: ReceivedFrame, now: Instant) -> Result<(), Fault> {
        match frame.kind {
            Kind::REQUEST => self.request(frame, now)?,
            Kind::DATA => self.data(&frame, now)?,
            Kind::CANCEL => self.cancel(&frame, now)?,
            other => return fault::protocol(format!("a server got a {other:?} frame")),
        }
        let queued = self.shared.outbox.queued_bytes() + self.batch.gathered_bytes();
        if queued > self.shared.limits.max_queued_bytes.saturating_mul(2) {
            return Err(Fault::Limit("the peer asks and does not read the answers".into()));
        }
        Ok(())
    }

    fn read_done(&mut self, now: Instant) -> Result<(), Fault> {
        self.batch.end(&self.shared, now);
        Ok(())
    }

    fn goaway(&mut self, goaway: Goaway) -> Result<(), Fault> {
        Err(Fault::Goaway(goaway))
    }

    fn last_call(&self) -> u64 {
        self.goaway.unwrap_or(self.last_call)
    }

    fn earliest_deadline(&self) -> Option<Instant> {
        let calls = self.shared.lock().earliest;
        let age = self.age.filter(|_| self.goaway.is_none());
        [calls, age].into_iter().flatten().min()
    }

    fn tick(&mut self, now: Instant) {
        self.shared.lock().expire(now);
        if self.age.is_some_and(|age| age <= now) {
            self.drain(fault::goaway::AGE, "the connection is old");
        }
    }

    fn is_busy(&self) -> bool {
        self.shared.is_busy() || !self.partial.is_empty()
    }

    fn is_finished(&self) -> bool {
        self.goaway.is_some() && !self.is_busy()
    }

    async fn signal(&mut self) {
        tokio::select! {
            // Marks the value as seen only when it returns, so that dropping this loses nothing.
            changed = self.phase.changed() => if changed.is_err() {
                // The server is gone without a word; its connections live on by themselves.
                return std::future::pending().await;
            },
            () = self.shared.idle.notified() => return,
        }
        let phase = *self.phase.borrow();
        match phase {
            Phase::Serving => {}
            Phase::Draining => self.drain(fault::goaway::DRAIN, ""),
            Phase::Stopping => {
                self.drain(fault::goaway::DRAIN, "the server stops");
                self.partial.clear();
                self.shared.abort();
            }
        }
    }

    fn ended(&mut self, _: &Fault, _: u64) {
        self.partial.clear();
        self.shared.outbox.refuse();
        self.shared.lock().calls.values().for_each(Running::cancel);
    }
}
