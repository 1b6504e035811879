//! What a person does in an outage: throw a switch for a while, raise the level from which whatever
//! is optional does without the server, hold a breaker open. Each expires or is taken back. Time is
//! paused here, so that waiting takes none.

use std::time::Duration;

use rpc_core::control::{Governance, Switch};
use rpc_core::governance::breaker::Mode;
use rpc_core::governance::rules::{RuleKey, Side};
use rpc_core::{Server, Status, service};
use tokio::time::sleep;

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents.
    #[rpc(idempotent, breaker(failure_rate = "50%"))]
    async fn price(&self, sku: String) -> Result<u64, Status>;

    /// What others bought. From level 2 on a page does without it.
    #[rpc(idempotent, optional = 2, fallback = "default")]
    async fn related(&self, sku: String) -> Result<Vec<String>, Status>;
}

struct Shop;

impl Inventory for Shop {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        Ok(1_995)
    }

    async fn related(&self, _sku: String) -> Result<Vec<String>, Status> {
        Ok(vec!["B-4".into()])
    }
}

const PRICE: &str = "shop.Inventory/price";
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let governance = Governance::global();
    Server::builder().add(InventoryServer::new(Shop)).listen("mem://shop").await?;
    let shop = InventoryClient::connect("mem://shop").await?;
    let price = || shop.price("A-17".into());
    let related = || shop.related("A-17".into());

    // A switch says what a rules file could say, and wins over it.
    governance.switch(Switch {
        side: Side::Client,
        target: PRICE,
        key: "limit",
        value: r#"{ rate = "1/min", burst = 1 }"#,
        by: "anna",
        lasts: MINUTE,
    })?;
    price().await?;
    assert!(price().await.is_err());
    print!("{}", governance.explain(PRICE));

    governance.set_level(2, "anna", MINUTE);
    assert!(related().await?.is_empty(), "the default, without asking the server");
    print!("{}", governance.explain("shop.Inventory/related"));

    sleep(MINUTE).await;
    price().await?;
    price().await?;
    assert_eq!(related().await?, ["B-4"]);
    println!("a minute later both have expired");

    // Or without the server at once, whatever the level; and that taken back before it expires.
    governance.switch(Switch {
        side: Side::Client,
        target: PRICE,
        key: "degrade",
        value: "true",
        by: "bob",
        lasts: 12 * MINUTE,
    })?;
    let refused = price().await.unwrap_err();
    assert_eq!(refused.refused_by(), Some(RuleKey::Degrade));
    println!("{refused}");
    assert!(governance.clear_switch(Side::Client, PRICE, "degrade")?);
    price().await?;

    governance.force_breaker(PRICE, Mode::ForcedOpen, "anna", MINUTE)?;
    println!("{}", price().await.unwrap_err());
    governance.force_breaker(PRICE, Mode::Automatic, "anna", MINUTE)?;
    price().await?;

    let slip = Switch {
        side: Side::Client,
        target: "shop.Inventory/prise",
        key: "degrade",
        value: "true",
        by: "bob",
        lasts: MINUTE,
    };
    println!("{}", governance.switch(slip).unwrap_err());
    Ok(())
}
