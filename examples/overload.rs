//! What becomes of a server that is asked for more than it can do, over TCP on this machine: without a
//! limit, with one that somebody guessed, and with one that finds its own width.
//!
//! `cargo run --release -p examples --example overload` takes a minute. Calls compute there; with `-- waits` they
//! wait for something else, the processors are idle, and latency is what an adaptive limit goes by. With
//! `-- cold` (or `-- waits cold`) the servers start in the middle of the overload.

#[path = "../rpc-core/tests/overload/load.rs"]
mod load;

use std::time::Duration;

use load::{AT_FIRST, PATIENCE, Setup, Work, modes};
use rpc_core::Status;

/// With so much load each.
const PHASE: Duration = Duration::from_secs(5);
/// To find out what it can do.
const CALM: Duration = Duration::from_secs(1);
const RECOVERY: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Status> {
    let asked = |word| std::env::args().any(|argument| argument == word);
    let (waits, cold) = (asked("waits"), asked("cold"));
    let work = if waits { Work::Waits } else { Work::computes() };
    let setup = Setup::new(work, "").await?;
    let unloaded = setup.callers(work.workers().div_ceil(2), CALM).await;
    let calm = setup.callers(work.workers(), CALM).await;
    setup.end().await;
    let (capacity, p99) = (calm.goodput(), unloaded.p99());
    println!("capacity {capacity:.0}/s, unloaded p99 {p99:.1?}, callers wait {PATIENCE:?}\n");
    println!(
        "p99 is of answered calls: of those offered in the first {AT_FIRST:?}, and of those after it\n"
    );
    println!(
        "limit      load  goodput   of it      at first         after  refused   late  failed"
    );
    for (name, rules) in modes(work) {
        let setup = Setup::new(work, &rules).await?;
        let loads = match cold {
            true => [5.0, 5.0, 2.0],
            false => [1.0, 2.0, 5.0],
        };
        if !cold {
            setup.callers(1, CALM / 2).await;
        }
        for times in loads {
            let outcome = setup.offer(times * capacity, PHASE).await;
            println!(
                "{name:<9} {times:>4}x {:>6.0}/s {:>6.0}% {} {} {:>8} {:>6} {:>7}",
                outcome.goodput(),
                100.0 * outcome.goodput() / capacity,
                beside(outcome.p99_at_first(), p99),
                beside(outcome.p99(), p99),
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

/// A time, and how many times of another one it is.
fn beside(time: Duration, other: Duration) -> String {
    format!("{:>7.1?} {:>4.1}x", time, time.as_secs_f64() / other.as_secs_f64())
}
