use rpc_core::{Status, service};

#[service]
trait Inventory: Send + std::fmt::Display {
    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
