use rpc_core::{Status, service};

/// What is in stock.
#[service(name = "shop.Inventory")]
pub trait Inventory {
    /// Price of an article in cents.
    #[rpc(idempotent, timeout = "200ms")]
    async fn price(&self, sku: String, #[serde(default)] day: Option<String>)
    -> Result<u64, Status>;

    /// Somebody looked at an article.
    #[rpc(oneway)]
    async fn viewed(&self, sku: String) -> Result<(), Status>;

    /// What prices are in.
    async fn currency(&self) -> Result<String, Status> {
        Ok("EUR".to_owned())
    }
}
