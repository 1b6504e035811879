use rpc_core::service;

#[service]
trait Inventory {
    async fn price(&self, sku: String) -> Option<u64>;
}

fn main() {}
