//! A deadline that is set once holds everywhere: what is left of it travels on with every call made
//! from inside a handler, and nobody works for a caller who has gone.

use std::time::Duration;

use rpc_core::{Code, Context, Server, Status, service};

const SECOND: Duration = Duration::from_secs(1);

#[service(name = "shop.Checkout")]
trait Checkout {
    /// Pays for an order; returns how long the bank was given.
    async fn pay(&self) -> Result<Duration, Status>;
}

#[service(name = "bank.Cards")]
trait Cards {
    /// Charges a card; returns how long it could have taken.
    async fn charge(&self) -> Result<Duration, Status>;

    /// Never returns. Its own limit is an hour.
    #[rpc(idempotent, timeout = "1h")]
    async fn dispute(&self) -> Result<(), Status>;
}

/// The first hop: calls the second without a word about time.
struct Shop {
    cards: CardsClient,
}

impl Checkout for Shop {
    async fn pay(&self) -> Result<Duration, Status> {
        self.cards.charge().await
    }
}

/// The second hop.
struct Bank;

impl Cards for Bank {
    async fn charge(&self) -> Result<Duration, Status> {
        Context::current().time_left().ok_or_else(|| Status::internal("calls have deadlines"))
    }

    async fn dispute(&self) -> Result<(), Status> {
        std::future::pending().await
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let bank = Server::builder().add(CardsServer::new(Bank)).listen("127.0.0.1:0").await?;
    let cards = CardsClient::connect(&bank.address().to_string()).await?;
    let shop = Shop { cards: cards.clone() };
    let shop = Server::builder().add(CheckoutServer::new(shop)).listen("127.0.0.1:0").await?;
    let checkout = CheckoutClient::connect(&shop.address().to_string()).await?;

    // Through two hops: the bank is given what is left of the second, not its own 10.
    let given = checkout.with_timeout(SECOND).pay().await?;
    println!("the caller gave 1 s, the bank got {given:?} of it");
    assert!(given < SECOND);

    // Without a timeout of the call's own the method's holds, or 10 s.
    let given = cards.charge().await?;
    println!("nobody said anything, the bank got {given:?}");
    assert!(given > SECOND && given <= 10 * SECOND);

    // A caller does not wait longer than it said, whatever the other end does.
    let late = cards.with_timeout(SECOND / 10).dispute().await.expect_err("it never answers");
    println!("{late}");
    assert_eq!(late.code(), Code::DeadlineExceeded);
    Ok(())
}
