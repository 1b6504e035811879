use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[cfg(unix)]
    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
