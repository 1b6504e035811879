//! Settings are known by name as well, and told with what was meant.

use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(
        idempotent,
        retry(atempts = 3),
        hedge(afer = "20ms"),
        limit(rate = "100/s", brust = 20),
        concurrency(max = 64, size = 100),
        breaker(failure_ratio = "50%"),
        fallback(last_good = "30s", ttl = "30s")
    )]
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

fn main() {}
