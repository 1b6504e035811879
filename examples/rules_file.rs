//! Rules in a file that is watched: a change is in force about a second later, a mistake changes
//! nothing and says what was meant, and what was good is kept for the next start.

use std::path::PathBuf;
use std::time::Duration;

use rpc_core::Governance;
use rpc_core::{Code, Server, Status, service};
use tokio::time::{Instant, sleep, timeout};

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents.
    #[rpc(idempotent, timeout = "5s")]
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

struct Shop;

impl Inventory for Shop {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        Ok(1_995)
    }
}

/// A folder that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("rules-file-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits, within reason, until something holds.
async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < until, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
    println!("{what}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Folder::new()?;
    let file = folder.0.join("rules.toml");
    let server = Server::builder().add(InventoryServer::new(Shop)).listen("127.0.0.1:0").await?;
    let shop = InventoryClient::connect(&server.address().to_string()).await?;
    let is_limited = async || {
        let answer = shop.price("A-17".into()).await;
        answer.is_err_and(|status| status.code() == Code::ResourceExhausted)
    };

    std::fs::write(&file, "[client.defaults]\nlimit = { rate = \"1/min\", burst = 1 }\n")?;
    let mut standing = Governance::global().watch_file(&file).await?;
    assert!(!is_limited().await && is_limited().await, "it is in force at once");
    print!("{}", Governance::global().explain("shop.Inventory/price"));

    std::fs::write(&file, "[client.defaults]\nlimit = { rate = \"1000/s\" }\n")?;
    eventually("a change of the file is in force", async || !is_limited().await).await;

    std::fs::write(&file, "[client.defaults]\nlimt = { rate = \"1/min\" }\n")?;
    let noticed = standing.wait_for(|standing| standing.trouble.is_some());
    let noticed = timeout(Duration::from_secs(20), noticed).await??.trouble.clone();
    println!("a mistake is noticed: {}", noticed.expect("waited for"));
    assert!(!is_limited().await, "what was good stays in force");

    // Another process that starts now finds what was good beside the file.
    let another = Governance::new();
    let standing = another.watch_file(&file).await?.borrow().clone();
    let rules = standing.rules.expect("it would have failed without");
    println!("another process starts with: {:?}", rules.to_string());
    println!("and knows that something is wrong: {}", standing.trouble.is_some());

    // And the way back, while somebody looks for the reason.
    let name = file.to_string_lossy();
    Governance::global().roll_back(&name, Some(1), "anna")?;
    println!("{}", Governance::global().history(&name)[0]);
    eventually("the first limit is back", is_limited).await;
    Ok(())
}
