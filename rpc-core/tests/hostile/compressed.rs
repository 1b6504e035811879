//! Messages that are small until they are read.

use rpc_codec::Compression;

use super::*;

#[tokio::test(start_paused = true)]
async fn big_texts_travel_small() {
    // Not the same line over and over, which zstd shrinks as no honest message is.
    let text: String = (0..100_000).map(|n| format!("{n}: all work and no play\n")).collect();
    for compression in available() {
        let world = world().await;
        let lab = world.client().await.with_compression(compression);
        lab.ready().await.unwrap();
        assert_eq!(lab.echo(text.clone()).await.unwrap(), text);
    }
}

fn available() -> impl Iterator<Item = Compression> {
    [Compression::Lz4, Compression::Zstd].into_iter().filter(|it| it.is_available())
}

/// What is refused, and why, whether it comes as arguments or as an answer.
fn bombs(compression: Compression) -> Vec<(Vec<u8>, &'static str)> {
    let bomb = |bytes: usize| compression.compress(&vec![b' '; bytes]).unwrap().to_vec();
    // Five megabytes of spaces in a frame, and a tail of garbage.
    let five = bomb(5 << 20);
    assert!(five.len() < 32_768);
    let too_much = match compression {
        // It shrinks spaces 4,000 times and more, and is refused at 1,000 already.
        Compression::Zstd => "inflates to more than 1000 times its size",
        _ => "inflates to more than 4194304 bytes",
    };
    let cut = five[..five.len() / 2].to_vec();
    vec![
        (five, too_much),
        (cut, ""),
        (b"garbage".to_vec(), "it is corrupt"),
        (Vec::new(), "it is corrupt"),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_decompression_bomb_is_the_callers_fault() {
    for compression in available() {
        let world = world().await;
        let bystander = Bystander::beside(&world).await;
        let mut raw = world.raw().await.greet().await;
        let mut head = RequestHead::new("test.Lab/echo");
        head.format = "json";
        head.compression = compression;
        for (bomb, says) in bombs(compression) {
            let id = raw.next_id();
            raw.send(Kind::REQUEST, Flags::END, id, &head, &bomb).await;
            let (answered, code, message, _) = raw.response().await;
            assert_eq!((answered, code), (id, Code::InvalidArgument), "{message}");
            assert!(message.contains("could not be decompressed"), "{message}");
            assert!(message.contains(says), "{message}");
            good_call(&mut raw).await;
        }
        // What is honest is read on the same connection.
        let id = raw.next_id();
        let small = compression.compress(br#"{"text":"x"}"#).unwrap();
        raw.send(Kind::REQUEST, Flags::END, id, &head, &small).await;
        assert_eq!(raw.response().await.1, Code::Ok);
        bystander.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_decompression_bomb_as_an_answer_fails_its_own_call_only() {
    for compression in available() {
        let world = world().await;
        let bystander = Bystander::beside(&world).await;
        let mut listener = world.net.listen("evil").unwrap();
        let lab = common::client(&world.net, "mem://evil").await;
        let call = || {
            let lab = lab.clone();
            tokio::spawn(async move { lab.echo("x".into()).await })
        };
        let first = call();
        let mut raw = Raw::over(listener.accept().await.unwrap());
        raw.expect_greeting().await;
        raw.write(&preface::encode(1)).await;
        raw.send(Kind::HELLO, Flags::NONE, 0, &hello(), b"").await;
        let id = raw.frame().await.unwrap().call;
        raw.send(Kind::RESPONSE, Flags::END, id, &NoHead, b"\xA1x").await;
        assert_eq!(first.await.unwrap().unwrap(), "x");
        for (bomb, says) in bombs(compression) {
            let (bad, good) = (call(), call());
            let head = ResponseHead { compression, ..ResponseHead::default() };
            let id = raw.frame().await.unwrap().call;
            raw.send(Kind::RESPONSE, Flags::END, id, &head, &bomb).await;
            let id = raw.frame().await.unwrap().call;
            raw.send(Kind::RESPONSE, Flags::END, id, &NoHead, b"\xA1x").await;
            let status = bad.await.unwrap().unwrap_err();
            assert_eq!(status.code(), Code::Internal, "{status}");
            assert!(status.message().contains("the answer could not be decompressed"), "{status}");
            assert!(status.message().contains(says), "{status}");
            assert_eq!(good.await.unwrap().unwrap(), "x");
        }
        bystander.finish().await;
    }
}
