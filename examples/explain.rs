//! Why was this call refused, and who says so? What a person reads at three in the morning. Time is
//! paused here, so that waiting takes none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rpc_core::control::{Governance, Switch};
use rpc_core::governance::rules::{RuleSet, Side, Strength, Syntax};
use rpc_core::{Server, Status, service};
use tokio::time::sleep;

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents.
    #[rpc(idempotent, timeout = "200ms", retry(attempts = 3), limit(rate = "2000/s", burst = 200))]
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

#[derive(Default)]
struct Shop(AtomicBool);

impl Inventory for Shop {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        match self.0.load(Ordering::SeqCst) {
            false => Ok(1_995),
            true => Err(Status::unavailable("the database is down")),
        }
    }
}

/// As a file would say it; see the example `rules_file`.
const FILE: &str = r#"[client.defaults]
concurrency = 256

[client."shop.Inventory/price"]
limit    = { rate = "1000/s", burst = 100 }
breaker  = { failure_rate = "50%", min_calls = 10 }
fallback = { last_good = "30s" }
hedge    = { after = "p95" }
dark     = ["hedge"]

[client.caps]
retry = { attempts = 2 }
"#;

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let governance = Governance::global();
    let shop = Arc::new(Shop::default());
    let service = InventoryServer::from_arc(shop.clone());
    Server::builder().add(service).listen("mem://shop").await?;
    let client = InventoryClient::connect("mem://shop").await?;
    let price = || client.price("A-17".into());

    governance.apply(RuleSet::parse(Strength::File, "rules.toml", Syntax::Toml, FILE, None)?);
    governance.switch(Switch {
        side: Side::Client,
        target: "shop.Inventory/price",
        key: "limit",
        value: r#"{ rate = "500/s", burst = 50 }"#,
        by: "anna",
        lasts: Duration::from_secs(12 * 60),
    })?;

    for _ in 0..60 {
        price().await?;
    }
    shop.0.store(true, Ordering::SeqCst);
    for _ in 0..120 {
        sleep(Duration::from_millis(20)).await;
        assert_eq!(price().await?, 1_995, "the last good answer");
    }

    let explained = governance.explain("shop.Inventory/price");
    print!("{explained}");
    for expected in [
        "200ms           attribute",
        "capped by rules.toml:12",
        "console (anna), expires in 12 min",
        "(rules.toml:5 says 1000/s burst 100; attribute says 2000/s burst 200)",
        "OPEN",
        "rules.toml:7",
        "by breaker",
    ] {
        assert!(explained.contains(expected), "there is no `{expected}`");
    }
    Ok(())
}
