use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn price(&self, mut sku: String) -> Result<u64, Status> {
        sku.clear();
        Ok(0)
    }
}

fn main() {}
