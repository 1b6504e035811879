//! What to answer when a call fails: a function, a default, or another implementation of the same
//! trait. Such an answer is marked, so that it can't hide an outage.

use rpc_core::governance::outcome::{Degradation, Outcome};
use rpc_core::{CallReport, Code, Server, Status, service};

#[service(name = "shop.Inventory")]
trait Inventory {
    /// Price of an article in cents.
    #[rpc(idempotent, fallback = list_price)]
    async fn price(&self, sku: String) -> Result<u64, Status>;

    /// What others bought; none if nobody knows.
    #[rpc(idempotent, fallback = "default")]
    async fn related(&self, sku: String) -> Result<Vec<String>, Status>;
}

/// The reason, then the arguments of the method. To have no answer, return the reason.
async fn list_price(why: &Status, sku: String) -> Result<u64, Status> {
    println!("  asked for a price of {sku}, because: {why}");
    match sku.as_str() {
        "A-17" => Ok(2_500),
        _ => Err(why.clone()),
    }
}

/// A server that is down.
struct Down;

impl Inventory for Down {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        match sku.as_str() {
            "" => Err(Status::invalid_argument("an article has a name")),
            _ => Err(Status::unavailable("the database is down")),
        }
    }

    async fn related(&self, _sku: String) -> Result<Vec<String>, Status> {
        Err(Status::unavailable("the database is down"))
    }
}

/// The consumer's own: it has whatever state it wants.
struct Cache(u64);

impl Inventory for Cache {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        Ok(self.0)
    }

    async fn related(&self, _sku: String) -> Result<Vec<String>, Status> {
        Ok(vec!["B-4".into()])
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().add(InventoryServer::new(Down)).listen("127.0.0.1:0").await?;
    let shop = InventoryClient::connect(&server.address().to_string()).await?;

    let report = CallReport::new();
    let cents = shop.with_report(&report).price("A-17".into()).await?;
    println!("{cents} cents, degraded: {}", report.is_degraded());
    assert!(cents == 2_500 && report.is_degraded());
    assert_eq!(shop.related("A-17".into()).await?, Vec::<String>::new());

    // An error that blames the caller is an answer: nothing else is asked.
    let refused = shop.price(String::new()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    // A fallback that has no answer either leaves the caller with the call's own failure.
    let failed = shop.price("B-4".into()).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable);

    // An implementation goes before what the attribute has.
    let cached = shop.with_fallback(Cache(1_995));
    assert_eq!(cached.price("A-17".into()).await?, 1_995);
    assert_eq!(cached.related("A-17".into()).await?, ["B-4"]);

    // The calls themselves are counted as what they were.
    let stats = shop.channel().stats();
    let price =
        stats.iter().find(|stats| stats.method().ends_with("price")).expect("it was called");
    let (failed, degraded) =
        (price.count(Outcome::ServerFault), price.degraded(Degradation::Answered));
    println!("{failed} calls failed, of which {degraded} were answered all the same");
    assert_eq!((failed, degraded), (3, 2));
    Ok(())
}
