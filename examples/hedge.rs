//! A second attempt joins a slow one, on another node; the first answer wins, and the other server
//! is told to stop. Time is paused here, so that waiting takes none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rpc_core::{Server, ServerHandle, Status, service};
use tokio::time::{Instant, sleep};

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents. `after = "p95"` would follow what is measured.
    #[rpc(idempotent, hedge(after = "20ms"))]
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

struct Node {
    takes: Duration,
    stopped: Arc<AtomicUsize>,
}

/// Dropped while it is armed, it counts: the handler did not get to its end.
struct Watch<'a>(&'a AtomicUsize, bool);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(usize::from(self.1), Ordering::SeqCst);
    }
}

impl Inventory for Node {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        let mut watch = Watch(&self.stopped, true);
        sleep(self.takes).await;
        watch.1 = false;
        Ok(1_995)
    }
}

async fn serve(name: &str, takes: Duration) -> Result<(ServerHandle, Arc<AtomicUsize>), Status> {
    let stopped = Arc::new(AtomicUsize::new(0));
    let node = InventoryServer::new(Node { takes, stopped: stopped.clone() });
    let server = Server::builder().add(node).listen(&format!("mem://{name}")).await?;
    Ok((server, stopped))
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Status> {
    let (_slow, stopped) = serve("slow", Duration::from_secs(2)).await?;
    let (_fast, _) = serve("fast", Duration::from_millis(5)).await?;
    let shop = InventoryClient::connect("mem://slow,mem://fast").await?;

    for _ in 0..4 {
        let begun = Instant::now();
        assert_eq!(shop.price("A-17".into()).await?, 1_995);
        println!("answered after {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_millis(40), "and not after two seconds");
    }
    sleep(Duration::from_millis(1)).await;
    let stopped = stopped.load(Ordering::SeqCst);
    println!("the slow node was told {stopped} times that nobody waits any more");
    assert!(stopped >= 1, "some of the calls began there");
    Ok(())
}
