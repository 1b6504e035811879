//! The layers are for any client too: here reqwest calls a server that is down for a while, behind a
//! fallback, a time limit, a breaker, and retries within a budget.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::http::{self, StatusCode};
use axum::routing::get;
use reqwest::{Method, Request, Response, Url};
use rpc_core::governance::Moment;
use rpc_core::governance::breaker::State;
use rpc_core::governance::layer::{
    BoxError, BreakerLayer, Ending, Failure, FallbackLayer, RetryLayer, TimeoutLayer,
};
use rpc_core::governance::outcome::Outcome;
use rpc_core::governance::retry::{Budget, BudgetSettings};
use rpc_core::governance::rules::{BreakerRule, RetryRule};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt};

/// Marks what the fallback answered.
const DEGRADED: &str = "x-degraded";

/// What the end of an HTTP call says of the server.
fn classify(end: Result<&Response, &BoxError>) -> Ending {
    match end {
        Err(error) => error.ending(), // a time limit, a refusal, a lost connection
        Ok(response) => match response.status() {
            StatusCode::SERVICE_UNAVAILABLE => Ending::new(Outcome::ServerFault).worth_retrying(),
            status if status.is_server_error() => Ending::new(Outcome::ServerFault),
            status if status.is_client_error() => Ending::new(Outcome::BusinessError),
            _ => Ending::new(Outcome::Success),
        },
    }
}

/// A request that may be sent twice.
fn clone_of_get(request: &Request) -> Option<Request> {
    if request.method() == Method::GET { request.try_clone() } else { None }
}

/// What is answered when there is no answer.
async fn list_price(
    path: String,
    instead_of: Result<Response, BoxError>,
) -> Result<Response, BoxError> {
    let reason = match instead_of {
        Ok(response) => response.status().to_string(),
        Err(refusal) => refusal.to_string(),
    };
    println!("  fallback for {path}: {reason}");
    let answer = http::Response::builder().header(DEGRADED, "list price").body("100")?;
    Ok(answer.into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let (server, shop) = serve().await?;
    let price = Url::parse(&format!("{server}/price"))?;

    let opens_at_three = BreakerRule {
        consecutive: Some(3),
        open: Duration::from_millis(1500),
        max_open: Duration::from_millis(1500),
        ..BreakerRule::DEFAULT
    };
    let twice = RetryRule { attempts: 2, ..RetryRule::DEFAULT };
    let budget = Arc::new(Budget::new(BudgetSettings::DEFAULT, now()));
    let fallback =
        FallbackLayer::new(|request: &Request| request.url().path().to_owned(), list_price)
            .with_classify(classify);
    let breaker = BreakerLayer::new(&opens_at_three).with_classify(classify);
    let retry = RetryLayer::new(twice, budget.clone())
        .idempotent()
        .with_clone(clone_of_get)
        .with_classify(classify);

    // The first layer is the outermost. reqwest's error takes no refusals, so it is put into a box.
    let client = ServiceBuilder::new()
        .layer(fallback.clone())
        .layer(TimeoutLayer::new(Duration::from_secs(4)))
        .layer(breaker.clone())
        .layer(retry)
        .layer(TimeoutLayer::new(Duration::from_secs(2)))
        .map_err(BoxError::from)
        .service(reqwest::Client::new());
    let ask = async || -> Result<(String, bool), BoxError> {
        let request = Request::new(Method::GET, price.clone());
        let response = client.clone().oneshot(request).await?;
        let is_degraded = response.headers().contains_key(DEGRADED);
        Ok((response.text().await?, is_degraded))
    };

    println!("The shop is up:");
    assert_eq!(ask().await?, ("97".to_owned(), false));
    println!("  97\n");

    println!("It is down. Each call is tried twice, and answered otherwise:");
    shop.is_down.store(true, SeqCst);
    for _ in 0..3 {
        assert_eq!(ask().await?, ("100".to_owned(), true));
    }
    assert_eq!(shop.asked.load(SeqCst), 1 + 3 * 2);
    let opened = breaker.breaker().transitions_after(0).pop().expect("it is open now");
    println!("  {opened}\n");
    assert_eq!(opened.to, State::Open);

    println!("Nobody asks it any more:");
    for _ in 0..5 {
        assert_eq!(ask().await?, ("100".to_owned(), true));
    }
    assert_eq!(shop.asked.load(SeqCst), 1 + 3 * 2, "it is left alone");

    println!("\nIt is up again, and after a while one call tries:");
    shop.is_down.store(false, SeqCst);
    while breaker.breaker().state(now()) == State::Open {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while breaker.breaker().state(now()) != State::Closed {
        assert_eq!(ask().await?, ("97".to_owned(), false));
    }
    for transition in breaker.breaker().transitions_after(opened.number) {
        println!("  {transition}");
    }
    assert_eq!(ask().await?, ("97".to_owned(), false));

    let counts = fallback.degradations();
    println!(
        "\n{} answers were degraded, {} retries are left",
        counts.answered(),
        budget.balance(now())
    );
    assert_eq!((counts.answered(), counts.failed()), (8, 0));
    Ok(())
}

fn now() -> Moment {
    Moment::at(Instant::now())
}

#[derive(Default)]
struct Shop {
    is_down: AtomicBool,
    asked: AtomicUsize,
}

/// A server of axum that can be switched off.
async fn serve() -> Result<(String, Arc<Shop>), BoxError> {
    let shop = Arc::new(Shop::default());
    let price = {
        let shop = shop.clone();
        move || {
            shop.asked.fetch_add(1, SeqCst);
            std::future::ready(match shop.is_down.load(SeqCst) {
                true => Err(StatusCode::SERVICE_UNAVAILABLE),
                false => Ok("97"),
            })
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/price", get(price));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((format!("http://{address}"), shop))
}
