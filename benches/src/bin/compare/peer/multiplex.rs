//! The least that carries many calls over one connection, as fast as it can be on tokio: the limit that
//! the others are measured by.
//!
//! A frame is its body's length (`u32`), the call's number (`u64`) and the body. The server answers all
//! frames of a read in one write. The client writes what all callers have gathered in one go, for which
//! its writer goes to the back of the run queue once before it writes. There is no deadline, no limit,
//! no cancelling and no way on after an error; a call that is dropped keeps its place for ever.

use std::future::poll_fn;
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::{Ball, Caller};
use crate::Failure;
use crate::cell::Load;

const HEADER_LEN: usize = 12;
/// Room for a read: dozens of small frames, or some of 16 KiB.
const READ_BYTES: usize = 64 * 1024;

/// What the bodies of frames are.
pub(crate) trait Carried: Sized {
    fn put(&self, out: &mut BytesMut);
    fn take(bytes: &[u8]) -> Result<Self, Failure>;
}

/// What makes the body of an answer from the body of a request.
type Answer = fn(&[u8], &mut BytesMut) -> Result<(), Failure>;

pub(crate) async fn serve(answer: Answer) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_one(stream, answer));
        }
    });
    Ok(address)
}

async fn serve_one(mut stream: TcpStream, answer: Answer) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    loop {
        input.reserve(READ_BYTES);
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        while let Some((call, body_len)) = frame(&input) {
            put_frame(&mut output, call, |out| {
                answer(&input[HEADER_LEN..HEADER_LEN + body_len], out)
            })?;
            input.advance(HEADER_LEN + body_len);
        }
        stream.write_all(&output).await?;
        output.clear();
    }
}

/// The number and the body's length of the first frame, if it is whole.
fn frame(input: &[u8]) -> Option<(u64, usize)> {
    let body_len = u32::from_be_bytes(*input.first_chunk()?) as usize;
    let call = u64::from_be_bytes(*input.get(4..)?.first_chunk()?);
    (input.len() >= HEADER_LEN + body_len).then_some((call, body_len))
}

fn put_frame(
    out: &mut BytesMut,
    call: u64,
    body: impl FnOnce(&mut BytesMut) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let begin = out.len();
    out.put_u32(0);
    out.put_u64(call);
    body(out)?;
    let body_len = u32::try_from(out.len() - begin - HEADER_LEN)?;
    out[begin..begin + 4].copy_from_slice(&body_len.to_be_bytes());
    Ok(())
}

/// One connection, shared by its callers.
pub(crate) struct Connection<T>(Arc<Mutex<State<T>>>);

struct State<T> {
    /// Frames that wait to be written.
    out: BytesMut,
    calls: Vec<Slot<T>>,
    free: Vec<usize>,
    /// The writer, while it has nothing to do.
    writer: Option<Waker>,
    broken: bool,
}

enum Slot<T> {
    Free,
    Waiting(Waker),
    Answered(T),
}

pub(crate) async fn connect<T: Carried + Send + 'static>(
    server: SocketAddr,
    load: Load,
) -> Result<Vec<Connection<T>>, Failure> {
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        connections.push(connect_one(server).await?);
    }
    let spread = connections.iter().cycle().take(load.in_flight);
    Ok(spread.map(|connection| Connection(connection.clone())).collect())
}

async fn connect_one<T: Carried + Send + 'static>(
    server: SocketAddr,
) -> Result<Arc<Mutex<State<T>>>, Failure> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let state = Arc::new(Mutex::new(State {
        out: BytesMut::new(),
        calls: Vec::new(),
        free: Vec::new(),
        writer: None,
        broken: false,
    }));
    let (reading, writing) = (state.clone(), state.clone());
    tokio::spawn(async move {
        let _ = read(reader, &reading).await;
        lock(&reading).end();
    });
    tokio::spawn(async move {
        let _ = write(writer, &writing).await;
        lock(&writing).end();
    });
    Ok(state)
}

async fn read<T: Carried>(
    mut reader: OwnedReadHalf,
    state: &Mutex<State<T>>,
) -> Result<(), Failure> {
    let mut input = BytesMut::new();
    loop {
        input.reserve(READ_BYTES);
        if reader.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        let mut state = lock(state);
        while let Some((call, body_len)) = frame(&input) {
            let answer = T::take(&input[HEADER_LEN..HEADER_LEN + body_len])?;
            state.answered(call, answer)?;
            input.advance(HEADER_LEN + body_len);
        }
    }
}

async fn write<T>(mut writer: OwnedWriteHalf, state: &Mutex<State<T>>) -> Result<(), Failure> {
    let mut batch = BytesMut::new();
    loop {
        gather(state, &mut batch).await;
        writer.write_all(&batch).await?;
        batch.clear();
    }
}

/// Waits for frames, lets other callers add theirs, and takes them all.
async fn gather<T>(state: &Mutex<State<T>>, batch: &mut BytesMut) {
    let mut waited = false;
    poll_fn(|cx| {
        let mut state = lock(state);
        if state.out.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if !mem::replace(&mut waited, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        mem::swap(&mut state.out, batch);
        Poll::Ready(())
    })
    .await;
}

impl<T: Carried> State<T> {
    fn send(&mut self, message: &T, cx: &Context<'_>) -> Result<usize, Failure> {
        let waiting = Slot::Waiting(cx.waker().clone());
        let slot = if let Some(slot) = self.free.pop() {
            self.calls[slot] = waiting;
            slot
        } else {
            self.calls.push(waiting);
            self.calls.len() - 1
        };
        put_frame(&mut self.out, slot as u64, |out| {
            message.put(out);
            Ok(())
        })?;
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        Ok(slot)
    }

    fn answered(&mut self, call: u64, answer: T) -> Result<(), Failure> {
        let slot = self.calls.get_mut(usize::try_from(call)?).ok_or("an answer to no call")?;
        if let Slot::Waiting(caller) = mem::replace(slot, Slot::Answered(answer)) {
            caller.wake();
        }
        Ok(())
    }

    fn poll_answer(&mut self, slot: usize, cx: &Context<'_>) -> Poll<Result<T, Failure>> {
        match mem::replace(&mut self.calls[slot], Slot::Free) {
            Slot::Answered(answer) => {
                self.free.push(slot);
                Poll::Ready(Ok(answer))
            }
            _ if self.broken => Poll::Ready(Err(broken())),
            _ => {
                self.calls[slot] = Slot::Waiting(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> State<T> {
    fn end(&mut self) {
        self.broken = true;
        for slot in &mut self.calls {
            if let Slot::Waiting(caller) = slot {
                caller.wake_by_ref();
            }
        }
    }
}

impl<T: Carried + Ball> Caller for Connection<T> {
    type Ball = T;

    async fn call(&self, message: T) -> Result<T, Failure> {
        let (mut unsent, mut slot) = (Some(message), 0);
        poll_fn(|cx| {
            let mut state = lock(&self.0);
            let Some(message) = unsent.take() else { return state.poll_answer(slot, cx) };
            if state.broken {
                return Poll::Ready(Err(broken()));
            }
            slot = state.send(&message, cx)?;
            Poll::Pending
        })
        .await
    }
}

fn broken() -> Failure {
    "the connection is broken".into()
}

fn lock<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
