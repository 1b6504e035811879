use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(idempotent, cache(ttl = "1s"))]
    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
