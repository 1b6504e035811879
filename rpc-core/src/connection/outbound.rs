//! The writing half: one write for everything that has gathered.
//!
//! Tokio runs a task that was just woken next, so the connection's task would wake up for the first
//! frame of a burst and write it alone. Before it takes a batch it therefore goes to the back of
//! the run queue once, by waking itself, and the other callers add theirs meanwhile.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::outbox::{Outbox, Taken};

pub(super) struct Outbound {
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    outbox: Arc<Outbox>,
    writing: BytesMut,
    /// The next batch is taken without going to the back of the queue first.
    prompt: bool,
    /// Since when the peer has taken nothing though there was something.
    stalled: Option<Instant>,
}

impl Outbound {
    pub(super) fn new(writer: Box<dyn AsyncWrite + Send + Unpin>, outbox: Arc<Outbox>) -> Self {
        Self { writer, outbox, writing: BytesMut::new(), prompt: false, stalled: None }
    }

    /// Whoever filled the outbox is done: the next batch need not wait for more.
    pub(super) fn be_prompt(&mut self) {
        self.prompt = true;
    }

    /// Writes some of what waits; pending while there is nothing.
    ///
    /// # Cancel safety
    /// What is half written stays and is gone on with.
    pub(super) async fn write_some(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_write_some(cx)).await
    }

    fn poll_write_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writing.is_empty() {
            match ready!(self.outbox.poll_take(cx, &mut self.writing, !self.prompt)) {
                Taken::Later => {
                    self.prompt = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Taken::Batch => self.prompt = false,
            }
        }
        let Poll::Ready(written) = Pin::new(&mut self.writer).poll_write(cx, &self.writing) else {
            self.stalled.get_or_insert_with(Instant::now);
            return Poll::Pending;
        };
        self.stalled = None;
        match written? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            some => self.writing.advance(some),
        }
        if self.writing.is_empty() {
            // Its capacity starts at the front again, to be swapped for the next batch.
            self.writing.clear();
            ready!(Pin::new(&mut self.writer).poll_flush(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writing.is_empty() && self.outbox.is_empty()
    }

    /// Bytes the operating system has taken since the connection began.
    pub(super) fn written(&self) -> u64 {
        self.outbox.taken() - self.writing.len() as u64
    }

    pub(super) fn shrink(&mut self) {
        if self.writing.is_empty() {
            self.writing = BytesMut::new();
            self.outbox.shrink();
        }
    }

    /// Writes all that waits and says that nothing follows.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        while !self.is_empty() {
            self.write_some().await?;
        }
        self.writer.shutdown().await
    }
}
