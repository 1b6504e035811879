//! A hedge runs the handler twice. Retries are only of what has not run, so they are fine.

use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(hedge(after = "p95"), retry(attempts = 3))]
    async fn reserve(&self, sku: String) -> Result<u64, Status>;
}

fn main() {}
