use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn price(
        &self,
        /// Which.
        sku: String,
    ) -> Result<u64, Status>;
}

fn main() {}
