//! So many calls per time: one more is refused before it is sent, and told when to come back. Time
//! is paused here, so that waiting takes none.

use rpc_core::{Code, Server, Status, service};
use tokio::time::{Instant, sleep};

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents. Three calls may come at once, and ten a second.
    #[rpc(limit(rate = "10/s", burst = 3))]
    async fn price(&self, sku: String) -> Result<u64, Status>;

    /// How many there are. A call may wait for its turn.
    #[rpc(limit(rate = "10/s", burst = 1, wait = "1s"))]
    async fn stock(&self, sku: String) -> Result<u64, Status>;

    /// Orders one: each tenant has a limit of its own.
    #[rpc(limit(rate = "1/s", burst = 1, key = "tenant"))]
    async fn order(&self, sku: String) -> Result<u64, Status>;
}

struct Shop;

impl Inventory for Shop {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        Ok(1_995)
    }

    async fn stock(&self, _sku: String) -> Result<u64, Status> {
        Ok(12)
    }

    async fn order(&self, _sku: String) -> Result<u64, Status> {
        Ok(1)
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Status> {
    Server::builder().add(InventoryServer::new(Shop)).listen("mem://shop").await?;
    let shop = InventoryClient::connect("mem://shop").await?;

    for _ in 0..3 {
        shop.price("A-17".into()).await?;
    }
    let refused = shop.price("A-17".into()).await.unwrap_err();
    println!("{refused}");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.is_refusal(), "nothing was sent");
    sleep(refused.retry_after().unwrap_or_default()).await;
    assert_eq!(shop.price("A-17".into()).await?, 1_995);

    let begun = Instant::now();
    for _ in 0..5 {
        shop.stock("A-17".into()).await?;
    }
    println!("five calls took their turns in {:?}", begun.elapsed());
    assert_eq!(begun.elapsed().as_millis(), 400);

    let (eu, us) = (shop.with_metadata("tenant", "eu"), shop.with_metadata("tenant", "us"));
    eu.order("A-17".into()).await?;
    assert!(eu.order("A-17".into()).await.is_err(), "eu has used up its second");
    us.order("A-17".into()).await?;
    println!("what one tenant has used up, another still has");
    Ok(())
}
