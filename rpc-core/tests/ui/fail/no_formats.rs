use rpc_core::{Status, service};

#[service(formats())]
trait Inventory {
    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
