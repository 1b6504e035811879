//! Messages that are small until they are read.

use rpc_codec::Compression;

use super::*;

#[tokio::test(start_paused = true)]
async fn big_texts_travel_small() {
    let world = world().await;
    let lab = world.client().await.with_compression(Compression::Lz4);
    lab.ready().await.unwrap();
    let text = "all work and no play ".repeat(100_000);
    assert_eq!(lab.echo(text.clone()).await.unwrap(), text);
}

#[tokio::test(start_paused = true)]
async fn a_bomb_is_refused_and_the_connection_lives() {
    let world = world().await;
    let mut raw = world.raw().await.greet().await;
    let mut head = RequestHead::new("test.Lab/echo");
    head.format = "json";
    head.compression = Compression::Lz4;
    // Five megabytes of spaces in a frame of twenty kilobytes.
    let bomb = Compression::Lz4.compress(&vec![b' '; 5 << 20]).unwrap();
    assert!(bomb.len() < 32_768);
    raw.send(Kind::REQUEST, Flags::END, 1 << 20, &head, &bomb).await;
    let (_, code, message, _) = raw.response().await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("inflates to more than 4194304 bytes"), "{message}");

    raw.send(Kind::REQUEST, Flags::END, 2 << 20, &head, b"garbage").await;
    let (_, code, message, _) = raw.response().await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("could not be decompressed"), "{message}");

    raw.send(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678").await;
    while raw.frame().await.expect("a PONG").kind != Kind::PONG {}
}
