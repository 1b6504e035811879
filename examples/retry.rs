//! A call that failed on one node is tried on another, if it may run twice, and if there is
//! something left to pay for it. Time is paused here, so that pauses take none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rpc_core::{CallReport, Context, Server, Status, service};

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents: asking twice is as good as asking once.
    #[rpc(idempotent, retry(attempts = 3, backoff = "10ms"))]
    async fn price(&self, sku: String) -> Result<u64, Status>;

    /// Takes one out: not to be done twice, so it is not repeated once it may have run.
    #[rpc(retry(attempts = 3))]
    async fn reserve(&self, sku: String) -> Result<u64, Status>;
}

/// A node; one without a price has lost its database.
#[derive(Clone)]
struct Node {
    price: Option<u64>,
    asked: Arc<AtomicUsize>,
    retries: Arc<AtomicUsize>,
}

impl Node {
    fn answer(&self) -> Result<u64, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.retries.fetch_add(usize::from(Context::current().is_retry()), Ordering::SeqCst);
        self.price.ok_or_else(|| Status::unavailable("the database is down"))
    }
}

impl Inventory for Node {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        self.answer()
    }

    async fn reserve(&self, _sku: String) -> Result<u64, Status> {
        self.answer()
    }
}

/// A node, served at `mem://name`.
async fn node(name: &str, price: Option<u64>) -> Result<(Node, rpc_core::ServerHandle), Status> {
    let node = Node { price, asked: Arc::default(), retries: Arc::default() };
    let service = InventoryServer::new(node.clone());
    let server = Server::builder().add(service).listen(&format!("mem://{name}")).await?;
    Ok((node, server))
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Status> {
    let (_ill, _ill_server) = node("ill", None).await?;
    let (well, _well_server) = node("well", Some(1_995)).await?;
    let shop = InventoryClient::connect("mem://ill,mem://well").await?;

    for _ in 0..4 {
        let report = CallReport::new();
        assert_eq!(shop.with_report(&report).price("A-17".into()).await?, 1_995);
        let node = report.node().map(|node| node.to_string()).unwrap_or_default();
        println!("answered by {node}, attempt {}", report.attempts());
    }
    assert!(well.retries.load(Ordering::SeqCst) >= 1, "some of the calls began at the other");

    let both = [shop.reserve("A-17".into()).await, shop.reserve("A-17".into()).await];
    let failed = both.into_iter().find_map(Result::err);
    println!("not repeated: {}", failed.expect("one of them began at the node that is ill"));

    // When all nodes are ill, retries would only add to it: there is a budget, of 10 at first and
    // of a fifth of the calls.
    let (down, _down_server) = node("down", None).await?;
    let shop = InventoryClient::connect("mem://down").await?;
    for _ in 0..100 {
        assert!(shop.price("A-17".into()).await.is_err());
    }
    let asked = down.asked.load(Ordering::SeqCst);
    println!("100 calls that failed were {asked} attempts, and not 300");
    assert!(asked < 140, "{asked}");
    Ok(())
}
