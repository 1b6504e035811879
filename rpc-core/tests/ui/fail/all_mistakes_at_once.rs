//! Each mistake is told, and the code that uses the service has no errors of its own.

use rpc_core::{Server, Status, service};

#[service(nmae = "shop.Inventory", formats(MessagePack, Json))]
trait Inventory {
    #[rpc(idempotent, timeout = "fast")]
    async fn price(&self, sku: &str) -> Result<u64, Status>;

    async fn stock(&self, sku: String) -> u64;

    #[rpc(oneway)]
    async fn viewed(&self, sku: String) -> Result<bool, Status>;
}

struct Shop;

impl Inventory for Shop {
    async fn price(&self, sku: &str) -> Result<u64, Status> {
        Ok(sku.len() as u64)
    }

    async fn stock(&self, _: String) -> u64 {
        0
    }

    async fn viewed(&self, _: String) -> Result<bool, Status> {
        Ok(true)
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().add(InventoryServer::new(Shop)).listen("mem://x").await?;
    let client = InventoryClient::connect(&server.address().to_string()).await?;
    let price: u64 = client.price("A-17").await?;
    let stock: u64 = client.stock("A-17".to_owned()).await;
    let viewed: bool = client.viewed("A-17".to_owned()).await?;
    println!("{price} {stock} {viewed}");
    Ok(())
}
