//! The bytes of one connection in memory, on their way in either direction, and what happens to
//! them there.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::lock;
use crate::transport::Io;

/// Bytes a pipe holds before its writer has to wait: what a socket's buffer would.
pub(super) const PIPE_BYTES: usize = 64 * 1024;

/// The two pipes of one connection.
#[derive(Default)]
pub(super) struct Line {
    pub(super) up: Mutex<Pipe>,
    pub(super) down: Mutex<Pipe>,
}

/// Bytes on their way in one direction.
#[derive(Default)]
pub(super) struct Pipe {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    write_closed: bool,
    read_closed: bool,
    pub(super) cut: bool,
    pub(super) stalled: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

#[derive(Clone, Copy)]
pub(super) struct Faults {
    pub(super) latency: Duration,
    pub(super) fragment: Option<usize>,
}

impl Faults {
    fn limit(self, wanted: usize, random: &mut fastrand::Rng) -> usize {
        self.fragment.map_or(wanted, |max| wanted.min(random.usize(1..=max)))
    }
}

#[derive(Clone, Copy)]
pub(super) enum Side {
    Near,
    Far,
}

impl Line {
    pub(super) fn end(
        self: Arc<Self>,
        side: Side,
        faults: Faults,
        seed: u64,
        peer: Arc<str>,
    ) -> Io {
        let random = fastrand::Rng::with_seed(seed);
        let reader =
            Reader { line: self.clone(), side, faults, random: random.clone(), arrival: None };
        let writer = Writer { line: self, side, faults, random };
        Io { reader: Box::new(reader), writer: Box::new(writer), peer }
    }

    fn read_by(&self, side: Side) -> &Mutex<Pipe> {
        match side {
            Side::Near => &self.down,
            Side::Far => &self.up,
        }
    }

    fn written_by(&self, side: Side) -> &Mutex<Pipe> {
        match side {
            Side::Near => &self.up,
            Side::Far => &self.down,
        }
    }
}

struct Reader {
    line: Arc<Line>,
    side: Side,
    faults: Faults,
    random: fastrand::Rng,
    arrival: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let mut pipe = lock(this.line.read_by(this.side));
            if pipe.cut {
                return Poll::Ready(Err(reset()));
            }
            let now = Instant::now();
            let arrives = pipe.chunks.front().map(|(arrives, _)| *arrives);
            match arrives {
                _ if pipe.stalled => {}
                None if pipe.write_closed => return Poll::Ready(Ok(())),
                None => {}
                Some(arrives) if arrives <= now => {
                    let wanted = this.faults.limit(out.remaining(), &mut this.random);
                    pipe.take(wanted, now, out);
                    let writer = pipe.writer.take();
                    drop(pipe);
                    writer.into_iter().for_each(Waker::wake);
                    return Poll::Ready(Ok(()));
                }
                Some(arrives) => {
                    pipe.reader = Some(cx.waker().clone());
                    drop(pipe);
                    let sleep = this
                        .arrival
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(arrives)));
                    sleep.as_mut().reset(arrives);
                    match sleep.as_mut().poll(cx) {
                        Poll::Ready(()) => continue,
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
    }
}

impl Pipe {
    /// Moves up to `wanted` bytes that have arrived.
    fn take(&mut self, mut wanted: usize, now: Instant, out: &mut ReadBuf<'_>) {
        while wanted > 0 {
            let Some((arrives, chunk)) = self.chunks.front_mut() else { return };
            if *arrives > now {
                return;
            }
            let some = wanted.min(chunk.len());
            out.put_slice(&chunk[..some]);
            chunk.drain(..some);
            wanted -= some;
            self.bytes -= some;
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let writer = {
            let mut pipe = lock(self.line.read_by(self.side));
            pipe.read_closed = true;
            pipe.writer.take()
        };
        writer.into_iter().for_each(Waker::wake);
    }
}

struct Writer {
    line: Arc<Line>,
    side: Side,
    faults: Faults,
    random: fastrand::Rng,
}

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut pipe = lock(this.line.written_by(this.side));
        if pipe.cut || pipe.read_closed {
            return Poll::Ready(Err(reset()));
        }
        let room = PIPE_BYTES.saturating_sub(pipe.bytes);
        if room == 0 || pipe.stalled {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let some = this.faults.limit(bytes.len().min(room), &mut this.random);
        pipe.bytes += some;
        let arrives = Instant::now() + this.faults.latency;
        pipe.chunks.push_back((arrives, bytes[..some].to_vec()));
        let reader = pipe.reader.take();
        drop(pipe);
        reader.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(some))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().close();
        Poll::Ready(Ok(()))
    }
}

impl Writer {
    fn close(&mut self) {
        let reader = {
            let mut pipe = lock(self.line.written_by(self.side));
            pipe.write_closed = true;
            pipe.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer")
}
