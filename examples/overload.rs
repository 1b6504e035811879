//! What becomes of a server that is asked for more than it can do, over TCP on this machine: without a
//! limit, with one that somebody guessed, and with one that finds its own width.
//!
//! `cargo run --release -p examples --example overload` takes some twenty seconds. Calls compute there;
//! with `-- waits` they wait for something else, and the processors are idle. Then an adaptive limit of
//! a server refuses nothing, as the CPU is what it watches.

#[path = "../rpc-core/tests/overload/load.rs"]
mod load;

use std::time::Duration;

use load::{PATIENCE, Setup, Work, modes};
use rpc_core::Status;

const PHASE: Duration = Duration::from_millis(1_500);
const RECOVERY: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Status> {
    let waits = std::env::args().any(|argument| argument == "waits");
    let work = if waits { Work::Waits } else { Work::computes() };
    let setup = Setup::new(work, "").await?;
    let unloaded = setup.callers(work.workers().div_ceil(2), PHASE / 2).await;
    let calm = setup.callers(work.workers(), PHASE / 2).await;
    setup.end().await;
    let (capacity, p99) = (calm.goodput(), unloaded.p99());
    println!("capacity {capacity:.0}/s, unloaded p99 {p99:.1?}, callers wait {PATIENCE:?}\n");
    println!("limit      load  goodput   of it  p99 answered  refused   late  failed");
    for (name, rules) in modes(work) {
        let setup = Setup::new(work, &rules).await?;
        // Calm at first: who has only seen overload takes the queue for the work.
        setup.callers(1, PHASE / 3).await;
        for times in [1.0, 2.0, 5.0] {
            let outcome = setup.offer(times * capacity, PHASE).await;
            println!(
                "{name:<9} {times:>4}x {:>6.0}/s {:>6.0}% {:>6.1?} {:>4.1}x {:>8} {:>6} {:>7}",
                outcome.goodput(),
                100.0 * outcome.goodput() / capacity,
                outcome.p99(),
                outcome.p99().as_secs_f64() / p99.as_secs_f64(),
                outcome.refused,
                outcome.late,
                outcome.failed,
            );
        }
        match setup.recovery(capacity, RECOVERY).await {
            Some(after) => println!("{name:<9} answers nearly all at half load after {after:.2?}"),
            None => println!("{name:<9} does not recover within {RECOVERY:?}"),
        }
        let (running, waiting) = (setup.in_flight(), setup.pending());
        println!("{name:<9} still runs {running} calls, and the client counts {waiting}\n");
        setup.end().await;
    }
    Ok(())
}
