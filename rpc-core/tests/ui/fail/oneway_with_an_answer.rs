use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(oneway)]
    async fn viewed(&self, sku: String) -> Result<u64, Status>;
}

fn main() {}
