//! Big messages: more than was granted, larger than is taken, half sent.

use super::*;

#[tokio::test(start_paused = true)]
async fn pieces_beyond_the_credit_end_the_connection() {
    let connection =
        Limits { connection_credit: 100_000, max_message_bytes: 90_000, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits.clone())).await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let mut head = RequestHead::new("test.Lab/echo");
    head.format = "json";
    let piece = vec![b' '; 30_000];
    // Two messages half sent, and a third: more than the credit is under way.
    for n in 1..=4u64 {
        raw.send(Kind::REQUEST, Flags::MORE, n << 20, &head, &piece).await;
    }
    let goaway = raw.goaway().await;
    assert_eq!(goaway.code, LIMIT);
    assert!(goaway.message.contains("with credit for 10000 only"), "{}", goaway.message);
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_longer_than_taken_ends_the_connection() {
    let connection = Limits { max_message_bytes: 50_000, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits.clone())).await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let head = RequestHead::new("test.Lab/echo");
    raw.send(Kind::REQUEST, Flags::MORE, 1 << 20, &head, &[b' '; 30_000]).await;
    raw.send(Kind::DATA, Flags::END, 1 << 20, &NoHead, &[b' '; 30_000]).await;
    let goaway = raw.goaway().await;
    assert_eq!((goaway.code, &*goaway.message), (LIMIT, "a request of more than 50000 bytes"));
    bystander.finish().await;
}

#[tokio::test(start_paused = true)]
async fn credit_of_half_sent_and_cancelled_requests_comes_back() {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    let head = RequestHead::new("test.Lab/echo");
    // A quarter of a gigabyte of half-sent requests through 16 MiB of credit.
    for _ in 0..8_000u64 {
        let id = raw.next_id();
        raw.send(Kind::REQUEST, Flags::MORE, id, &head, &[b' '; 30_000]).await;
        raw.cancel(id).await;
        let (answered, code, _, _) = raw.response().await;
        assert_eq!((answered, code), (id, Code::Cancelled));
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    bystander.finish().await;
}
