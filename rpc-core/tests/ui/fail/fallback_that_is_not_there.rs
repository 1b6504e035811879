//! The path leads nowhere.

use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(fallback = last_known_price)]
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

fn main() {}
