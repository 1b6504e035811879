//! A network in memory: named listeners, byte pipes between them, and the faults of real networks
//! (slowness, fragments, silence, cut lines) at a seed's command. Time on it is tokio's, so that a
//! test with paused time runs in no time.

mod pipe;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::mpsc;

use self::pipe::{Faults, Line, Pipe, Side};
use super::{Connect, Io, Listen};
use crate::address::Address;
use crate::service::BoxFuture;

/// Connections that wait to be accepted, as a socket's backlog.
const BACKLOG: usize = 128;

/// Named listeners that can be dialled as `mem://name`. Clones share it.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
}

struct State {
    hosts: HashMap<String, Host>,
    latency: Duration,
    fragment: Option<usize>,
    random: fastrand::Rng,
    dialled: u64,
}

struct Host {
    accept: mpsc::Sender<Io>,
    lines: Vec<Weak<Line>>,
}

impl Network {
    /// An empty network without faults.
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// An empty network whose fragments are drawn from `seed`.
    pub fn with_seed(seed: u64) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                hosts: HashMap::new(),
                latency: Duration::ZERO,
                fragment: None,
                random: fastrand::Rng::with_seed(seed),
                dialled: 0,
            }),
        }))
    }

    /// The network of the whole process, on which `mem://` addresses are.
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<Network> = OnceLock::new();
        GLOBAL.get_or_init(Self::new)
    }

    /// Listens as `mem://name`.
    ///
    /// # Errors
    /// *In use* while another listener has that name.
    pub fn listen(&self, name: impl Into<String>) -> io::Result<MemoryListener> {
        let name = name.into();
        let (accept, accepted) = mpsc::channel(BACKLOG);
        let mut state = self.lock();
        if state.hosts.get(&name).is_some_and(|host| !host.accept.is_closed()) {
            let taken = format!("mem://{name} has a listener already");
            return Err(io::Error::new(io::ErrorKind::AddrInUse, taken));
        }
        state.hosts.insert(name.clone(), Host { accept, lines: Vec::new() });
        drop(state);
        Ok(MemoryListener { name, accepted })
    }

    /// Bytes take this long from end to end, on connections made from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Reads and writes move at most this many bytes (a seeded random number from 1 up), on
    /// connections made from now on.
    pub fn set_fragments(&self, max_bytes: usize) {
        self.lock().fragment = Some(max_bytes.max(1));
    }

    /// Ends every connection to `name`, both ends seeing a reset, as when its process is killed.
    pub fn cut(&self, name: &str) {
        self.each_line(name, |pipe| pipe.cut = true);
    }

    /// Bytes of every connection to `name` stop moving, in both directions, and nobody is told: a
    /// pulled cable.
    pub fn stall(&self, name: &str) {
        self.each_line(name, |pipe| pipe.stalled = true);
    }

    /// Ends a stall.
    pub fn resume(&self, name: &str) {
        self.each_line(name, |pipe| pipe.stalled = false);
    }

    /// Connections to `name` of which an end is still there.
    pub fn connections(&self, name: &str) -> usize {
        let state = self.lock();
        state
            .hosts
            .get(name)
            .map_or(0, |host| host.lines.iter().filter(|line| line.strong_count() > 0).count())
    }

    fn each_line(&self, name: &str, change: impl Fn(&mut Pipe)) {
        let lines: Vec<Arc<Line>> = {
            let state = self.lock();
            let Some(host) = state.hosts.get(name) else { return };
            host.lines.iter().filter_map(Weak::upgrade).collect()
        };
        for line in lines {
            for pipe in [&line.up, &line.down] {
                let wakers = {
                    let mut pipe = lock(pipe);
                    change(&mut pipe);
                    [pipe.reader.take(), pipe.writer.take()]
                };
                wakers.into_iter().flatten().for_each(Waker::wake);
            }
        }
    }

    fn dial(&self, name: &str) -> io::Result<(mpsc::Sender<Io>, Io, Io)> {
        let mut state = self.lock();
        state.dialled += 1;
        let peer: Arc<str> = format!("mem://{name}#{}", state.dialled).into();
        let faults = Faults { latency: state.latency, fragment: state.fragment };
        let seeds = [state.random.u64(..), state.random.u64(..)];
        let Some(host) = state.hosts.get_mut(name) else {
            let nobody = format!("nobody listens on mem://{name}");
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, nobody));
        };
        let line = Arc::new(Line::default());
        host.lines.retain(|line| line.strong_count() > 0);
        host.lines.push(Arc::downgrade(&line));
        let near = line.clone().end(Side::Near, faults, seeds[0], format!("mem://{name}").into());
        let far = line.end(Side::Far, faults, seeds[1], peer);
        Ok((host.accept.clone(), near, far))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("hosts", &self.lock().hosts.keys()).finish()
    }
}

impl Connect for Network {
    fn connect<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, io::Result<Io>> {
        Box::pin(async move {
            let Address::Memory(name) = address else {
                let other = format!("{address} is not on this network; expected mem://name");
                return Err(io::Error::new(io::ErrorKind::Unsupported, other));
            };
            let (accept, near, far) = self.dial(name)?;
            accept.send(far).await.map_err(|_| {
                let gone = format!("the listener of mem://{name} is gone");
                io::Error::new(io::ErrorKind::ConnectionRefused, gone)
            })?;
            Ok(near)
        })
    }
}

/// A named listener; its name is free again once it is dropped.
#[derive(Debug)]
pub struct MemoryListener {
    name: String,
    accepted: mpsc::Receiver<Io>,
}

impl Listen for MemoryListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Io>> {
        Box::pin(async move {
            match self.accepted.recv().await {
                Some(io) => Ok(io),
                // Another listener took the name over, which it can only once this is closed.
                None => std::future::pending().await,
            }
        })
    }

    fn address(&self) -> Address {
        Address::Memory(self.name.clone())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::pipe::PIPE_BYTES;
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    async fn line(network: &Network) -> (Io, Io) {
        let mut listener = network.listen("a").unwrap();
        let near = network.connect(&"mem://a".parse().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn latency_delays_and_keeps_order() {
        let network = Network::new();
        network.set_latency(Duration::from_millis(30));
        let (mut near, mut far) = line(&network).await;
        let start = Instant::now();
        near.writer.write_all(b"abc").await.unwrap();
        near.writer.write_all(b"def").await.unwrap();
        let mut got = [0; 6];
        far.reader.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"abcdef");
        assert_eq!(start.elapsed(), Duration::from_millis(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_waits_for_its_reader() {
        let (mut near, mut far) = line(&Network::new()).await;
        let big = vec![7; 3 * PIPE_BYTES];
        let sent = tokio::spawn(async move { near.writer.write_all(&big).await });
        let mut got = Vec::new();
        far.reader.read_to_end(&mut got).await.unwrap();
        sent.await.unwrap().unwrap();
        assert_eq!(got.len(), 3 * PIPE_BYTES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_line_resets_both_ends() {
        let network = Network::new();
        let (mut near, mut far) = line(&network).await;
        network.cut("a");
        assert_eq!(near.reader.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(
            far.writer.write(b"x").await.unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
        drop((near, far));
        assert_eq!(network.connections("a"), 0);
    }
}
