//! Handlers that compute, on a connection that has other things to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rpc_core::testing::Network;
use rpc_core::{Server, Status, service};
use tokio::time::Instant;

#[service]
trait Mixed {
    /// Computes until [`Mixed::fast`] was called, or for a moment only.
    async fn compute(&self, for_long: bool) -> Result<bool, Status>;
    async fn fast(&self) -> Result<(), Status>;
}

#[derive(Default)]
struct Worker {
    called: AtomicBool,
}

impl Mixed for Worker {
    async fn compute(&self, for_long: bool) -> Result<bool, Status> {
        let patience = Duration::from_millis(if for_long { 20_000 } else { 2 });
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if for_long && self.called.load(Ordering::Acquire) {
                return Ok(true);
            }
            std::hint::spin_loop();
        }
        Ok(false)
    }

    async fn fast(&self) -> Result<(), Status> {
        self.called.store(true, Ordering::Release);
        Ok(())
    }
}

/// Both calls are on one connection: polled one after the other, the first would never see the second.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_handler_that_computes_does_not_hold_up_its_connection() {
    let net = Network::new();
    let worker = Arc::new(Worker::default());
    let listener = net.listen("a").unwrap();
    let server = MixedServer::from_arc(worker.clone());
    Server::builder().add(server).listen_on(listener).await.unwrap();
    let client = MixedClient::builder().network(&net).connect("mem://a").await.unwrap();
    // What it costs is learned from the first call.
    client.compute(false).await.unwrap();
    let computing = tokio::spawn({
        let client = client.with_timeout(Duration::from_secs(30));
        async move { client.compute(true).await }
    });
    // Only sent once the other is under way.
    while client.channel().in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    client.fast().await.unwrap();
    assert!(computing.await.unwrap().unwrap(), "it saw the other call while it computed");
}
