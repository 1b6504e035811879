//! Each is in order, and together they can't be meant.

use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(
        idempotent,
        timeout = "200ms",
        per_try = "300ms",
        hedge(after = "200ms"),
        limit(rate = "100/s", wait = "201ms"),
        concurrency(max = 64, queue = 10, wait = "2s"),
        retry(attempts = 3, attempts = 4)
    )]
    async fn longer_than_the_call(&self) -> Result<u64, Status>;

    #[rpc(idempotent, per_try = "40ms", hedge(after = "50ms"))]
    async fn longer_than_a_try(&self) -> Result<u64, Status>;

    #[rpc(timeout = "100ms", retry(backoff = "200ms"), breaker(slow_rate = "50%", slow = "1s"))]
    async fn never_in_time(&self) -> Result<u64, Status>;

    #[rpc(retry(max_backoff = "1ms", backoff = "10ms"), breaker(open = "5s", max_open = "1s"))]
    async fn shrinking(&self) -> Result<u64, Status>;

    #[rpc(breaker(failure_rate = "50%", min_calls = 101, window = 100))]
    async fn never_enough(&self) -> Result<u64, Status>;

    #[rpc(breaker(kind = "throttle", consecutive = 5, probes = 2), limit(rate = "100/s", kind = "fixed", burst = 10))]
    async fn of_another_kind(&self) -> Result<u64, Status>;

    #[rpc(breaker(slow = "1s"), concurrency(max = 64, queue = 10))]
    async fn halves(&self) -> Result<u64, Status>;

    #[rpc(concurrency(max = 64, wait = "10ms"))]
    async fn the_other_half(&self) -> Result<u64, Status>;
}

fn main() {}
