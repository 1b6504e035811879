//! The golden expansions of rpc-macros compile as they are printed, which shows that they lean on
//! paths alone and not on what a macro's tokens know, and they do what their traits say.

/// `tests/golden/inventory` of rpc-macros.
#[allow(
    unused_imports,
    unreachable_pub,
    dead_code,
    clippy::module_inception,
    reason = "lints look at it as if somebody had written it"
)]
mod inventory {
    include!("../../../rpc-macros/tests/golden/inventory/expanded.rs");
}

/// `tests/golden/unwrapped` of rpc-macros.
#[allow(
    unused_imports,
    unreachable_pub,
    dead_code,
    clippy::module_inception,
    reason = "lints look at it as if somebody had written it"
)]
mod unwrapped {
    include!("../../../rpc-macros/tests/golden/unwrapped/expanded.rs");
}

/// `tests/golden/governed` of rpc-macros.
#[allow(
    unused_imports,
    unreachable_pub,
    dead_code,
    clippy::module_inception,
    reason = "lints look at it as if somebody had written it"
)]
mod governed {
    include!("../../../rpc-macros/tests/golden/governed/expanded.rs");
}

use bytes::Bytes;
use rpc_core::{Server, Status};

use self::inventory::{Inventory, InventoryClient, InventoryServer};
use self::unwrapped::{Echo, EchoClient, EchoServer};

struct Shop;

impl Inventory for Shop {
    async fn price(&self, sku: String, day: Option<String>) -> Result<u64, Status> {
        Ok((sku.len() + day.map_or(0, |day| day.len())) as u64)
    }

    async fn viewed(&self, _: String) -> Result<(), Status> {
        Ok(())
    }
}

impl Echo for Shop {
    async fn echo(&self, body: Bytes) -> Result<Bytes, Status> {
        Ok(body)
    }
}

#[tokio::test]
async fn golden_expansions_work() -> Result<(), Status> {
    let server = Server::builder()
        .add(InventoryServer::new(Shop))
        .add(EchoServer::new(Shop))
        .listen("mem://golden")
        .await?;
    let address = server.address().to_string();
    let shop = InventoryClient::connect(&address).await?;
    assert_eq!(shop.price("A-17".to_owned(), Some("today".to_owned())).await?, 9);
    assert_eq!(shop.currency().await?, "EUR");
    shop.viewed("A-17".to_owned()).await?;
    let echo = EchoClient::connect(&address).await?;
    assert_eq!(echo.echo(Bytes::from_static(b"x")).await?, "x");
    Ok(())
}
