use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(idempotent, retry(attempts = 3))]
    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
