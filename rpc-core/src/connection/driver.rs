//! The connection's task: reads, writes, and watches the clock, for either role.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rpc_codec::preface::{self, NotOurs};
use rpc_codec::{BIG_MESSAGE_BYTES, Credit, Goaway, Hello, Kind, ReceivedFrame};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::Limits;
use super::budget::Budget;
use super::fault::{self, Fault};
use super::inbound::Inbound;
use super::keepalive::{Keepalive, Verdict};
use super::outbound::Outbound;
use super::outbox::Outbox;
use crate::transport::Io;

/// How long a closing connection tries to have its last words heard.
const FAREWELL: Duration = Duration::from_millis(500);

/// What tells the two ends of a connection apart.
pub(crate) trait Role: Send {
    /// Whether this end answers: what a read leads to is written at once.
    const ANSWERS: bool;

    /// The peer said HELLO. A server checks that it is the one looked for.
    fn greeted(&mut self, hello: &Hello) -> Result<(), Fault>;

    /// A REQUEST, RESPONSE, DATA or CANCEL frame.
    fn frame(&mut self, frame: ReceivedFrame, now: Instant) -> Result<(), Fault>;

    /// All frames were handled of what was read at `now`.
    fn read_done(&mut self, now: Instant) -> Result<(), Fault>;

    /// The peer takes no calls after `goaway.last_call`.
    fn goaway(&mut self, goaway: Goaway) -> Result<(), Fault>;

    /// The last call taken, for GOAWAY; 0 where none are.
    fn last_call(&self) -> u64;

    /// No call's time is over before this.
    fn earliest_deadline(&self) -> Option<Instant>;

    /// Ends the calls whose time is over.
    fn tick(&mut self, now: Instant);

    /// Whether calls are in flight.
    fn is_busy(&self) -> bool;

    /// Whether the connection has nothing left to do, now or later.
    fn is_finished(&self) -> bool;

    /// Returns when something outside wants a look at [`Role::is_finished`].
    fn signal(&mut self) -> impl Future<Output = ()> + Send;

    /// The connection is over; `written` bytes have left it.
    fn ended(&mut self, fault: &Fault, written: u64);
}

pub(crate) struct Driver<R> {
    inbound: Inbound,
    outbound: Outbound,
    outbox: Arc<Outbox>,
    role: R,
    limits: Limits,
    begun: Instant,
    /// This end's preface is on its way.
    introduced: bool,
    greeted: bool,
    last_call: Instant,
    partial_since: Option<Instant>,
    keepalive: Keepalive,
    pings: Budget,
    empties: Budget,
    skipped: u64,
    timer: Pin<Box<Sleep>>,
    armed: Option<Instant>,
}

impl<R: Role> Driver<R> {
    pub(crate) fn new(io: Io, outbox: Arc<Outbox>, limits: Limits, role: R) -> Self {
        let now = Instant::now();
        Self {
            inbound: Inbound::new(io.reader, limits.frame_bytes()),
            outbound: Outbound::new(io.writer, outbox.clone()),
            outbox,
            role,
            begun: now,
            introduced: !R::ANSWERS,
            greeted: false,
            last_call: now,
            partial_since: None,
            keepalive: Keepalive::new(&limits, now),
            pings: Budget::new(
                limits.max_pings_per_second,
                limits.max_pings_per_second.saturating_mul(10),
                now,
            ),
            empties: Budget::new(
                limits.max_empty_frames_per_second,
                limits.max_empty_frames_per_second,
                now,
            ),
            skipped: 0,
            timer: Box::pin(sleep_until(now)),
            armed: None,
            limits,
        }
    }

    /// Serves the connection until it is over.
    ///
    /// Boxed: a future keeps what it was given beside what it has made of it, and wrapping it in
    /// another does so again.
    pub(crate) async fn run(mut self: Box<Self>) {
        let fault = loop {
            if let Err(fault) = self.turn().await {
                break fault;
            }
        };
        self.role.ended(&fault, self.outbound.written());
        // Best effort, and bounded: whoever does not listen does not get to hold the socket.
        let _ = timeout(FAREWELL, self.farewell(fault)).await;
        self.outbox.close();
    }

    /// One thing that happens, and what follows from it.
    async fn turn(&mut self) -> Result<(), Fault> {
        if self.role.is_finished() && self.outbound.is_empty() {
            return Err(Fault::Finished);
        }
        self.arm();
        tokio::select! {
            biased;
            read = self.inbound.fill() => match read? {
                0 => return Err(Fault::Closed),
                _ => self.read(Instant::now())?,
            },
            written = self.outbound.write_some() => written?,
            () = &mut self.timer, if self.armed.is_some() => {
                self.armed = None;
                self.tick(Instant::now())?;
            }
            () = self.role.signal() => {}
        }
        Ok(())
    }

    fn read(&mut self, now: Instant) -> Result<(), Fault> {
        self.keepalive.heard(now);
        let handled = self.frames(now);
        // Also after a fault: what came before it is good.
        let done = self.role.read_done(now);
        if R::ANSWERS {
            self.outbound.be_prompt();
        }
        handled.and(done)
    }

    fn frames(&mut self, now: Instant) -> Result<(), Fault> {
        while let Some(frame) = self.inbound.next_frame()? {
            self.partial_since = None;
            self.frame(frame, now)?;
        }
        for _ in self.skipped..self.inbound.skipped() {
            self.empty_frame(now)?;
        }
        self.skipped = self.inbound.skipped();
        if self.inbound.is_partial() {
            self.partial_since.get_or_insert(now);
        } else {
            self.partial_since = None;
        }
        Ok(())
    }

    fn frame(&mut self, frame: ReceivedFrame, now: Instant) -> Result<(), Fault> {
        if frame.body().len() > BIG_MESSAGE_BYTES {
            return fault::protocol(format!(
                "a frame carries {} bytes of a message; messages over {BIG_MESSAGE_BYTES} bytes \
                 are cut in pieces of at most that",
                frame.body().len()
            ));
        }
        match frame.kind {
            Kind::HELLO => return self.hello(&frame),
            Kind::GOAWAY => {
                return self.role.goaway(decoded(Goaway::decode(frame.head()), "GOAWAY")?);
            }
            other if !self.greeted => {
                return fault::protocol(format!("the first frame is {other:?}, expected HELLO"));
            }
            _ => {}
        }
        match frame.kind {
            Kind::PING => {
                if frame.body().len() != 8 {
                    return fault::protocol("the body of a PING has 8 bytes");
                }
                if !self.pings.take(now) {
                    return Err(Fault::Limit("too many pings".into()));
                }
                self.outbox.push_pong(frame.body());
            }
            Kind::PONG => self.empty_frame(now)?,
            Kind::CREDIT => {
                self.empty_frame(now)?;
                let credit = decoded(Credit::decode(frame.head()), "CREDIT")?;
                // A call's own credit is for streams, of which there are none yet.
                if frame.call == 0 {
                    self.outbox.add_credit(credit.bytes)?;
                }
            }
            Kind::REQUEST | Kind::RESPONSE | Kind::DATA | Kind::CANCEL => {
                if frame.kind == Kind::DATA && frame.body().is_empty() {
                    self.empty_frame(now)?;
                }
                self.last_call = now;
                self.role.frame(frame, now)?;
            }
            // The codec lets known and ignorable kinds through, and skips the latter.
            other => return fault::protocol(format!("unexpected {other:?} frame")),
        }
        Ok(())
    }

    fn hello(&mut self, frame: &ReceivedFrame) -> Result<(), Fault> {
        if self.greeted {
            return fault::protocol("a second HELLO");
        }
        let hello = decoded(Hello::decode(frame.head()), "HELLO")?;
        self.greeted = true;
        self.introduce();
        self.outbox.set_checksum(hello.checksum);
        self.role.greeted(&hello)?;
        self.outbox.add_credit(hello.connection_credit)
    }

    /// Says the preface, before the first frame; a client has done so when it began.
    fn introduce(&mut self) {
        if !self.introduced {
            self.introduced = true;
            self.outbox.push_raw(&preface::encode(preface::VERSION));
        }
    }

    fn empty_frame(&mut self, now: Instant) -> Result<(), Fault> {
        if self.empties.take(now) {
            return Ok(());
        }
        Err(Fault::Limit("too many frames that carry nothing".into()))
    }

    /// Has the timer go off at whatever comes first. It may go off early: a timer is not set
    /// back for a call that has ended.
    fn arm(&mut self) {
        let Some(due) = self.due() else { return };
        if self.armed.is_none_or(|armed| due < armed) {
            self.timer.as_mut().reset(due);
            self.armed = Some(due);
        }
    }

    fn due(&self) -> Option<Instant> {
        let [hello, frame, write] = self.patience().map(|(until, _)| until);
        let role = self.role.earliest_deadline();
        let keepalive = self.keepalive.due(self.role.is_busy());
        [role, keepalive, self.idle_at(), hello, frame, write].into_iter().flatten().min()
    }

    /// How long the peer has for what it is about, and what is wrong with one that takes longer.
    fn patience(&self) -> [(Option<Instant>, &'static str); 3] {
        let limits = &self.limits;
        let until = |since: Option<Instant>, time: Duration| since?.checked_add(time);
        [
            (
                until((!self.greeted).then_some(self.begun), limits.handshake_timeout),
                "the peer did not say HELLO in time: does it speak this protocol?",
            ),
            (
                until(self.partial_since, limits.partial_frame_timeout),
                "a frame did not arrive whole in time",
            ),
            (
                until(self.outbound.stalled_since(), limits.write_stall_timeout),
                "the peer does not read",
            ),
        ]
    }

    fn idle_at(&self) -> Option<Instant> {
        self.last_call.checked_add(self.limits.idle_timeout)
    }

    fn tick(&mut self, now: Instant) -> Result<(), Fault> {
        let over = |until: Option<Instant>| until.is_some_and(|until| now >= until);
        self.role.tick(now);
        let busy = self.role.is_busy();
        if let Some((_, what)) = self.patience().into_iter().find(|(until, _)| over(*until)) {
            return Err(Fault::Silent(what.into()));
        }
        if over(self.idle_at()) {
            if !busy {
                return Err(Fault::Idle);
            }
            self.last_call = now;
        }
        match self.keepalive.check(busy, now) {
            Verdict::Alive => {}
            Verdict::Ask => self.outbox.push_ping(),
            Verdict::Dead => return Err(Fault::Silent("the peer does not answer".into())),
        }
        if !busy {
            self.inbound.shrink();
            self.outbound.shrink();
        }
        Ok(())
    }

    async fn farewell(&mut self, fault: Fault) {
        if R::ANSWERS && matches!(fault, Fault::NotOurs(NotOurs::Http1)) {
            self.outbox.push_raw(HTTP_ANSWER);
        }
        if let Some(code) = fault.goaway_code() {
            self.introduce();
            let message = fault.to_string();
            self.outbox.push_goaway(&Goaway { last_call: self.role.last_call(), code, message });
        }
        if self.outbound.finish().await.is_ok() {
            self.inbound.discard().await;
        }
    }
}

/// For whoever points a browser or `curl` at the port.
const HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
content-length: 56\r\nconnection: close\r\n\r\nthis port speaks the rpc-core protocol and not HTTP/1.1\n";

fn decoded<T>(result: Result<T, rpc_codec::HeadError>, what: &str) -> Result<T, Fault> {
    result.map_err(|error| Fault::Protocol(format!("bad {what}: {error}").into()))
}
