//! Nobody learns what became of a one-way call.

use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(oneway, timeout = "1s", per_try = "1s", retry(), hedge(), fallback = viewed_later)]
    async fn viewed(&self, sku: String) -> Result<(), Status>;
}

fn main() {}
