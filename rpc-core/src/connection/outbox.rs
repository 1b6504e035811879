//! Frames on their way out.
//!
//! Callers and handlers encode their frames here on their own threads; the connection's task takes
//! what has gathered and writes it in one go. Small messages stand in one buffer. The rests of big
//! ones stand in a line of their own, from which each batch takes one piece a message, so that they
//! interleave and never hold up a small one.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use rpc_codec::{
    BIG_MESSAGE_BYTES, Cancel, Credit, Flags, Goaway, Head, HeadTooLarge, Hello, Kind, NoHead,
    put_frame,
};
use tokio::sync::{Notify, Semaphore};

use super::fault::Fault;

/// A batch is not filled with further pieces of big messages past this many bytes.
const BATCH_BYTES: usize = 256 * 1024;
/// An empty buffer larger than this is given back rather than kept for the next batch.
const KEPT_BYTES: usize = 64 * 1024;
/// Credit a peer may pile up on this end; far above any window, far below overflow.
const MAX_CREDIT: u64 = 1 << 40;

pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// Bytes that wait, for those who only want to know.
    queued: AtomicUsize,
    /// What the peer lets this end send of big messages.
    credit: Semaphore,
    /// Told whenever bytes have left.
    room: Notify,
}

struct Queue {
    frames: BytesMut,
    rests: VecDeque<Rest>,
    rest_bytes: usize,
    /// Bytes taken to be written since the connection began.
    taken: u64,
    /// Received credit to give back to the peer with the next batch.
    owed: u64,
    /// What the peer may still send of big messages.
    window: u64,
    checksum: bool,
    refusing: bool,
    closed: bool,
    writer: Option<Waker>,
}

/// Frames that one thread puts together without a lock, to be queued in one go.
#[derive(Default)]
pub(super) struct Gathered {
    frames: BytesMut,
    checksum: bool,
    /// Has the outbox's buffer, if that was empty.
    begun: bool,
}

impl Gathered {
    /// An answer that is nothing but a value of at most [`BIG_MESSAGE_BYTES`].
    pub(super) fn push_response(&mut self, outbox: &Outbox, call: u64, body: &[u8]) {
        if !self.begun {
            self.begin(outbox);
        }
        let (frames, checksum) = (&mut self.frames, self.checksum);
        // Without a head it fits.
        let _ = put_frame(frames, Kind::RESPONSE, Flags::END, call, &NoHead, body, checksum);
    }

    fn begin(&mut self, outbox: &Outbox) {
        let mut queue = outbox.lock();
        self.begun = true;
        self.checksum = queue.checksum;
        if queue.frames.is_empty() {
            self.frames = mem::take(&mut queue.frames);
        }
    }

    /// Has the outbox take them all.
    pub(super) fn queue(&mut self, outbox: &Outbox) {
        if mem::take(&mut self.begun) {
            let frames = mem::take(&mut self.frames);
            outbox.with(|queue| {
                if queue.frames.is_empty() {
                    queue.frames = frames;
                } else {
                    queue.frames.extend_from_slice(&frames);
                }
            });
        }
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }
}

/// What is left of a big message, and the frame that ends it.
struct Rest {
    call: u64,
    body: Bytes,
    last: Kind,
    last_head: Bytes,
}

/// What [`Outbox::poll_take`] found.
pub(super) enum Taken {
    Batch,
    /// There is something, and who put it there may not be alone: come back in a moment.
    Later,
}

impl Outbox {
    pub(super) fn new(window_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Queue {
                frames: BytesMut::new(),
                rests: VecDeque::new(),
                rest_bytes: 0,
                taken: 0,
                owed: 0,
                window: window_bytes,
                checksum: false,
                refusing: false,
                closed: false,
                writer: None,
            }),
            queued: AtomicUsize::new(0),
            credit: Semaphore::new(0),
            room: Notify::new(),
        })
    }

    /// Bytes that come before any frame.
    pub(super) fn push_raw(&self, bytes: &[u8]) {
        self.with(|queue| queue.frames.extend_from_slice(bytes));
    }

    pub(super) fn push_hello(&self, hello: &Hello) -> Result<(), HeadTooLarge> {
        self.push(Kind::HELLO, 0, hello, &[]).map(drop)
    }

    pub(super) fn push_goaway(&self, goaway: &Goaway) {
        // A reason that does not fit is not worth a failure: the code alone will do.
        if self.push(Kind::GOAWAY, 0, goaway, &[]).is_err() {
            let bare = Goaway { message: String::new(), ..goaway.clone() };
            let _ = self.push(Kind::GOAWAY, 0, &bare, &[]);
        }
    }

    pub(super) fn push_ping(&self) {
        let _ = self.push(Kind::PING, 0, &NoHead, &[0; 8]);
    }

    pub(super) fn push_pong(&self, body: &[u8]) {
        let _ = self.push(Kind::PONG, 0, &NoHead, body);
    }

    /// Cancels a call; whatever is left of its request is not sent.
    pub(super) fn push_cancel(&self, call: u64, code: u32) {
        let unsent = self.with(|queue| {
            let at = queue.rests.iter().position(|rest| rest.call == call);
            let rest = at.and_then(|at| queue.rests.remove(at));
            let unsent = rest.map_or(0, |rest| rest.body.len());
            queue.rest_bytes -= unsent;
            let _ = queue.push(Kind::CANCEL, Flags::NONE, call, &Cancel { code }, &[]);
            unsent
        });
        self.credit.add_permits(unsent);
    }

    /// A message of a call. Returns where in the stream of bytes it begins.
    ///
    /// For one above [`BIG_MESSAGE_BYTES`] the caller has taken credit before; it goes back if the
    /// head does not fit.
    pub(super) fn push_request<H: Head>(
        &self,
        call: u64,
        head: &H,
        body: &Bytes,
    ) -> Result<u64, HeadTooLarge> {
        let pushed = self.with(|queue| {
            let start = queue.position();
            if body.len() <= BIG_MESSAGE_BYTES {
                queue.push(Kind::REQUEST, Flags::END, call, head, body)?;
            } else {
                let first = &body[..BIG_MESSAGE_BYTES];
                queue.push(Kind::REQUEST, Flags::MORE, call, head, first)?;
                queue.push_rest(Rest {
                    call,
                    body: body.slice(BIG_MESSAGE_BYTES..),
                    last: Kind::DATA,
                    last_head: Bytes::new(),
                });
            }
            Ok(start)
        });
        self.untake_credit(pushed, body)
    }

    /// The answer to a call; see [`Outbox::push_request`] for big ones.
    pub(super) fn push_response<H: Head>(
        &self,
        call: u64,
        head: &H,
        body: &Bytes,
    ) -> Result<(), HeadTooLarge> {
        let pushed = self.with(|queue| {
            if body.len() <= BIG_MESSAGE_BYTES {
                return queue.push(Kind::RESPONSE, Flags::END, call, head, body);
            }
            let mut encoded = BytesMut::with_capacity(head.encoded_len_hint());
            head.encode(&mut encoded);
            if encoded.len() > rpc_codec::MAX_HEAD_BYTES {
                return Err(HeadTooLarge { bytes: encoded.len() });
            }
            queue.push_rest(Rest {
                call,
                body: body.clone(),
                last: Kind::RESPONSE,
                last_head: encoded.freeze(),
            });
            Ok(())
        });
        self.untake_credit(pushed, body)
    }

    /// A message that was not queued after all leaves its credit to the next.
    fn untake_credit<T>(
        &self,
        pushed: Result<T, HeadTooLarge>,
        body: &Bytes,
    ) -> Result<T, HeadTooLarge> {
        if pushed.is_err() && body.len() > BIG_MESSAGE_BYTES {
            self.credit.add_permits(body.len());
        }
        pushed
    }

    fn push<H: Head>(
        &self,
        kind: Kind,
        call: u64,
        head: &H,
        body: &[u8],
    ) -> Result<(), HeadTooLarge> {
        self.with(|queue| queue.push(kind, Flags::NONE, call, head, body))
    }

    /// Credit for a message of this many bytes, which is then the caller's to send.
    ///
    /// # Cancel safety
    /// Dropping it takes nothing and leaves the line.
    pub(super) async fn take_credit(&self, bytes: u32) -> Result<(), Closed> {
        let permit = self.credit.acquire_many(bytes).await.map_err(|_| Closed)?;
        permit.forget();
        Ok(())
    }

    pub(super) fn try_take_credit(&self, bytes: u32) -> bool {
        self.credit.try_acquire_many(bytes).is_ok_and(|permit| {
            permit.forget();
            true
        })
    }

    pub(super) fn add_credit(&self, bytes: u64) -> Result<(), Fault> {
        let has = self.credit.available_permits() as u64;
        match usize::try_from(bytes) {
            Ok(permits) if has.checked_add(bytes).is_some_and(|sum| sum <= MAX_CREDIT) => {
                self.credit.add_permits(permits);
                Ok(())
            }
            _ => Err(Fault::Protocol(
                format!("credit of {bytes} bytes beside {has} is more than anyone can send").into(),
            )),
        }
    }

    /// Notes bytes of a big message received; the peer must have had credit for them.
    pub(super) fn receive(&self, bytes: usize) -> Result<(), Fault> {
        let mut queue = self.lock();
        match queue.window.checked_sub(bytes as u64) {
            Some(left) => {
                queue.window = left;
                Ok(())
            }
            None => Err(Fault::Limit(
                format!(
                    "{bytes} bytes of a big message came with credit for {} only",
                    queue.window
                )
                .into(),
            )),
        }
    }

    /// Gives credit for received bytes back to the peer.
    pub(super) fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.with(|queue| {
                queue.window = queue.window.saturating_add(bytes as u64);
                queue.owed = queue.owed.saturating_add(bytes as u64);
            });
        }
    }

    pub(super) fn set_checksum(&self, on: bool) {
        self.lock().checksum = on;
    }

    /// Bytes that wait to be written.
    pub(super) fn queued_bytes(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Waits until fewer than `max_bytes` are queued.
    ///
    /// # Cancel safety
    /// Dropping it leaves nothing behind.
    pub(super) async fn room(&self, max_bytes: usize) -> Result<(), Closed> {
        loop {
            let mut freed = std::pin::pin!(self.room.notified());
            freed.as_mut().enable();
            {
                let queue = self.lock();
                if queue.refusing {
                    return Err(Closed);
                }
                if queue.queued_bytes() < max_bytes {
                    return Ok(());
                }
            }
            freed.await;
        }
    }

    /// Moves what has gathered to `batch`, which is empty, or registers to be woken.
    ///
    /// With `patient` a first look at something only answers [`Taken::Later`].
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        batch: &mut BytesMut,
        patient: bool,
    ) -> Poll<Taken> {
        let mut queue = self.lock();
        if queue.is_empty() {
            if queue.frames.capacity() > KEPT_BYTES {
                queue.frames = BytesMut::new();
            }
            if !queue.writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
                queue.writer = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        if patient {
            return Poll::Ready(Taken::Later);
        }
        queue.fill(batch);
        self.queued.store(queue.queued_bytes(), Ordering::Relaxed);
        drop(queue);
        self.room.notify_waiters();
        Poll::Ready(Taken::Batch)
    }

    /// Gives buffers back that an idle connection does not need.
    pub(super) fn shrink(&self) {
        let mut queue = self.lock();
        if queue.frames.is_empty() {
            queue.frames = BytesMut::new();
        }
    }

    /// Takes no further messages: tells everyone who waits for credit or room.
    pub(super) fn refuse(&self) {
        self.lock().refusing = true;
        self.credit.close();
        self.room.notify_waiters();
    }

    /// Nothing leaves any more.
    pub(super) fn close(&self) {
        self.refuse();
        let mut queue = self.lock();
        queue.closed = true;
        queue.frames = BytesMut::new();
        queue.rests = VecDeque::new();
        queue.rest_bytes = 0;
        self.queued.store(0, Ordering::Relaxed);
    }

    /// Bytes handed to the writer so far.
    pub(super) fn taken(&self) -> u64 {
        self.lock().taken
    }

    fn with<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.lock();
        if queue.closed {
            // Frames for a connection that is gone go nowhere; who waits is told by its role.
            let result = change(&mut queue);
            queue.frames.clear();
            queue.rests.clear();
            queue.rest_bytes = 0;
            self.queued.store(0, Ordering::Relaxed);
            return result;
        }
        let result = change(&mut queue);
        self.queued.store(queue.queued_bytes(), Ordering::Relaxed);
        let writer = queue.writer.take();
        drop(queue);
        writer.into_iter().for_each(Waker::wake);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection has ended.
#[derive(Debug)]
pub(super) struct Closed;

impl Queue {
    fn push<H: Head + ?Sized>(
        &mut self,
        kind: Kind,
        flags: Flags,
        call: u64,
        head: &H,
        body: &[u8],
    ) -> Result<(), HeadTooLarge> {
        put_frame(&mut self.frames, kind, flags, call, head, body, self.checksum)
    }

    fn push_rest(&mut self, rest: Rest) {
        self.rest_bytes += rest.body.len();
        self.rests.push_back(rest);
    }

    fn position(&self) -> u64 {
        self.taken + self.frames.len() as u64
    }

    fn queued_bytes(&self) -> usize {
        self.frames.len() + self.rest_bytes
    }

    fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.rests.is_empty() && self.owed == 0
    }

    fn fill(&mut self, batch: &mut BytesMut) {
        if self.owed > 0 {
            let credit = Credit { bytes: mem::take(&mut self.owed) };
            let _ = self.push(Kind::CREDIT, Flags::NONE, 0, &credit, &[]);
        }
        for _ in 0..self.rests.len() {
            if self.frames.len() >= BATCH_BYTES {
                break;
            }
            let Some(rest) = self.rests.pop_front() else { break };
            self.push_piece(rest);
        }
        mem::swap(&mut self.frames, batch);
        self.taken += batch.len() as u64;
    }

    fn push_piece(&mut self, mut rest: Rest) {
        let piece = rest.body.split_to(rest.body.len().min(BIG_MESSAGE_BYTES));
        self.rest_bytes -= piece.len();
        // The head was measured when the message was queued, so neither push can fail.
        if rest.body.is_empty() {
            let _ = self.push(rest.last, Flags::END, rest.call, &rest.last_head[..], &piece);
        } else {
            let _ = self.push(Kind::DATA, Flags::MORE, rest.call, &NoHead, &piece);
            self.rests.push_back(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use rpc_codec::{FrameCodec, ReceivedFrame};

    use super::*;

    fn batch(outbox: &Outbox) -> BytesMut {
        let mut batch = BytesMut::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(outbox.poll_take(&mut cx, &mut batch, false).is_ready());
        batch
    }

    fn frames(mut batch: BytesMut) -> Vec<ReceivedFrame> {
        let mut frames = FrameCodec::new(1024).take_whole(&mut batch).unwrap();
        std::iter::from_fn(|| frames.next().unwrap()).collect()
    }

    #[test]
    fn what_gathers_without_a_lock_goes_out_with_what_others_queue_meanwhile() {
        let outbox = Outbox::new(0);
        outbox.set_checksum(true);
        let mut gathered = Gathered::default();
        gathered.push_response(&outbox, 1, b"one");
        outbox.push_ping();
        gathered.push_response(&outbox, 2, b"two");
        assert!(gathered.len() > outbox.queued_bytes());
        gathered.queue(&outbox);
        assert_eq!(gathered.len(), 0);
        let out = batch(&outbox);
        let checked = Flags(out[5]).contains(Flags::CHECKSUM);
        assert!(checked, "{out:?}");
        let calls: Vec<_> =
            frames(out).iter().map(|frame| (frame.call, frame.body().len())).collect();
        assert_eq!(calls, [(0, 8), (1, 3), (2, 3)]);
    }

    #[test]
    fn what_gathers_uses_the_buffer_of_the_batch_before() {
        let outbox = Outbox::new(0);
        let mut gathered = Gathered::default();
        let mut written = BytesMut::new();
        let mut seen = Vec::new();
        for call in 1..=8 {
            gathered.push_response(&outbox, call, b"body");
            gathered.queue(&outbox);
            let mut cx = Context::from_waker(Waker::noop());
            written.clear();
            assert!(outbox.poll_take(&mut cx, &mut written, false).is_ready());
            seen.push(written.as_ptr());
        }
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() <= 2, "two buffers take turns");
    }
}
