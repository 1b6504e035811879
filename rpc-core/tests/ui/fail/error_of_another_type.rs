use rpc_core::service;

#[service]
trait Inventory {
    async fn price(&self, sku: String) -> Result<u64, String>;
}

fn main() {}
