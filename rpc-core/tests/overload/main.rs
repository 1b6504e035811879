//! Real overload, over TCP: a server that is asked for five times as much as it can do. What depends
//! on the machine is printed by `examples/overload.rs`; here is what holds on any.

mod load;

use std::time::Duration;

use tokio::time::sleep;

use load::{Setup, busy_callers, modes};

/// Half of what it can do is far below what it should keep up, and far above what collapses.
const COLLAPSED: f64 = 0.5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_adapts_does_not_collapse_loses_nothing_and_recovers() {
    let [_, _, (_, adaptive)] = modes();
    let setup = Setup::new(&adaptive).await.expect("a server");
    let calm = setup.callers(busy_callers(), Duration::from_secs(1)).await;
    let capacity = calm.goodput();
    assert!(calm.failed == 0 && calm.answered > 0, "{calm:?}");
    for times in [2.0, 5.0] {
        let busy = setup.offer(times * capacity, Duration::from_millis(1_500)).await;
        assert_eq!(busy.failed, 0, "each call is answered, refused or given up");
        assert!(busy.refused > 0, "at {times} times as much: {busy:?}");
        let share = busy.goodput() / capacity;
        println!("{times}x: {share:.2} of its capacity, p99 {:?} of {:?}", busy.p99(), calm.p99());
        assert!(share > COLLAPSED, "{share:.2} of its capacity at {times} times as much");
    }
    assert!(setup.recovery(capacity, Duration::from_secs(20)).await.is_some(), "it recovers");
    // Those whose callers gave up run to their end, and then nothing is left.
    for _ in 0..1_000 {
        if setup.in_flight() + setup.pending() == 0 {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((setup.in_flight(), setup.pending()), (0, 0));
    setup.end().await;
}
