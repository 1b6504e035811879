//! A server's process: serves until its standard input ends, so that it can't outlive whoever
//! started it, and then finishes what it has begun.

use std::io::Read;
use std::time::Duration;

use examples::rates::{Bank, RatesServer};
use rpc_core::Server;
use tokio::sync::oneshot;

use super::outage::{Database, Fragile, OutageServer};

pub(crate) async fn run(name: &str, slow_ms: &str) -> Result<(), String> {
    let delay = slow_ms.parse().map(Duration::from_millis).map_err(|error| error.to_string())?;
    let database = Database::default();
    let bank = Bank::new(name).with_delay(delay);
    let server = Server::builder()
        .add(RatesServer::new(Fragile { bank, database: database.clone() }))
        .add(OutageServer::new(database))
        .name(name)
        .listen("127.0.0.1:0")
        .await
        .map_err(|status| status.to_string())?;
    println!("{}", server.address());

    input_ended().await;
    server.drain().await;
    Ok(())
}

/// A thread of its own, since reading standard input can't be cancelled.
async fn input_ended() {
    let (ended, wait) = oneshot::channel();
    std::thread::spawn(move || {
        // Whatever ends it, it has ended.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = ended.send(());
    });
    let _ = wait.await;
}
