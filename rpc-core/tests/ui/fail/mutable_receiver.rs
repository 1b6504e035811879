use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn reserve(&mut self, sku: String) -> Result<u64, Status>;
}

fn main() {}
