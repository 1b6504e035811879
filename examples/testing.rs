//! A service under test, in memory and on paused time: a server that hangs, a cable that is cut and
//! ten minutes of waiting take a few milliseconds, and always the same.
//!
//! In a real project each of the functions below is a `#[tokio::test(start_paused = true)]`.

use std::time::Duration;

use rpc_core::testing::Network;
use rpc_core::{Code, Executed, Server, Status, service};
use tokio::time::Instant;

#[service(name = "shop.Prices")]
trait Prices {
    /// Price of an article in cents.
    async fn price(&self, sku: String) -> Result<u64, Status>;

    /// Works out all prices anew, which takes five minutes.
    #[rpc(timeout = "10m")]
    async fn refresh(&self) -> Result<(), Status>;
}

struct Shop;

impl Prices for Shop {
    async fn price(&self, _sku: String) -> Result<u64, Status> {
        Ok(1999)
    }

    async fn refresh(&self) -> Result<(), Status> {
        tokio::time::sleep(Duration::from_secs(300)).await;
        Ok(())
    }
}

/// A network of one's own, a server named `a` on it, and a client.
async fn shop() -> Result<(Network, PricesClient), Status> {
    let net = Network::new();
    let listener = net.listen("a").map_err(|error| Status::internal(error.to_string()))?;
    Server::builder().add(PricesServer::new(Shop)).listen_on(listener).await?;
    let prices = PricesClient::builder().network(&net).connect("mem://a").await?;
    Ok((net, prices))
}

async fn five_minutes_pass_at_once() -> Result<(), Status> {
    let (_net, prices) = shop().await?;
    let begun = Instant::now();
    prices.refresh().await?;
    assert_eq!(begun.elapsed().as_secs(), 300);
    Ok(())
}

async fn a_slow_link_costs_a_round_trip() -> Result<(), Status> {
    let (net, prices) = shop().await?;
    net.set_latency(Duration::from_millis(40));
    let begun = Instant::now();
    prices.price("A-17".into()).await?;
    assert_eq!(begun.elapsed().as_millis(), 80);
    Ok(())
}

async fn a_pulled_cable_ends_in_a_deadline() -> Result<(), Status> {
    let (net, prices) = shop().await?;
    prices.ready().await?;
    net.stall("a");
    let status = prices.with_timeout(Duration::from_secs(2)).price("A-17".into()).await;
    assert_eq!(status.map_err(|status| status.code()), Err(Code::DeadlineExceeded));
    Ok(())
}

async fn a_killed_server_ends_its_calls() -> Result<(), Status> {
    let (net, prices) = shop().await?;
    prices.ready().await?;
    let call = tokio::spawn({
        let prices = prices.clone();
        async move { prices.refresh().await }
    });
    // On paused time this returns once everything else waits: the call is with its handler.
    tokio::time::sleep(Duration::from_secs(1)).await;
    net.cut("a");
    let status = call.await.map_err(|error| Status::internal(error.to_string()))?;
    let status = status.expect_err("the server is gone");
    assert_eq!((status.code(), status.executed()), (Code::Unavailable, Executed::Maybe));

    // A server is on the network still, and the client comes back to it by itself.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(prices.price("A-17".into()).await?, 1999);
    Ok(())
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Status> {
    five_minutes_pass_at_once().await?;
    a_slow_link_costs_a_round_trip().await?;
    a_pulled_cable_ends_in_a_deadline().await?;
    a_killed_server_ends_its_calls().await?;
    println!("four tests, 304 s and a bit of waiting among them, are done");
    Ok(())
}
