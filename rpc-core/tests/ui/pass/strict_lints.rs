//! A service makes no warnings in a crate that denies them all.
#![deny(warnings, missing_docs, unreachable_pub, rust_2018_idioms, clippy::all)]
#![deny(missing_debug_implementations, unused_qualifications, let_underscore_drop, unused_results)]

use rpc_core::{AppError, Error, Server, Status, service};

/// A refusal.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct SoldOut;

impl std::fmt::Display for SoldOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sold out")
    }
}

impl std::error::Error for SoldOut {}
impl AppError for SoldOut {}

/// What methods of the shop return.
pub type Answer<T> = Result<T, Error<SoldOut>>;

/// Everything a service can have.
#[service(name = "shop.Inventory", formats(Json, MessagePack))]
pub trait Inventory: Send + Sync + 'static {
    /// Price of an article in cents.
    #[rpc(idempotent, timeout = "1.5s")]
    #[rpc()]
    async fn price(
        &self,
        sku: String,
        #[serde(default, rename = "date")] day: Option<String>,
    ) -> Result<u64, Status>;

    /// Replaced by another.
    #[deprecated = "use `price`"]
    async fn old_price(&self, sku: String) -> Result<u64, Status>;

    /// Typed errors behind an alias.
    async fn reserve(&self, #[allow(unused_variables)] sku: String, _count: u32) -> Answer<u32> {
        Err(Error::App(SoldOut))
    }

    /// Somebody looked at an article.
    #[rpc(oneway, timeout = "500us")]
    async fn viewed(&self, sku: String) -> Result<(), Status>;
}

#[derive(Debug)]
struct Shop;

impl Inventory for Shop {
    async fn price(&self, sku: String, day: Option<String>) -> Result<u64, Status> {
        Ok((sku.len() + day.map_or(0, |day| day.len())) as u64)
    }

    async fn old_price(&self, sku: String) -> Result<u64, Status> {
        self.price(sku, None).await
    }

    async fn viewed(&self, _: String) -> Result<(), Status> {
        Ok(())
    }
}

/// Calls what is not deprecated.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Status> {
    let server =
        Server::builder().add(InventoryServer::new(Shop)).listen("mem://strict_lints").await?;
    let client = InventoryClient::connect(&server.address().to_string()).await?;
    assert_eq!(client.price("A-17".to_owned(), Some("today".to_owned())).await?, 9);
    let refused = client.reserve("A-17".to_owned(), 2).await;
    assert!(matches!(refused, Err(Error::App(SoldOut))), "{refused:?}");
    client.viewed("A-17".to_owned()).await
}
