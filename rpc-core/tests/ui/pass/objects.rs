//! `Arc<dyn inventory::Dyn>`: different implementations in one list, and as what a server serves.

use std::sync::Arc;

use rpc_core::{Server, Status, service};

/// What is in stock.
#[service(name = "shop.Inventory")]
pub trait Inventory {
    /// Price of an article in cents.
    async fn price(&self, sku: String) -> Result<u64, Status>;

    /// Has a default.
    async fn currency(&self) -> Result<String, Status> {
        Ok("EUR".to_owned())
    }
}

struct Fixed(u64);

impl Inventory for Fixed {
    async fn price(&self, _: String) -> Result<u64, Status> {
        Ok(self.0)
    }

    async fn currency(&self) -> Result<String, Status> {
        Ok("USD".to_owned())
    }
}

/// Holds objects, and is one.
struct Cheapest(Vec<Arc<dyn inventory::Dyn>>);

impl Inventory for Cheapest {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        let mut cheapest = None;
        for shop in &self.0 {
            let price = shop.price(sku.clone()).await?;
            cheapest = Some(cheapest.map_or(price, |least: u64| least.min(price)));
        }
        cheapest.ok_or_else(|| Status::unavailable("no shop"))
    }
}

/// A server of an object, called through an object.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Status> {
    let fixed: Arc<dyn inventory::Dyn> = Arc::new(Fixed(5));
    let server =
        Server::builder().add(InventoryServer::from_arc(fixed)).listen("mem://objects").await?;
    let client = InventoryClient::connect(&server.address().to_string()).await?;
    assert_eq!(client.currency().await?, "USD", "an object's own method, not the default");

    let cheapest: Arc<dyn inventory::Dyn> =
        Arc::new(Cheapest(vec![Arc::new(Fixed(7)), Arc::new(client), Arc::new(Fixed(9))]));
    assert_eq!(cheapest.price("A-17".to_owned()).await?, 5);
    assert_eq!(cheapest.currency().await?, "EUR");
    Ok(())
}
