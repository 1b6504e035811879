use rpc_core::{Status, service};

#[service(name = "shop/Inventory")]
trait Inventory {
    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
