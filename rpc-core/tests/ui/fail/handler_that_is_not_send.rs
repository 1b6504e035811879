use std::rc::Rc;

use rpc_core::{Status, service};

#[service]
trait Inventory {
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

struct Shop;

impl Inventory for Shop {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        let sku = Rc::new(sku);
        tokio::task::yield_now().await;
        Ok(sku.len() as u64)
    }
}

fn main() {}
