//! How a driver asks the server's process what it has used, beside the peer's own connections: a
//! line in, a line out, on a thread of its own that sleeps in between.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use crate::{Failure, usage};

/// A server that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the process has used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Used {
    /// Since it began.
    pub(crate) cpu: Duration,
    /// Now.
    pub(crate) resident_bytes: u64,
    /// Since it was last asked, if they are counted.
    pub(crate) allocations: Option<u64>,
}

/// The driver's end.
pub(crate) struct Control {
    reader: BufReader<TcpStream>,
}

impl Control {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// What the server has used by now. It blocks, on purpose: while the driver waits, no call is
    /// sent, so that both sides are read at the same point of the work.
    pub(crate) fn used(&mut self) -> Result<Used, Failure> {
        self.reader.get_mut().write_all(b"used\n")?;
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }
}

/// Asks the thread that serves how often it has allocated.
pub(crate) type Allocations = Sender<SyncSender<u64>>;

/// Answers drivers from now on, and tells where.
pub(crate) fn listen(allocations: Option<Allocations>) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::Builder::new().name("control".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let allocations = allocations.clone();
            // A thread each: whoever else comes along and says nothing must not be in the way.
            thread::spawn(move || {
                // The driver is gone, or will say so itself.
                let _ = answer(stream, allocations.as_ref());
            });
        }
    })?;
    Ok(address)
}

fn answer(stream: TcpStream, allocations: Option<&Allocations>) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let used = Used {
            cpu: usage::cpu(),
            resident_bytes: usage::resident_bytes()?,
            allocations: allocations.map(ask).transpose()?,
        };
        let answer = serde_json::to_string(&used)? + "\n";
        reader.get_mut().write_all(answer.as_bytes())?;
        line.clear();
    }
    Ok(())
}

fn ask(allocations: &Allocations) -> Result<u64, Failure> {
    let (answer, answered) = sync_channel(1);
    allocations.blocking_send(answer)?;
    Ok(answered.recv_timeout(PATIENCE)?)
}
