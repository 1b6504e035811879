//! A helper that takes `impl Inventory` works with a client, a mock, a reference to an object and
//! typed middleware, and may spawn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rpc_core::{Server, Status, service};

/// What is in stock.
#[service(name = "shop.Inventory")]
pub trait Inventory {
    /// Price of an article in cents.
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

struct Shop;

impl Inventory for Shop {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        match sku.as_str() {
            "A-17" => Ok(1299),
            _ => Err(Status::not_found(format!("no article `{sku}`"))),
        }
    }
}

/// Middleware is one more implementation.
struct Counted<S> {
    inner: S,
    calls: AtomicU64,
}

impl<S: Inventory> Inventory for Counted<S> {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.price(sku).await
    }
}

/// Each call in a task of its own, which the trait's bounds are enough for.
async fn total(shop: impl Inventory + Clone, skus: &[&str]) -> Result<u64, Status> {
    let mut tasks = Vec::new();
    for sku in skus {
        let (shop, sku) = (shop.clone(), (*sku).to_owned());
        tasks.push(tokio::spawn(async move { shop.price(sku).await }));
    }
    let mut total = 0;
    for task in tasks {
        total += task.await.map_err(|error| Status::internal(error.to_string()))??;
    }
    Ok(total)
}

async fn borrowed(shop: &impl Inventory) -> Result<u64, Status> {
    shop.price("A-17".to_owned()).await
}

/// The same helpers with every sort of implementation.
#[tokio::main]
pub async fn main() -> Result<(), Status> {
    let counted = Arc::new(Counted { inner: Shop, calls: AtomicU64::new(0) });
    let server = Server::builder()
        .add(InventoryServer::from_arc(counted.clone()))
        .listen("mem://generic_over_the_trait")
        .await?;
    let client = InventoryClient::connect(&server.address().to_string()).await?;

    assert_eq!(total(Arc::new(Shop), &["A-17", "A-17"]).await?, 2598);
    assert_eq!(total(client.clone(), &["A-17", "A-17", "A-17"]).await?, 3897);
    let object: Arc<dyn inventory::Dyn> = Arc::new(client.clone());
    assert_eq!(total(object.clone(), &["A-17"]).await?, 1299);
    assert_eq!(borrowed(&client).await?, 1299);
    assert_eq!(borrowed(&object).await?, 1299);
    assert_eq!(counted.calls.load(Ordering::Relaxed), 6);

    let refused = total(client, &["A-17", "nothing"]).await.expect_err("there is no such article");
    assert_eq!(refused.message(), "no article `nothing`");
    Ok(())
}
