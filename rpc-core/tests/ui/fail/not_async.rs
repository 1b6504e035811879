use rpc_core::{Status, service};

#[service]
trait Inventory {
    fn price(&self) -> Result<u64, Status>;
}

fn main() {}
