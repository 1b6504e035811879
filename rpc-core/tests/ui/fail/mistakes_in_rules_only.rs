//! The code that uses the service has no errors of its own.

use rpc_core::{Server, Status, service};

#[service]
trait Inventory {
    #[rpc(idempotent, hedge(after = "soon"), fallback = last_known_price)]
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

async fn last_known_price(_: &Status, sku: String) -> Result<u64, Status> {
    Ok(sku.len() as u64)
}

struct Shop;

impl Inventory for Shop {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        Ok(sku.len() as u64)
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().add(InventoryServer::new(Shop)).listen("mem://x").await?;
    let client = InventoryClient::connect(&server.address().to_string()).await?;
    let price: u64 = client.with_fallback(Shop).price("A-17".to_owned()).await?;
    println!("{price}");
    Ok(())
}
