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

/// Seen in review: answers that waited for credit were bounded by nothing.
#[tokio::test(start_paused = true)]
async fn calls_are_refused_while_too_many_answers_wait_for_credit() {
    let limits = Limits { max_queued_bytes: 4 << 20, ..Limits::default() };
    let limits = ServerLimits { connection: limits, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await;
    raw.write(&preface::encode(1)).await;
    let poor = Hello { connection_credit: 4 << 20, ..hello() };
    raw.send(Kind::HELLO, Flags::NONE, 0, &poor, b"").await;
    raw.expect_greeting().await;
    let first = raw.call("test.Lab/text", r#"{"answer":4000000}"#).await;
    assert_eq!(raw.response().await.0, first, "it takes nearly all of the credit");
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(raw.call("test.Lab/text", r#"{"answer":1200000}"#).await);
        settle().await;
    }
    let late = raw.call("test.Lab/echo", r#"{"text":"x"}"#).await;
    let (refused, code, message, _) = raw.response().await;
    assert_eq!((refused, code), (late, Code::ResourceExhausted));
    assert!(message.contains("wait to be read"), "{message}");
    raw.credit(8 << 20).await;
    while !waiting.is_empty() {
        let (answered, code, _, _) = raw.response().await;
        assert_eq!(code, Code::Ok);
        waiting.retain(|call| *call != answered);
    }
    let again = raw.call("test.Lab/echo", r#"{"text":"x"}"#).await;
    assert_eq!(raw.response().await.0, again);
    bystander.finish().await;
}
