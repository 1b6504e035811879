use rpc_core::governance::outcome::Outcome;
use rpc_core::{Status, service};

/// Each method with some rules.
#[service(name = "shop.Governed")]
pub trait Governed {
    /// As in the README.
    #[rpc(idempotent, timeout = "200ms", retry(attempts = 3), limit(rate = "2000/s", burst = 200),
          breaker(failure_rate = "50%", min_calls = 20, open = "5s"), fallback = last_known_price)]
    async fn price(&self, sku: String, day: u32) -> Result<u64, Status>;

    /// All that can be said.
    #[rpc(
        idempotent,
        per_try = "50ms",
        retry(backoff = "20ms", max_backoff = "2s"),
        hedge(after = "p99.9", max = 2),
        limit(rate = "5/10s", kind = "leaky", wait = "30ms", key = "tenant"),
        concurrency(max = 64, queue = 100, wait = "50ms"),
        breaker(consecutive = 5, slow_rate = "12.5%", slow = "1.5s", window = 100, probes = 3,
                max_open = "30s", kind = "trip", key = "caller"),
        fallback(last_good = "30s", vary = ["tenant", "region"]),
        optional = 2,
        priority = "sheddable",
        dark = ["hedge", "limit"],
        classify = lenient,
    )]
    async fn stock(&self, sku: String) -> Result<Vec<u64>, Status>;

    /// Nothing but defaults.
    #[rpc(idempotent, retry(), hedge(), breaker(), concurrency = "adaptive", fallback = "default")]
    async fn names(&self) -> Result<Vec<String>, Status>;

    /// Nothing, whatever a less specific entry says.
    #[rpc(timeout = "off", retry = "off", limit = "off", breaker = "off", fallback = "off")]
    async fn audit(&self, day: u32) -> Result<(), Status>;
}

async fn last_known_price(why: &Status, sku: String, day: u32) -> Result<u64, Status> {
    match sku.as_str() {
        "unknown" => Err(Status::not_found(format!("no price of day {day}"))),
        _ => Ok(why.message().len() as u64),
    }
}

fn lenient(status: &Status) -> Option<Outcome> {
    status.message().contains("closed").then_some(Outcome::Success)
}
