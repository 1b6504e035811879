//! Things one can read from and write to, and how to get one: TCP, Unix sockets, memory.

mod memory;
mod socket;

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::address::Address;
use crate::service::BoxFuture;

pub use memory::{MemoryListener, Network};
pub use socket::{SocketListener, Sockets};

/// Both directions of one connection, and a name for its far end.
pub struct Io {
    /// What the peer says.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// What the peer hears.
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Where the peer is, for people and quotas.
    pub peer: Arc<str>,
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Dials addresses.
pub trait Connect: Send + Sync + 'static {
    /// One connection to `address`.
    ///
    /// # Errors
    /// As the operating system says it.
    fn connect<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, io::Result<Io>>;
}

/// Waits for connections.
pub trait Listen: Send + 'static {
    /// The next connection.
    ///
    /// # Errors
    /// As the operating system says it; the listener stays usable.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Io>>;

    /// Where it listens, with the port the system chose.
    fn address(&self) -> Address;
}

/// Listens on an address of any kind that is dialled without help.
///
/// # Errors
/// As the operating system says it; *unsupported* for a Unix socket where there are none.
pub async fn listen(address: &Address) -> io::Result<Box<dyn Listen>> {
    match address {
        Address::Memory(name) => Ok(Box::new(Network::global().listen(name.as_str())?)),
        other => Ok(Box::new(SocketListener::bind(other).await?)),
    }
}
