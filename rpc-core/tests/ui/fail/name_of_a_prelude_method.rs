use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn clone(&self) -> Result<u64, Status>;
}

fn main() {}
