use rpc_core::service;

#[service]
trait Inventory {
    async fn restock(&self, sku: String);
}

fn main() {}
