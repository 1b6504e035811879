//! What travels beside arguments and answers, and the context in which a handler finds it.

use rpc_core::{CallReport, Context, Server, Status, service};

#[service(name = "shop.Prices")]
trait Prices {
    /// Price of an article in cents, in the currency of the caller's tenant.
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

struct Shop;

impl Prices for Shop {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        look_up().await
    }
}

/// No parameter leads here: the context is that of the call being served.
async fn look_up() -> Result<u64, Status> {
    let call = Context::current();
    println!(
        "{} asks for {} with {:?} left",
        call.peer().name(),
        call.method(),
        call.time_left().unwrap_or_default(),
    );
    let (cents, currency) = match call.metadata().get("tenant") {
        Some("eu") => (1999, "EUR"),
        Some("us") => (2199, "USD"),
        other => return Err(Status::invalid_argument(format!("unknown tenant {other:?}"))),
    };
    call.set_reply_metadata("currency", currency)
        .map_err(|error| Status::internal(error.to_string()))?;
    Ok(cents)
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().add(PricesServer::new(Shop)).listen("127.0.0.1:0").await?;
    let address = server.address().to_string();
    let prices = PricesClient::builder().name("checkout-1").connect(&address).await?;

    let report = CallReport::new();
    let american = prices.with_metadata("tenant", "us").with_report(&report);
    let cents = american.price("A-17".into()).await?;
    let metadata = report.metadata();
    println!("{cents} cents, {:?}", metadata.get("currency"));
    assert_eq!((cents, metadata.get("currency")), (2199, Some("USD")));

    // The client it was made from says nothing of a tenant.
    let refused = prices.price("A-17".into()).await.expect_err("there is no tenant");
    println!("{refused}");
    assert_eq!(refused.message(), "unknown tenant None");
    Ok(())
}
