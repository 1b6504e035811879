use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn price(sku: String) -> Result<u64, Status>;
}

fn main() {}
