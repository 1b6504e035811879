//! Dropping a call cancels it on the server. A handler that may be stopped anywhere is dropped; any
//! other runs to its end, and can look whether anyone still waits.

use std::sync::Arc;
use std::time::Duration;

use rpc_core::{Context, Server, Status, service};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What a busy machine may take for what takes none.
const PATIENCE: Duration = Duration::from_secs(5);

#[service(name = "shop.Reports")]
trait Reports {
    /// Reads only: the framework may drop it.
    #[rpc(idempotent)]
    async fn search(&self) -> Result<(), Status>;

    /// Writes: must not stop between debit and credit.
    async fn transfer(&self) -> Result<(), Status>;
}

/// Tells what happens to its handlers.
struct Office {
    events: mpsc::Sender<&'static str>,
}

impl Office {
    async fn tell(&self, event: &'static str) -> Result<(), Status> {
        self.events.send(event).await.map_err(|_| Status::cancelled("nobody listens"))
    }
}

impl Reports for Office {
    async fn search(&self) -> Result<(), Status> {
        let _guard = TellsWhenDropped(self.events.clone());
        self.tell("search runs").await?;
        std::future::pending().await
    }

    async fn transfer(&self) -> Result<(), Status> {
        self.tell("transfer runs").await?;
        // It is told, and decides for itself what to do about it.
        Context::current().cancelled().await;
        self.tell("transfer knows that nobody waits").await?;
        self.tell("transfer has come to its end").await
    }
}

struct TellsWhenDropped(mpsc::Sender<&'static str>);

impl Drop for TellsWhenDropped {
    fn drop(&mut self) {
        // There is room for all events of this program.
        let _ = self.0.try_send("search was dropped");
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let (events, mut happened) = mpsc::channel(16);
    let office = Arc::new(Office { events });
    let server =
        Server::builder().add(ReportsServer::from_arc(office)).listen("127.0.0.1:0").await?;
    let reports = ReportsClient::connect(&server.address().to_string()).await?;

    let mut next = async || {
        let event = timeout(PATIENCE, happened.recv()).await.ok().flatten();
        println!("{}", event.unwrap_or("nothing happened"));
        event
    };

    // `select!` drops the call as soon as the other branch is ready.
    tokio::select! {
        _ = reports.search() => unreachable!("it never answers"),
        event = next() => assert_eq!(event, Some("search runs")),
    }
    assert_eq!(next().await, Some("search was dropped"));

    tokio::select! {
        _ = reports.transfer() => unreachable!("nothing has cancelled it yet"),
        event = next() => assert_eq!(event, Some("transfer runs")),
    }
    assert_eq!(next().await, Some("transfer knows that nobody waits"));
    assert_eq!(next().await, Some("transfer has come to its end"));
    Ok(())
}
