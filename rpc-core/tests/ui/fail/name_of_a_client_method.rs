use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn ready(&self) -> Result<bool, Status>;
}

fn main() {}
