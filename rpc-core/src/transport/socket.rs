//! TCP and Unix domain sockets.

use std::io;
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream};

use super::{Connect, Io, Listen, Network};
use crate::address::Address;
use crate::service::BoxFuture;

/// Dials `tcp://`, `unix://` and, within the process, `mem://`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

impl Connect for Sockets {
    fn connect<'a>(&'a self, address: &'a Address) -> BoxFuture<'a, io::Result<Io>> {
        Box::pin(async move {
            match address {
                Address::Tcp(to) => tcp(TcpStream::connect(to.as_str()).await?),
                Address::Unix(path) => unix::connect(path).await,
                Address::Memory(_) => Network::global().connect(address).await,
            }
        })
    }
}

fn tcp(stream: TcpStream) -> io::Result<Io> {
    // Frames leave in batches already; waiting for more would only add latency.
    stream.set_nodelay(true)?;
    let peer = stream.peer_addr()?.to_string().into();
    let (reader, writer) = stream.into_split();
    Ok(Io { reader: Box::new(reader), writer: Box::new(writer), peer })
}

/// A listening socket. A Unix socket's file is removed when it is dropped.
#[derive(Debug)]
pub struct SocketListener(Inner);

#[derive(Debug)]
enum Inner {
    Tcp { listener: TcpListener, address: Address },
    Unix(unix::Listener),
}

impl SocketListener {
    /// Binds a TCP or Unix address.
    ///
    /// # Errors
    /// As the operating system says it. A Unix path that another process listens on is *in use*;
    /// one that a dead process left behind is taken over.
    pub async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(to) => {
                let listener = TcpListener::bind(to.as_str()).await?;
                let address = Address::Tcp(listener.local_addr()?.to_string());
                Ok(Self(Inner::Tcp { listener, address }))
            }
            Address::Unix(path) => Ok(Self(Inner::Unix(unix::Listener::bind(path).await?))),
            Address::Memory(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "a mem:// address is no socket"))
            }
        }
    }
}

impl Listen for SocketListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Io>> {
        Box::pin(async move {
            match &mut self.0 {
                Inner::Tcp { listener, .. } => tcp(listener.accept().await?.0),
                Inner::Unix(listener) => listener.accept().await,
            }
        })
    }

    fn address(&self) -> Address {
        match &self.0 {
            Inner::Tcp { address, .. } => address.clone(),
            Inner::Unix(listener) => Address::Unix(listener.path().to_owned()),
        }
    }
}

#[cfg(unix)]
mod unix {
    use super::*;
    use tokio::net::{UnixListener, UnixStream};

    pub(super) async fn connect(path: &Path) -> io::Result<Io> {
        Ok(io(UnixStream::connect(path).await?, path))
    }

    fn io(stream: UnixStream, path: &Path) -> Io {
        let peer = format!("unix://{}", path.display()).into();
        let (reader, writer) = stream.into_split();
        Io { reader: Box::new(reader), writer: Box::new(writer), peer }
    }

    #[derive(Debug)]
    pub(super) struct Listener {
        listener: UnixListener,
        path: PathBuf,
    }

    impl Listener {
        pub(super) async fn bind(path: &Path) -> io::Result<Self> {
            let listener = match UnixListener::bind(path) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    // A live listener would take the connection; a leftover file refuses it.
                    match UnixStream::connect(path).await {
                        Err(dead) if dead.kind() == io::ErrorKind::ConnectionRefused => {
                            std::fs::remove_file(path)?;
                            UnixListener::bind(path)?
                        }
                        _ => return Err(error),
                    }
                }
                bound => bound?,
            };
            Ok(Self { listener, path: path.to_owned() })
        }

        pub(super) fn path(&self) -> &Path {
            &self.path
        }

        pub(super) async fn accept(&mut self) -> io::Result<Io> {
            Ok(io(self.listener.accept().await?.0, &self.path))
        }
    }

    impl Drop for Listener {
        fn drop(&mut self) {
            // Best effort: a file that stays is taken over by the next bind.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(not(unix))]
mod unix {
    use super::*;

    fn unsupported<T>() -> io::Result<T> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "no Unix sockets on this system"))
    }

    pub(super) async fn connect(_: &Path) -> io::Result<Io> {
        unsupported()
    }

    #[derive(Debug)]
    pub(super) struct Listener(PathBuf);

    impl Listener {
        pub(super) async fn bind(_: &Path) -> io::Result<Self> {
            unsupported()
        }

        pub(super) fn path(&self) -> &Path {
            &self.0
        }

        pub(super) async fn accept(&mut self) -> io::Result<Io> {
            unsupported()
        }
    }
}
