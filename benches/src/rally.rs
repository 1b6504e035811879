//! Callers that keep a note going.

use std::time::Duration;

use rpc_core::Status;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{Echo, EchoClient, Note};

/// Makes about `calls` calls, from so many tasks that each have one in flight, and tells how long that
/// many took. Each task sends back what it gets.
///
/// # Errors
/// That of the first call which fails.
pub async fn rally(
    client: &EchoClient,
    tasks: u64,
    calls: u64,
    payload_bytes: usize,
) -> Result<Duration, Status> {
    let each = calls.div_ceil(tasks).max(1);
    let mut players = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..tasks {
        let client = client.clone();
        players.spawn(async move {
            let mut note = Note::new(0, payload_bytes);
            for _ in 0..each {
                note = client.echo(note).await?;
            }
            Ok::<_, Status>(note)
        });
    }
    while let Some(player) = players.join_next().await {
        let note = player.map_err(|error| Status::internal(error.to_string()))??;
        assert_eq!(note.payload.len(), payload_bytes, "an echo is the same");
    }
    Ok(begun.elapsed().mul_f64(calls as f64 / (each * tasks) as f64))
}
