//! What fuzzing has found to be different so far, once more through whole connections.

#![cfg(feature = "lz4")]

#[path = "../../fuzz/src/connection.rs"]
#[allow(unreachable_pub, reason = "the fuzz package has them in its library")]
mod connection;
#[path = "../../fuzz/src/replay.rs"]
mod replay;

#[test]
fn whole_connections_hold_their_laws_for_the_whole_corpus() {
    replay::all(connection::TARGETS);
}
