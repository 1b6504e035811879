//! What a server enforces before it decodes anything: here so many calls per caller, so many at a
//! time, and how much callers may claim to matter. Time is paused here, so that waiting takes none.

use std::time::Duration;

use rpc_core::Governance;
use rpc_core::{Code, Context, Executed, Origin, Priority, Server, Status, service};
use tokio::time::sleep;

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents.
    #[rpc(idempotent)]
    async fn price(&self, sku: String) -> Result<u64, Status>;

    /// What the caller's word is worth: the priority that the server sees.
    async fn priority(&self) -> Result<String, Status>;
}

struct Shop;

impl Inventory for Shop {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        sleep(Duration::from_millis(10)).await;
        Ok(1_995)
    }

    async fn priority(&self) -> Result<String, Status> {
        Ok(format!("{:?}", Context::current().priority()))
    }
}

const RULES: &str = r#"
    [server."shop.Inventory"]
    priority = "normal"                                      # nobody here is critical

    [server."shop.Inventory/price"]
    limit       = { rate = "5/s", burst = 2, key = "caller" }
    concurrency = 3
"#;

async fn client(name: &str) -> Result<InventoryClient, Status> {
    InventoryClient::builder().name(name).connect("mem://shop").await
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Status> {
    let server = Server::builder().rules(RULES).add(InventoryServer::new(Shop));
    server.listen("mem://shop").await?;
    let (anna, bert) = (client("anna").await?, client("bert").await?);
    let price = |client: &InventoryClient| {
        let client = client.clone();
        async move { client.price("A-17".into()).await }
    };

    price(&anna).await?;
    price(&anna).await?;
    let refused = price(&anna).await.unwrap_err();
    println!("{refused}");
    assert_eq!((refused.code(), refused.origin()), (Code::ResourceExhausted, Origin::Server));
    assert_eq!(refused.executed(), Executed::No);
    assert_eq!(price(&bert).await?, 1_995, "what anna has used up is hers");

    sleep(Duration::from_secs(1)).await;
    let clara = client("clara").await?;
    let calls = [&anna, &anna, &bert, &bert, &clara].map(|who| tokio::spawn(price(who)));
    let mut refused = Vec::new();
    for call in calls {
        match call.await.map_err(|error| Status::internal(error.to_string()))? {
            Ok(cents) => assert_eq!(cents, 1_995),
            Err(status) => refused.push(status),
        }
    }
    println!("{}", refused[0]);
    assert_eq!(refused.len(), 2, "three at a time");

    assert_eq!(anna.with_priority(Priority::Critical).priority().await?, "Normal");
    print!("{}", Governance::global().explain("shop.Inventory/price"));
    Ok(())
}
