use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn price(&self, sku: impl Into<String>) -> Result<u64, Status>;
}

fn main() {}
