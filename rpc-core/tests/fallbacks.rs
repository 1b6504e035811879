//! What a caller gets where a call fails and the service or the caller has something else to answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rpc_core::client::{Client, Stub, unary};
use rpc_core::format::MessagePack;
use rpc_core::governance::outcome::Outcome;
use rpc_core::{AppError, CallReport, Code, Error, Origin, Server, Status, service};
use serde::{Deserialize, Serialize};

#[service]
trait Prices {
    #[rpc(fallback = last_known)]
    async fn price(&self, sku: String) -> Result<u64, Status>;

    #[rpc(fallback = "default")]
    async fn related(&self, sku: String) -> Result<Vec<String>, Status>;

    #[rpc(fallback = sold_out)]
    async fn reserve(&self, sku: String) -> Result<u64, Error<SoldOut>>;

    async fn plain(&self, sku: String) -> Result<u64, Status>;

    #[rpc(fallback = last_known, classify = not_my_business)]
    async fn lenient(&self, sku: String) -> Result<u64, Status>;

    #[rpc(fallback = "off")]
    async fn strict(&self, sku: String) -> Result<u64, Status>;
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
#[error("sold out")]
struct SoldOut;

impl AppError for SoldOut {}

async fn last_known(why: &Status, sku: String) -> Result<u64, Status> {
    tokio::task::yield_now().await;
    match sku.as_str() {
        "never seen" => Err(Status::not_found("no stale price")),
        "declined" => Err(why.clone()),
        sku => Ok(sku.len() as u64),
    }
}

async fn sold_out(_: &Status, sku: String) -> Result<u64, Error<SoldOut>> {
    match sku.as_str() {
        "sold" => Err(Error::App(SoldOut)),
        _ => Err(Error::Status(Status::data_loss("the cache is corrupt"))),
    }
}

fn not_my_business(status: &Status) -> Option<Outcome> {
    (status.code() == Code::Unavailable).then_some(Outcome::BusinessError)
}

/// Answers everything the same way.
struct Always(fn() -> Status, Arc<AtomicUsize>);

impl Always {
    fn failing(how: fn() -> Status) -> Self {
        Self(how, Arc::default())
    }

    fn fail<T>(&self) -> Result<T, Status> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Err(self.0())
    }
}

impl Prices for Always {
    async fn price(&self, _: String) -> Result<u64, Status> {
        self.fail()
    }

    async fn related(&self, _: String) -> Result<Vec<String>, Status> {
        self.fail()
    }

    async fn reserve(&self, _: String) -> Result<u64, Error<SoldOut>> {
        Ok(self.fail()?)
    }

    async fn plain(&self, _: String) -> Result<u64, Status> {
        self.fail()
    }

    async fn lenient(&self, _: String) -> Result<u64, Status> {
        self.fail()
    }

    async fn strict(&self, _: String) -> Result<u64, Status> {
        self.fail()
    }
}

/// The caller's own, with a state.
struct Shelf(u64);

impl Prices for Shelf {
    async fn price(&self, _: String) -> Result<u64, Status> {
        Ok(self.0)
    }

    async fn related(&self, sku: String) -> Result<Vec<String>, Status> {
        Ok(vec![sku])
    }

    async fn reserve(&self, _: String) -> Result<u64, Error<SoldOut>> {
        Ok(self.0)
    }

    async fn plain(&self, _: String) -> Result<u64, Status> {
        Ok(self.0)
    }

    async fn lenient(&self, _: String) -> Result<u64, Status> {
        Ok(self.0)
    }

    async fn strict(&self, _: String) -> Result<u64, Status> {
        Ok(self.0)
    }
}

/// A client of a server whose handlers all end like this.
async fn calling(name: &str, how: fn() -> Status) -> PricesClient {
    let address = format!("mem://fallbacks-{name}");
    let server = Server::builder()
        .add(PricesServer::new(Always::failing(how)))
        .listen(&address)
        .await
        .expect("a free name");
    PricesClient::connect(&server.address().to_string()).await.expect("a good address")
}

#[tokio::test]
async fn the_named_function_answers_and_the_answer_is_marked() -> Result<(), Status> {
    let client = calling("function", || Status::unavailable("down")).await;
    let report = CallReport::new();
    assert_eq!(client.with_report(&report).price("A-17".into()).await?, 4);
    assert!(report.is_degraded(), "it can't pass for a real answer");
    assert_eq!(report.attempts(), 1, "what the call went through is still told");
    Ok(())
}

#[tokio::test]
async fn the_call_is_counted_as_it_ended() -> Result<(), Status> {
    let client = calling("counted", || Status::unavailable("down")).await;
    client.price("A-17".into()).await?;
    let stats = client.channel().stats();
    let price = stats.iter().find(|method| method.method() == "Prices/price").expect("counted");
    assert_eq!(price.count(Outcome::ServerFault), 1, "an outage stays an outage");
    assert_eq!(price.count(Outcome::Success), 0);
    Ok(())
}

#[tokio::test]
async fn a_default_answers() -> Result<(), Status> {
    let client = calling("default", || Status::internal("bug")).await;
    assert_eq!(client.related("A-17".into()).await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn the_callers_own_goes_before_the_attributes() -> Result<(), Status> {
    let client = calling("own", || Status::unavailable("down")).await;
    let own = client.with_fallback(Shelf(7));
    let report = CallReport::new();
    assert_eq!(own.with_report(&report).price("A-17".into()).await?, 7);
    assert!(report.is_degraded());
    assert_eq!(own.with_timeout(Duration::from_secs(5)).plain("A-17".into()).await?, 7);
    assert_eq!(own.related("A-17".into()).await?, ["A-17"]);
    assert_eq!(client.price("A-17".into()).await?, 4, "the first client has none of its own");
    assert_eq!(client.plain("A-17".into()).await.expect_err("no fallback").message(), "down");
    Ok(())
}

#[tokio::test]
async fn a_fallback_that_is_off_is_off() {
    let client = calling("off", || Status::unavailable("down")).await.with_fallback(Shelf(7));
    assert_eq!(client.strict("A-17".into()).await.expect_err("off").message(), "down");
}

#[tokio::test]
async fn an_object_and_another_client_stand_by_as_well() -> Result<(), Status> {
    let client = calling("objects", || Status::unavailable("down")).await;
    let object: Arc<dyn prices::Dyn> = Arc::new(Shelf(7));
    assert_eq!(client.with_fallback(object).plain("x".into()).await?, 7);
    let elsewhere = calling("elsewhere", || Status::unavailable("down there")).await;
    let elsewhere = elsewhere.with_fallback(Shelf(8));
    assert_eq!(client.with_fallback(elsewhere).plain("x".into()).await?, 8);
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reason() -> Result<(), Status> {
    let client = PricesClient::connect("mem://fallbacks-nobody-listens").await?;
    assert_eq!(client.price("A-17".into()).await?, 4);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn no_time_left_is_a_reason_and_the_fallback_has_its_own() -> Result<(), Status> {
    let client = calling("deadline", || Status::unavailable("down")).await;
    assert_eq!(client.with_timeout(Duration::ZERO).price("A-17".into()).await?, 4);
    Ok(())
}

#[tokio::test]
async fn business_errors_and_cancelled_calls_are_none() {
    for (name, how) in [
        ("missing", (|| Status::not_found("no such article")) as fn() -> Status),
        ("bad", || Status::invalid_argument("no")),
        ("cancelled", || Status::cancelled("gone")),
    ] {
        let client = calling(name, how).await.with_fallback(Shelf(7));
        let report = CallReport::new();
        let status = client.with_report(&report).price("A-17".into()).await.expect_err(name);
        assert_eq!(status.code(), how().code());
        assert!(!report.is_degraded());
    }
}

#[tokio::test]
async fn a_method_can_say_what_is_its_business() {
    let client = calling("lenient", || Status::unavailable("closed on sundays")).await;
    let status = client.lenient("A-17".into()).await.expect_err("a business error");
    assert_eq!(status.message(), "closed on sundays");
}

#[tokio::test]
async fn mistakes_of_the_caller_are_none() {
    let client = calling("mistakes", || Status::unavailable("down")).await;
    let client = client.with_fallback(Shelf(7)).with_format("morse");
    let status = client.price("A-17".into()).await.expect_err("no such format");
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_fallback_that_fails_is_told_beside_the_failure() {
    let client = calling("fails", || Status::unavailable("down")).await;
    let report = CallReport::new();
    let status = client.with_report(&report).price("never seen".into()).await.expect_err("both");
    assert_eq!((status.code(), status.origin()), (Code::Unavailable, Origin::Handler));
    assert_eq!(
        status.message(),
        "down; its fallback failed too: not found: no stale price",
        "an outage never looks like a missing article"
    );
    assert!(!report.is_degraded());
}

#[tokio::test]
async fn a_fallback_may_decline() {
    let client = calling("declines", || Status::unavailable("down")).await;
    let status = client.price("declined".into()).await.expect_err("no answer");
    assert_eq!(status.message(), "down");
}

#[tokio::test]
async fn a_fallback_may_say_no_in_the_methods_own_words() {
    let client = calling("typed", || Status::unavailable("down")).await;
    let report = CallReport::new();
    let sold = client.with_report(&report).reserve("sold".into()).await;
    assert!(matches!(sold, Err(Error::App(SoldOut))));
    assert!(report.is_degraded());

    let lost = client.reserve("lost".into()).await.expect_err("both failed");
    let status = lost.as_status().expect("the call's own status");
    assert_eq!(status.message(), "down; its fallback failed too: data loss: the cache is corrupt");
}

#[tokio::test]
async fn a_dropped_call_asks_nobody() {
    let client = PricesClient::connect("mem://fallbacks-dropped").await.expect("an address");
    let calls = Arc::new(AtomicUsize::new(0));
    let own = client.with_fallback(Always(|| Status::unavailable("x"), calls.clone()));
    drop(own.price("A-17".into()));
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_call_that_needs_no_fallback_has_no_room_for_one() {
    #[derive(Serialize, Deserialize)]
    struct Args {
        sku: String,
    }
    let client = PricesClient::connect("mem://fallbacks-size").await.expect("an address");
    let stub = Stub::new(client.channel().clone(), PricesClient::METHODS);
    let args = Args { sku: "x".into() };
    let bare = unary::<(MessagePack,), Args, Result<u64, Status>>(&stub, 0, args);
    let word = size_of::<usize>();
    assert!(size_of_val(&client.price("x".into())) <= size_of_val(&bare) + word, "named");
    assert!(size_of_val(&client.plain("x".into())) <= size_of_val(&bare) + word, "none");
}
