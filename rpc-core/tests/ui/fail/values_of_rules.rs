//! Each value that can't be is refused where it stands.

use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(
        per_try = "fast",
        retry(attempts = 0, backoff = "0ms", max_backoff = "1d"),
        hedge(after = "p101", max = 4294967296),
        idempotent
    )]
    async fn times(&self) -> Result<u64, Status>;

    #[rpc(limit(rate = "many", burst = 0, kind = "tokens", wait = "-1s", key = ""), concurrency = 0)]
    async fn limits(&self) -> Result<u64, Status>;

    #[rpc(limit(rate = "0/s", burst = -1, key = "Tenant"), concurrency(max = "64", queue = 0.5, wait = 50))]
    async fn more_limits(&self) -> Result<u64, Status>;

    #[rpc(breaker(
        failure_rate = 0.5,
        slow_rate = "120%",
        slow = "0s",
        consecutive = 0,
        window = 0,
        min_calls = "20",
        open = "soon",
        max_open = 60,
        probes = 0,
        kind = "triple",
        key = "rpc-tenant"
    ))]
    async fn breakers(&self) -> Result<u64, Status>;

    #[rpc(
        breaker(failure_rate = "0%", window = true),
        hedge(after = "later"),
        idempotent,
        optional = 256,
        priority = "urgent",
        fallback(last_good = "0s", max = 0)
    )]
    async fn others(&self) -> Result<u64, Status>;
}

fn main() {}
