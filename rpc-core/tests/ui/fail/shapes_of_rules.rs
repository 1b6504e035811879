//! A rule is written in one way.

use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(retry = 3, limit = "100/s", breaker, hedge = "20ms", idempotent = true)]
    async fn settings(&self) -> Result<u64, Status>;

    #[rpc(concurrency = "adaptve", fallback = "last_known_price", classify = "lenient", dark)]
    async fn values(&self) -> Result<u64, Status>;

    #[rpc(timeout("200ms"), priority = Critical, optional = "2", fallback = 7, per_try)]
    async fn more_values(&self) -> Result<u64, Status>;

    #[rpc(limit(burst = 20), concurrency(queue = 5, wait = "1s"), fallback(max = 5), retry("3"))]
    async fn without_what_they_need(&self) -> Result<u64, Status>;
}

fn main() {}
