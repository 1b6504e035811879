use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(idempotent = true)]
    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
