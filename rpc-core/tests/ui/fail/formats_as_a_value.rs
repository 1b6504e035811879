use rpc_core::{Status, service};

#[service(formats = Json)]
trait Inventory {
    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
