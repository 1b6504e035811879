use rpc_core::{Status, service};

#[service]
trait Prices {
    #[rpc(fallback = "defualt")]
    async fn misspelt(&self, sku: String) -> Result<u64, Status>;

    #[rpc(fallback = "last_known_price")]
    async fn quoted(&self, sku: String) -> Result<u64, Status>;

    #[rpc(degrade = true)]
    async fn switched(&self, sku: String) -> Result<u64, Status>;

    #[rpc(idempotent, hedge, breaker, retry)]
    async fn bare(&self, sku: String) -> Result<u64, Status>;
}

fn main() {}
