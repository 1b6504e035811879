//! Serving: listens, admits, routes, and drains.

mod accept;
mod admission;
mod builder;
mod dispatch;
mod handle;
mod router;

pub use builder::{ServerBuilder, ServerLimits};
pub use handle::{Drained, ServerHandle};
pub use router::{Router, Routes, Serve, Service};

/// A server that offers services; begin with [`Server::builder`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Server;

impl Server {
    /// A server without services yet.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }
}
