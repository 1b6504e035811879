//! The server's task: accepts connections until it is told to stop, and then sees to its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rpc_codec::Hello;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::builder::ServerLimits;
use super::dispatch::Dispatch;
use super::handle::{Drained, Order, Orders};
use crate::connection::{Phase, Serving};
use crate::context::host;
use crate::control::Listed;
use crate::governance::backoff::Backoff;
use crate::transport::{Io, Listen};

/// After the hard limit connections have this long to say good-bye.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) struct Config {
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) hello: Arc<Hello>,
    pub(super) limits: ServerLimits,
    pub(super) drain_timeout: Duration,
    pub(super) lame_duck: Duration,
    pub(super) max_connection_age: Option<Duration>,
    /// Keeps its governance, of which it may be the only user.
    pub(super) _listed: Listed,
}

/// Serves `listener` until it is ordered to end.
pub(super) async fn serve(mut listener: Box<dyn Listen>, config: Config, mut orders: Orders) {
    let phase = watch::Sender::new(Phase::Serving);
    let mut connections =
        Connections { config, phase, tasks: JoinSet::new(), peers: HashMap::new() };

    connections.accept(&mut *listener, &mut orders, Order::Drain, None).await;
    let lame_until = Instant::now().checked_add(connections.config.lame_duck);
    connections.accept(&mut *listener, &mut orders, Order::Stop, lame_until).await;
    drop(listener);

    let aborted = connections.drain(&mut orders).await;
    orders.end.send_replace(Some(Drained { aborted }));
}

struct Connections {
    config: Config,
    phase: watch::Sender<Phase>,
    tasks: JoinSet<Arc<str>>,
    /// Connections per address, without ports.
    peers: HashMap<Arc<str>, usize>,
}

impl Connections {
    /// Accepts until `order` (or a stronger one) comes, or it is `until`.
    async fn accept(
        &mut self,
        listener: &mut dyn Listen,
        orders: &mut Orders,
        order: Order,
        until: Option<Instant>,
    ) {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        loop {
            if *orders.order.borrow_and_update() >= order {
                return;
            }
            tokio::select! {
                biased;
                // The sender lives in `orders` itself, so this can't fail.
                _ = orders.order.changed() => {}
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => return,
                Some(ended) = self.tasks.join_next() => self.ended(ended),
                accepted = listener.accept() => match accepted {
                    Ok(io) => {
                        backoff.reset();
                        self.begin(io);
                    }
                    // Out of descriptors, mostly: no reason to end, and no use in haste.
                    Err(_) => tokio::select! {
                        () = sleep(backoff.next(fastrand::f64())) => {}
                        _ = orders.order.changed() => orders.order.mark_changed(),
                    },
                },
            }
        }
    }

    fn begin(&mut self, io: Io) {
        let limits = &self.config.limits;
        let peer: Arc<str> = host(&io.peer).into();
        let from_peer = self.peers.get(&peer).copied().unwrap_or(0);
        if self.tasks.len() >= limits.max_connections
            || from_peer >= limits.max_connections_per_peer
        {
            return; // Dropping it closes it.
        }
        self.peers.insert(peer.clone(), from_peer + 1);
        let serving = Serving::run(
            io,
            &limits.connection,
            self.config.dispatch.clone(),
            self.config.hello.clone(),
            self.phase.subscribe(),
            self.config.max_connection_age.map(|age| age.mul_f64(0.9 + 0.2 * fastrand::f64())),
        );
        self.tasks.spawn(async move {
            serving.await;
            peer
        });
    }

    fn ended(&mut self, ended: Result<Arc<str>, tokio::task::JoinError>) {
        // A connection's task neither panics nor is aborted before the server's end.
        let Ok(peer) = ended else { return };
        if let Some(count) = self.peers.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&peer);
            }
        }
    }

    /// Finishes what runs, up to a hard limit, and returns how many calls were dropped at it.
    async fn drain(&mut self, orders: &mut Orders) -> usize {
        let until = Instant::now().checked_add(self.config.drain_timeout);
        self.phase.send_replace(Phase::Draining);
        if *orders.order.borrow_and_update() < Order::Stop {
            let finished = async {
                tokio::select! {
                    () = self.finish() => {}
                    _ = orders.order.wait_for(|order| *order == Order::Stop) => {}
                }
            };
            match until {
                Some(until) => drop(timeout_at(until, finished).await),
                None => finished.await,
            }
        }
        let aborted = self.config.dispatch.places.taken();
        self.phase.send_replace(Phase::Stopping);
        if timeout(GOODBYE, self.finish()).await.is_err() {
            self.tasks.shutdown().await;
        }
        aborted
    }

    /// Waits until no connection and no call is left.
    async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
        self.config.dispatch.places.emptied().await;
    }
}
