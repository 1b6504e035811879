use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn price(&self, sku: &str) -> Result<u64, Status>;
}

fn main() {}
