//! Real overload, over TCP: a server that is asked for five times as much as it can do. What depends
//! on the machine is printed by `examples/overload.rs`; here is what holds on any.

mod load;

use std::time::Duration;

use tokio::time::sleep;

use load::{Setup, Work, modes};

/// Half of what it can do is far below what it should keep up, and far above what collapses.
const COLLAPSED: f64 = 0.5;

/// The machine may have other things to do for a while, but not each time.
const ROUNDS: usize = 5;

/// Overloads the server with these rules, and holds that it goes on, loses nothing and recovers.
async fn check(work: Work, rules: &str) {
    let setup = Setup::new(work, rules).await.expect("a server");
    let mut rounds = Vec::new();
    while rounds.len() < ROUNDS {
        let calm = setup.callers(work.workers(), Duration::from_secs(1)).await;
        assert_eq!(calm.failed, 0, "{calm:?}");
        let mut shares = Vec::new();
        for times in [2.0, 5.0] {
            let busy = setup.offer(times * calm.goodput(), Duration::from_millis(1_500)).await;
            assert_eq!(busy.failed, 0, "each call is answered, refused or given up");
            println!(
                "{times}x: {:.0} of {:.0}/s, p99 {:?} at first, then {:?}",
                busy.goodput(),
                calm.goodput(),
                busy.p99_at_first(),
                busy.p99()
            );
            shares.push(if busy.refused > 0 { busy.goodput() / calm.goodput() } else { 0.0 });
        }
        let recovered = setup.recovery(calm.goodput(), Duration::from_secs(20)).await.is_some();
        let is_good = recovered && shares.iter().all(|share| *share > COLLAPSED);
        rounds.push((shares, recovered));
        if is_good {
            break;
        }
    }
    let (shares, recovered) = rounds.last().expect("there was a round");
    assert!(*recovered && shares.iter().all(|share| *share > COLLAPSED), "{rounds:?}");

    // Those whose callers gave up run to their end, and then nothing is left.
    for _ in 0..3_000 {
        if setup.in_flight() + setup.pending() == 0 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((setup.in_flight(), setup.pending()), (0, 0));
    setup.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_computes_and_adapts_does_not_collapse_loses_nothing_and_recovers() {
    // By the CPU.
    let work = Work::computes();
    let [_, _, (_, adaptive)] = modes(work);
    check(work, &adaptive).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_waits_and_adapts_does_not_collapse_loses_nothing_and_recovers() {
    // By latency, as the CPU is idle.
    let [_, _, (_, adaptive)] = modes(Work::Waits);
    check(Work::Waits, &adaptive).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_waits_does_not_collapse_under_a_fixed_limit() {
    let [_, (_, fixed), _] = modes(Work::Waits);
    check(Work::Waits, &fixed).await;
}
