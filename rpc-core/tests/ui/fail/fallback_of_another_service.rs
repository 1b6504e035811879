//! What stands by implements the same trait.

use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

struct Shelf;

#[tokio::main]
async fn main() -> Result<(), Status> {
    let client = InventoryClient::connect("mem://x").await?.with_fallback(Shelf);
    client.price("A-17".to_owned()).await?;
    Ok(())
}
