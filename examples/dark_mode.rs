//! A rule that is dark counts what it would refuse and refuses nothing: how a limit is tried out
//! before it is put in force. Time is paused here, so that waiting takes none.

use rpc_core::Governance;
use rpc_core::{Server, Status, service};

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents.
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

struct Shop;

impl Inventory for Shop {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        Ok(1_995)
    }
}

const RULES: &str = r#"
    [client."shop.Inventory/price"]
    limit = { rate = "10/s", burst = 5 }
    dark  = ["limit"]
"#;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Status> {
    Server::builder().add(InventoryServer::new(Shop)).listen("mem://shop").await?;
    let shop = InventoryClient::builder().rules(RULES).connect("mem://shop").await?;

    for _ in 0..20 {
        assert_eq!(shop.price("A-17".into()).await?, 1_995, "none is refused");
    }
    let explained = Governance::global().explain("shop.Inventory/price");
    print!("{explained}");
    assert!(explained.contains("15 by limit in the last minute"), "but it is known which would be");
    Ok(())
}
