use rpc_core::{Status, service};

#[service]
trait Inventory {
    type Article;

    async fn price(&self) -> Result<u64, Status>;
}

fn main() {}
