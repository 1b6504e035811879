//! Last words: who does not listen to them does not hold this end up, neither its connection nor its
//! server.

use tokio::time::Instant;

use super::*;

/// Writes until the peer's socket is gone; says how many bytes it took, and for how long.
async fn outlast(raw: &mut Raw, at_once: usize, pause: Duration) -> (usize, Duration) {
    let start = Instant::now();
    let mut taken = 0;
    while let Ok(some) = raw.io.writer.write(&vec![0; at_once]).await {
        taken += some;
        assert!(start.elapsed() < Duration::from_secs(60), "it goes on for ever");
        tokio::time::sleep(pause).await;
    }
    (taken, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_on_after_its_goodbye_is_left_in_time() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    good_call(&mut raw).await;
    raw.write(&header(0, 0x1F, 0, 0, 0)).await;
    // A byte now and then: half a second is all it gets.
    let (_, time) = outlast(&mut raw, 1, Duration::from_millis(20)).await;
    assert!(time >= Duration::from_millis(400) && time < Duration::from_millis(700), "{time:?}");
    assert_eq!(raw.goaway().await.code, PROTOCOL, "it could have been read");
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_floods_after_its_goodbye_is_left_after_a_megabyte() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    good_call(&mut raw).await;
    raw.write(&header(0, 0x1F, 0, 0, 0)).await;
    let (taken, time) = outlast(&mut raw, 32_768, Duration::ZERO).await;
    // What is read and thrown away, and what the line holds.
    let most = (1 << 20) + 3 * 65_536;
    assert!((1 << 20..most).contains(&taken), "{taken}");
    assert!(time < Duration::from_millis(500), "{time:?}");
    bystander.finish().await;
}

/// Every sort of peer that a server may have when it is told to go.
#[tokio::test(start_paused = true)]
async fn a_drain_ends_in_time_whoever_is_connected() {
    let limit = Duration::from_secs(5);
    let world = world_with(|server| server.drain_timeout(limit)).await;
    let lab = world.client().await;
    lab.echo("x".into()).await.unwrap();

    let silent = world.raw().await;
    let half_a_preface = world.raw().await;
    let mut half_a_frame = world.raw().await.greet().await;
    half_a_frame.write(&header(100, 2, 2, 0, 1 << 20)).await;
    let mut half_a_message = world.raw().await.greet().await;
    let head = RequestHead::new("test.Lab/echo");
    half_a_message.send(Kind::REQUEST, Flags::MORE, 1 << 20, &head, &[b' '; 30_000]).await;
    let mut waiting = world.raw().await.greet().await;
    waiting.call("test.Lab/hold", "{}").await;
    // Its answers, ten times what the line holds, are not read.
    let mut deaf = world.raw().await.greet().await;
    let args = format!("{{\"text\":\"{}\"}}", "x".repeat(30_000));
    for _ in 0..20 {
        deaf.call("test.Lab/echo", &args).await;
        settle().await;
    }

    let start = Instant::now();
    let in_time = lab.echo("y".into());
    let drained = world.server.drain();
    let (last, drained) = tokio::join!(in_time, drained);
    assert_eq!(last.unwrap(), "y", "a call that was there in time is answered");
    assert_eq!(drained.aborted, 1, "the call that waits");
    let time = start.elapsed();
    assert!(time >= limit && time <= limit + Duration::from_millis(1_100), "{time:?}");
    drop((silent, half_a_preface, half_a_frame, half_a_message, waiting, deaf));
}
