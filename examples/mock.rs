//! Whoever takes `impl Prices` can't tell a server from a mock, and a cache is one more
//! implementation of the trait.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rpc_core::{Server, Status, service};

#[service(name = "shop.Prices")]
trait Prices {
    /// Price of an article in cents.
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

/// What is to be tested: it takes anything that has prices.
async fn total(prices: &impl Prices, basket: &[&str]) -> Result<u64, Status> {
    let mut total = 0;
    for sku in basket {
        total += prices.price((*sku).to_owned()).await?;
    }
    Ok(total)
}

/// A mock: a closure would do as well.
#[derive(Default)]
struct Mock {
    asked: AtomicUsize,
}

impl Prices for Mock {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match sku.as_str() {
            "A-17" => Ok(500),
            "B-02" => Ok(250),
            _ => Err(Status::not_found(format!("no article `{sku}`"))),
        }
    }
}

/// Middleware with types: remembers the answers of whatever stands behind it.
struct Cached<P> {
    inner: P,
    known: Mutex<HashMap<String, u64>>,
}

impl<P> Cached<P> {
    fn new(inner: P) -> Self {
        Self { inner, known: Mutex::default() }
    }

    fn known(&self, sku: &str) -> Option<u64> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(sku).copied()
    }
}

impl<P: Prices> Prices for Cached<P> {
    async fn price(&self, sku: String) -> Result<u64, Status> {
        if let Some(cents) = self.known(&sku) {
            return Ok(cents);
        }
        let cents = self.inner.price(sku.clone()).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(sku, cents);
        Ok(cents)
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let basket = ["A-17", "B-02", "A-17", "A-17"];

    // Without a server at all ..
    let mock = Arc::new(Mock::default());
    assert_eq!(total(&mock, &basket).await?, 1750);
    assert_eq!(mock.asked.load(Ordering::SeqCst), 4);

    // .. through a server, in front of the same mock ..
    let server =
        Server::builder().add(PricesServer::from_arc(mock.clone())).listen("127.0.0.1:0").await?;
    let client = PricesClient::connect(&server.address().to_string()).await?;
    assert_eq!(total(&client, &basket).await?, 1750);
    assert_eq!(mock.asked.load(Ordering::SeqCst), 8);

    // .. and with a cache in front of the client: the code that asks is the same.
    let cached = Cached::new(client);
    assert_eq!(total(&cached, &basket).await?, 1750);
    assert_eq!(mock.asked.load(Ordering::SeqCst), 10);

    // One of them, chosen while the program runs.
    let chosen: Arc<dyn prices::Dyn> = Arc::new(cached);
    assert_eq!(total(&chosen, &basket).await?, 1750);
    assert_eq!(mock.asked.load(Ordering::SeqCst), 10);

    println!("1750 cents, whoever was asked; the mock was asked 10 times for 16 prices");
    Ok(())
}
