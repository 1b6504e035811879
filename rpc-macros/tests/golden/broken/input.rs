use rpc_core::{Status, service};

#[service(formats(MessagePack, Json), nmae = "shop.Inventory")]
trait Inventory {
    #[rpc(idempotent, retires(attempts = 3))]
    async fn price(&self, sku: &str) -> Result<u64, Status>;

    fn viewed(&mut self, sku: String);
}
