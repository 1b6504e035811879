use rpc_core::{Status, service};

#[service]
trait Inventory<T> {
    async fn price(&self, of: T) -> Result<u64, Status>;
}

fn main() {}
