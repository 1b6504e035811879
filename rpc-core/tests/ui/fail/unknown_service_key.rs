use rpc_core::{Status, service};

#[service(nmae = "shop.Inventory")]
trait Inventory {
    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
