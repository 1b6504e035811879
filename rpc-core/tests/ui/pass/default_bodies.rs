//! Default bodies: what they may do, and who answers.

use std::sync::Arc;

use rpc_core::{Code, Server, Status, service};

/// Only one method has to be written.
#[service]
pub trait Inventory {
    /// Price of an article in cents.
    async fn price(&self, sku: String) -> Result<u64, Status>;

    /// Calls another method, returns early, uses `?`.
    async fn prices(&self, skus: Vec<String>) -> Result<Vec<u64>, Status> {
        if skus.is_empty() {
            return Err(Status::invalid_argument("name at least one article"));
        }
        let mut prices = Vec::new();
        for sku in skus {
            prices.push(self.price(sku).await?);
        }
        Ok(prices)
    }

    /// Ignores what it is given.
    #[rpc(oneway)]
    async fn viewed(&self, _sku: String) -> Result<(), Status> {
        Ok(())
    }
}

struct OldShop;

impl Inventory for OldShop {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        Ok(sku.len() as u64)
    }
}

/// The server's default body answers, not the client's.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Status> {
    let server =
        Server::builder().add(InventoryServer::new(OldShop)).listen("mem://default_bodies").await?;
    let client = InventoryClient::connect(&server.address().to_string()).await?;
    assert_eq!(client.prices(vec!["a".into(), "bc".into()]).await?, [1, 2]);
    let none = client.prices(Vec::new()).await.expect_err("a default body may refuse");
    assert_eq!(none.code(), Code::InvalidArgument);
    client.viewed("a".into()).await?;
    let object: Arc<dyn inventory::Dyn> = Arc::new(OldShop);
    assert_eq!(object.prices(vec!["abc".into()]).await?, [3]);
    Ok(())
}
