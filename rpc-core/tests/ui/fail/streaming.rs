use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn changes(&self) -> Result<rpc_core::Streaming<u64>, Status>;
}

fn main() {}
