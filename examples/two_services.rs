//! One server offers two services, and one channel, with one connection, leads to both.

use rpc_core::{Channel, Code, Server, Status, service};

#[service(name = "shop.Prices")]
trait Prices {
    /// Price of an article in cents.
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

#[service(name = "shop.Stock")]
trait Stock {
    /// How many there are of an article.
    async fn count(&self, sku: String) -> Result<u32, Status>;
}

/// Implements both; it could as well be two types.
#[derive(Clone)]
struct Shop;

impl Prices for Shop {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        Ok(100 * sku.len() as u64)
    }
}

impl Stock for Shop {
    async fn count(&self, _sku: String) -> Result<u32, Status> {
        Ok(3)
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder()
        .add(PricesServer::new(Shop))
        .add(StockServer::new(Shop))
        .listen("127.0.0.1:0")
        .await?;

    let channel = Channel::connect(&server.address().to_string()).await?;
    let prices = PricesClient::new(channel.clone());
    let stock = StockClient::new(channel);

    let (cents, count) = tokio::join!(prices.price("A-17".into()), stock.count("A-17".into()));
    let (cents, count) = (cents?, count?);
    println!("{count} in stock, {cents} cents each");
    assert_eq!((cents, count), (400, 3));

    // Two services of one name are refused before anything listens.
    let twice = Server::builder()
        .add(StockServer::new(Shop))
        .add(StockServer::new(Shop))
        .listen("127.0.0.1:0")
        .await;
    let refused = twice.expect_err("the name is taken");
    println!("{refused}");
    assert_eq!(refused.code(), Code::AlreadyExists);
    Ok(())
}
