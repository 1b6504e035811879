use rpc_core::{Status, service};

fn main() {
    #[service]
    trait Inventory {
        async fn price(&self, sku: String) -> Result<u64, Status>;
    }
}
