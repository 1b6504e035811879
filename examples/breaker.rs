//! A breaker opens when calls fail, refuses while it is open, and lets one call try whether it is
//! better. Time is paused here, so that waiting takes none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rpc_core::{Code, Server, Status, service};
use tokio::time::sleep;

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents.
    #[rpc(idempotent, breaker(failure_rate = "50%", min_calls = 4, open = "5s"))]
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

#[derive(Default)]
struct Shop {
    is_down: AtomicBool,
    asked: AtomicUsize,
}

impl Inventory for Shop {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("the database is down"));
        }
        match sku.as_str() {
            "A-17" => Ok(1_995),
            _ => Err(Status::not_found(format!("no article `{sku}`"))),
        }
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Status> {
    let shop = Arc::new(Shop::default());
    let server = InventoryServer::from_arc(shop.clone());
    Server::builder().add(server).listen("mem://shop").await?;
    let client = InventoryClient::connect("mem://shop").await?;
    let price = |sku: &str| client.price(sku.to_owned());

    // *Not found* is an answer: the server did its work, and is well.
    for _ in 0..3 {
        assert_eq!(price("B-4").await.unwrap_err().code(), Code::NotFound);
    }

    shop.is_down.store(true, Ordering::SeqCst);
    let refused = loop {
        let failed = price("A-17").await.unwrap_err();
        println!("{failed}");
        if failed.is_refusal() {
            break failed;
        }
    };
    let asked = shop.asked.load(Ordering::SeqCst);
    assert_eq!(asked, 6, "three failures of six calls are half of them");
    assert!(price("A-17").await.unwrap_err().is_refusal());
    assert_eq!(shop.asked.load(Ordering::SeqCst), asked, "nothing is sent while it is open");

    // The server heals. When the time is over, the next call is the one that finds out.
    shop.is_down.store(false, Ordering::SeqCst);
    sleep(refused.retry_after().unwrap_or_default()).await;
    assert_eq!(price("A-17").await?, 1_995);
    assert_eq!(price("A-17").await?, 1_995);
    println!("closed again");
    Ok(())
}
