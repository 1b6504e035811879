use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(timeout = "0s")]
    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
