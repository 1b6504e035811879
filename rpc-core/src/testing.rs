//! For tests, a user's as well as this crate's: a network in memory with faults at a seed's
//! command.
//!
//! Paused time is tokio's: it wants `tokio = { version = "1", features = ["test-util"] }` under
//! `[dev-dependencies]`.
//!
//! Together with tokio's paused time (`#[tokio::test(start_paused = true)]`) a test of timeouts,
//! lost servers or slow links runs in no time and always the same.
//!
//! ```
//! use std::time::Duration;
//! use rpc_core::testing::Network;
//! use rpc_core::{Code, Server, Status, service};
//!
//! #[service]
//! trait Greeter {
//!     async fn greet(&self, who: String) -> Result<String, Status>;
//! }
//!
//! struct Polite;
//! impl Greeter for Polite {
//!     async fn greet(&self, who: String) -> Result<String, Status> {
//!         Ok(format!("hello {who}"))
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() -> Result<(), Status> {
//!     let net = Network::new();
//!     let listener = net.listen("a").map_err(|error| Status::internal(error.to_string()))?;
//!     Server::builder().add(GreeterServer::new(Polite)).listen_on(listener).await?;
//!     let greeter = GreeterClient::builder().network(&net).connect("mem://a").await?;
//!     assert_eq!(greeter.greet("you".into()).await?, "hello you");
//!
//!     net.stall("a"); // a pulled cable
//!     let status = greeter.with_timeout(Duration::from_secs(1)).greet("you".into()).await;
//!     assert_eq!(status.unwrap_err().code(), Code::DeadlineExceeded);
//!     Ok(())
//! }
//! ```

pub use crate::transport::{MemoryListener, Network};
