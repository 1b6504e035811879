//! How a driver asks the server's process what it has used, beside the peer's own connections: a
//! line in, a line out, on a thread of its own that sleeps in between.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Failure, cpu};

/// A server that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the process has used since it began.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Used {
    pub(crate) cpu: Duration,
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

/// Answers drivers from now on, and tells where.
pub(crate) fn listen() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::Builder::new().name("control".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            // The driver is gone, or will say so itself.
            let _ = answer(stream);
        }
    })?;
    Ok(address)
}

fn answer(stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let mut answer = serde_json::to_string(&Used { cpu: cpu::used() })?;
        answer.push('\n');
        reader.get_mut().write_all(answer.as_bytes())?;
        line.clear();
    }
    Ok(())
}
