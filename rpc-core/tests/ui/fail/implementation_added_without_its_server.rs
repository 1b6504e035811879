use rpc_core::{Server, Status, service};

#[service]
trait Inventory {
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

struct Shop;

impl Inventory for Shop {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        Ok(sku.len() as u64)
    }
}

fn main() {
    let _ = Server::builder().add(Shop);
}
