//! What costs a peer nothing and this end something, over and over.

use super::*;

#[tokio::test(start_paused = true)]
async fn floods_that_cost_the_sender_nothing_end_the_connection() {
    let ping = frame(Kind::PING, Flags::NONE, 0, &NoHead, b"12345678");
    let pong = frame(Kind::PONG, Flags::NONE, 0, &NoHead, b"12345678");
    let credit = frame(Kind::CREDIT, Flags::NONE, 0, &Credit { bytes: 0 }, b"");
    let cancel = frame(Kind::CANCEL, Flags::NONE, 1 << 20, &NoHead, b"");
    let data = frame(Kind::DATA, Flags::MORE, 1 << 20, &NoHead, b"");
    let skipped = header(0, 0xEE, 0, 0, 0);
    for (what, one, count, says) in [
        ("pings", ping, 60, "too many pings"),
        ("pongs", pong, 11_000, "frames that carry nothing"),
        ("credits", credit, 11_000, "frames that carry nothing"),
        ("cancels", cancel, 11_000, "too many calls cancelled"),
        ("empty pieces", data, 11_000, "frames that carry nothing"),
        ("made-up frames", skipped, 11_000, "frames that carry nothing"),
    ] {
        let goaway = refused(&one.repeat(count)).await;
        assert_eq!(goaway.code, LIMIT, "{what}");
        assert!(goaway.message.contains(says), "{what}: {}", goaway.message);
    }
}
