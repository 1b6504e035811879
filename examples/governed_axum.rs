//! The limits are tower layers for any service: here they stand before a route of axum, which answers
//! *429* and *503* with `retry-after` to what they refuse.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use rpc_core::governance::Moment;
use rpc_core::governance::adaptive::Adaptive;
use rpc_core::governance::layer::{
    AdaptiveLayer, BoxError, ConcurrencyLayer, Failure, RateLimitLayer,
};
use rpc_core::governance::limit::RateLimited;
use rpc_core::governance::limit::concurrency::Concurrency;
use rpc_core::governance::rules::{LimitRule, Rate};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower::ServiceBuilder;

const AT_A_TIME: usize = 4;
const BURST: usize = 20;

/// A handler is done when the test lets it: then nobody has to guess how long things take.
type Gate = Arc<Semaphore>;

async fn work(State(gate): State<Gate>) -> &'static str {
    gate.acquire().await.expect("it is never closed").forget();
    "done\n"
}

/// What a layer refused, in HTTP's words.
async fn refused(error: BoxError) -> (StatusCode, HeaderMap, String) {
    let code = match error.is::<RateLimited>() {
        true => StatusCode::TOO_MANY_REQUESTS,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut headers = HeaderMap::new();
    if let Some(wait) = error.ending().retry_after() {
        let seconds = wait.as_millis().div_ceil(1000).to_string();
        headers.insert(RETRY_AFTER, seconds.parse().expect("digits are a header's value"));
    }
    (code, headers, format!("{error}\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let rate = Rate { permits: 6, per: Duration::from_secs(60) };
    let burst = u32::try_from(BURST)?;
    let rate = RateLimitLayer::new(&LimitRule { burst: Some(burst), ..LimitRule::to(rate) });
    let at_a_time = ConcurrencyLayer::new(Concurrency::new(u32::try_from(AT_A_TIME)?));
    let adaptive = Adaptive::server(Moment::at(Instant::now())).with_bounds(2, 100).with_initial(2);
    let adaptive = AdaptiveLayer::new(adaptive);

    let gate = Gate::new(Semaphore::new(0));
    // The first layer is the outermost. Routes of axum never fail, so their error, which nobody has seen
    // yet, is given a type that takes refusals; outside of the limits it becomes a response.
    let limited = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refused))
        .layer(rate.clone())
        .layer(at_a_time.clone())
        .map_err(|never: Infallible| -> BoxError { match never {} });
    let adapting = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refused))
        .layer(adaptive.clone())
        .map_err(|never: Infallible| -> BoxError { match never {} });
    let app = Router::new()
        .route("/limited", get(work).layer(limited))
        .route("/adapting", get(work).layer(adapting))
        .with_state(gate.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    println!("10 requests to a route that lets {AT_A_TIME} in at a time:");
    let seen = all_at_once(&format!("{url}/limited"), 10, 10 - AT_A_TIME, &gate).await?;
    assert_eq!(seen, [AT_A_TIME, 10 - AT_A_TIME, 0]);
    assert_eq!(at_a_time.limit().in_use(), 0);

    println!("15 more, one after the other; its burst is {BURST}:");
    gate.add_permits(15);
    let mut seen = [0; 3];
    for _ in 0..15 {
        count(&mut seen, ask(&format!("{url}/limited")).await?);
    }
    assert_eq!(seen, [BURST - 10, 0, 15 - (BURST - 10)]);
    println!(
        "  {} of {} left\n",
        rate.limiter().snapshot(Moment::at(Instant::now())).available,
        BURST
    );

    println!("5 to a route that finds its limit, and begins at 2:");
    gate.acquire_many(5).await?.forget();
    let seen = all_at_once(&format!("{url}/adapting"), 5, 3, &gate).await?;
    assert_eq!(seen, [2, 3, 0]);
    assert_eq!(adaptive.limit().in_use(), 0);

    server.abort();
    Ok(())
}

/// An answer: its status, `retry-after`, and text.
type Answer = (StatusCode, Option<String>, String);

async fn ask(url: &str) -> Result<Answer, reqwest::Error> {
    let response = reqwest::get(url).await?;
    let wait = response.headers().get(RETRY_AFTER);
    let wait = wait.and_then(|wait| wait.to_str().ok()).map(str::to_owned);
    Ok((response.status(), wait, response.text().await?))
}

/// Sends them all, and lets the handlers finish when as many as expected have been refused.
async fn all_at_once(
    url: &str,
    requests: usize,
    refusals: usize,
    gate: &Gate,
) -> Result<[usize; 3], Box<dyn Error>> {
    let mut answers = JoinSet::new();
    for _ in 0..requests {
        let url = url.to_owned();
        answers.spawn(async move { ask(&url).await });
    }
    let mut seen = [0; 3];
    let mut first = true;
    while let Some(answer) = answers.join_next().await {
        let answer = answer??;
        if std::mem::take(&mut first) {
            println!("  the first answer is {}: {}", answer.0, answer.2.trim());
        }
        count(&mut seen, answer);
        if seen[1] == refusals && seen[0] == 0 {
            gate.add_permits(requests - refusals);
        }
    }
    println!("  {} done, {} refused\n", seen[0], seen[1]);
    Ok(seen)
}

/// Counts what was done, what found no place, and what came too fast.
fn count(seen: &mut [usize; 3], (status, wait, text): Answer) {
    let kind = match status {
        StatusCode::OK => 0,
        StatusCode::SERVICE_UNAVAILABLE => 1,
        StatusCode::TOO_MANY_REQUESTS => 2,
        other => panic!("{other}: {text}"),
    };
    if kind == 2 && seen[2] == 0 {
        println!("  {status}, retry-after {wait:?}: {}", text.trim());
    }
    assert_eq!(wait.is_some(), kind != 0, "who is refused is told when to come back");
    seen[kind] += 1;
}
