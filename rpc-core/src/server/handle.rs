//! What a running server is held by.

use std::sync::Arc;

use tokio::sync::watch;

use super::dispatch::Dispatch;
use crate::address::Address;
use crate::observe::MethodStats;

/// A running server. Cheap to clone; dropping it leaves the server running.
#[derive(Clone, Debug)]
pub struct ServerHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: Address,
    order: watch::Sender<Order>,
    end: watch::Receiver<Option<Drained>>,
    dispatch: Arc<Dispatch>,
}

/// What the server's task is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Serve,
    Drain,
    Stop,
}

/// The server's end of its handle.
pub(super) struct Orders {
    pub(super) order: watch::Receiver<Order>,
    pub(super) end: watch::Sender<Option<Drained>>,
    /// Keeps `order` open when the last handle is dropped.
    _handle: ServerHandle,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Calls that still ran when the time was over, and were dropped.
    pub aborted: usize,
}

impl ServerHandle {
    pub(super) fn new(address: Address, dispatch: Arc<Dispatch>) -> (Self, Orders) {
        let (order, ordered) = watch::channel(Order::Serve);
        let (ended, end) = watch::channel(None);
        let handle = Self(Arc::new(Inner { address, order, end, dispatch }));
        let orders = Orders { order: ordered, end: ended, _handle: handle.clone() };
        (handle, orders)
    }

    /// Where it listens, with the port that the system chose.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// Calls whose handlers run.
    pub fn in_flight(&self) -> usize {
        self.0.dispatch.places.taken()
    }

    /// What became of the calls of each method so far, by path. Those of methods that are not here
    /// are counted as `(unknown)`.
    pub fn stats(&self) -> Vec<MethodStats> {
        self.0.dispatch.stats()
    }

    /// Takes no new calls, finishes those it has, and ends; those that take longer than the drain
    /// timeout are dropped. Clients send their next calls elsewhere and lose none.
    ///
    /// # Cancel safety
    /// Dropping it does not stop the drain.
    pub async fn drain(&self) -> Drained {
        self.order(Order::Drain);
        self.wait().await
    }

    /// Ends at once; running calls are dropped.
    ///
    /// # Cancel safety
    /// Dropping it does not stop the end.
    pub async fn shutdown(&self) -> Drained {
        self.order(Order::Stop);
        self.wait().await
    }

    /// Waits until the server has ended.
    ///
    /// # Cancel safety
    /// Dropping it leaves the server as it is.
    pub async fn wait(&self) -> Drained {
        let mut end = self.0.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(drained) => drained.unwrap_or(Drained { aborted: 0 }),
            // Its task is gone with the runtime it ran on.
            Err(_) => Drained { aborted: 0 },
        }
    }

    fn order(&self, order: Order) {
        self.0.order.send_if_modified(|current| {
            let further = order > *current;
            if further {
                *current = order;
            }
            further
        });
    }
}
