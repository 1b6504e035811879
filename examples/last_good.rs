//! The last good answer to the same arguments is given again while the server is down, for a while,
//! and never to another tenant. Time is paused here, so that waiting takes none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rpc_core::{CallReport, Code, Server, Status, service};
use tokio::time::sleep;

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents, which is another one for each tenant.
    #[rpc(idempotent, fallback(last_good = "30s", vary = ["tenant"]))]
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

#[derive(Default)]
struct Shop(AtomicBool);

impl Inventory for Shop {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        match self.0.load(Ordering::SeqCst) {
            false => Ok(1_995),
            true => Err(Status::unavailable("the database is down")),
        }
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Status> {
    let shop = Arc::new(Shop::default());
    let service = InventoryServer::from_arc(shop.clone());
    Server::builder().add(service).listen("mem://shop").await?;
    let client = InventoryClient::connect("mem://shop").await?;
    let (eu, us) = (client.with_metadata("tenant", "eu"), client.with_metadata("tenant", "us"));

    eu.price("A-17".into()).await?;
    shop.0.store(true, Ordering::SeqCst);

    let report = CallReport::new();
    let cents = eu.with_report(&report).price("A-17".into()).await?;
    println!("{cents} cents, as it was; degraded: {}", report.is_degraded());
    assert!(cents == 1_995 && report.is_degraded());

    let unknown = Code::Unavailable;
    assert_eq!(eu.price("B-4".into()).await.unwrap_err().code(), unknown, "another article");
    assert_eq!(us.price("A-17".into()).await.unwrap_err().code(), unknown, "another tenant");
    sleep(Duration::from_secs(31)).await;
    let failed = eu.price("A-17".into()).await.unwrap_err();
    println!("half a minute later: {failed}");
    assert_eq!(failed.code(), unknown);
    Ok(())
}
