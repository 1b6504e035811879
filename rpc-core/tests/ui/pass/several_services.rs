//! Several services in one module, with methods of the same name, and types that are named from
//! where the trait stands.

use std::sync::Arc;

use rpc_core::{Server, Status, service};

/// What is in stock.
#[service(name = "shop.Inventory")]
pub trait Inventory {
    /// How many.
    async fn count(&self, of: self::Article) -> Result<u64, Status>;
}

/// What has been ordered.
#[service(name = "shop.Orders")]
pub trait Orders {
    /// How many.
    async fn count(&self, of: Article) -> Result<u64, Status>;
}

/// What is sold.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Article(pub String);

/// A room of its own.
pub mod inner {
    use rpc_core::{Status, service};

    /// How many fit into a box.
    pub const SIZE: usize = 2;

    /// The same name as outside, and types from there.
    #[service(name = "shop.inner.Inventory")]
    pub trait Inventory {
        /// All that are alike.
        async fn alike(
            &self,
            all: Vec<super::Article>,
            sizes: [u8; self::SIZE],
        ) -> std::result::Result<Option<super::Article>, self::Status>;
    }
}

struct Shop;

impl Inventory for Shop {
    async fn count(&self, of: Article) -> Result<u64, Status> {
        Ok(of.0.len() as u64)
    }
}

impl Orders for Shop {
    async fn count(&self, _: Article) -> Result<u64, Status> {
        Ok(0)
    }
}

impl inner::Inventory for Shop {
    async fn alike(
        &self,
        all: Vec<Article>,
        sizes: [u8; inner::SIZE],
    ) -> Result<Option<Article>, Status> {
        Ok(all.get(usize::from(sizes[1])).cloned())
    }
}

/// Calls all of them.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Status> {
    let shop = Arc::new(Shop);
    let server = Server::builder()
        .add(InventoryServer::from_arc(shop.clone()))
        .add(OrdersServer::from_arc(shop.clone()))
        .add(inner::InventoryServer::from_arc(shop))
        .listen("mem://several_services")
        .await?;
    let address = server.address().to_string();
    let article = || Article("A-17".to_owned());
    assert_eq!(InventoryClient::connect(&address).await?.count(article()).await?, 4);
    assert_eq!(OrdersClient::connect(&address).await?.count(article()).await?, 0);

    let inner: Arc<dyn inner::inventory::Dyn> =
        Arc::new(inner::InventoryClient::connect(&address).await?);
    let second = inner::Inventory::alike(&inner, vec![article(), Article("B".into())], [0, 1]);
    assert_eq!(second.await?.map(|article| article.0).as_deref(), Some("B"));
    Ok(())
}
