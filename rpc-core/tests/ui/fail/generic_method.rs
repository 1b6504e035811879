use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn price<T: Send>(&self, of: T) -> Result<u64, Status>;
}

fn main() {}
