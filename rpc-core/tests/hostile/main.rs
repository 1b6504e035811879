//! Peers that mean no good, or nothing at all. Beside each of them a good client goes on calling on
//! another connection, and on the same one where that survives, and loses nothing.

#[path = "../common/mod.rs"]
mod common;

mod answers;
#[cfg(any(feature = "lz4", feature = "zstd"))]
mod compressed;
mod credit;
mod crowds;
mod endings;
mod floods;
mod frames;
mod greeting;
mod handlers;
mod over_tcp;
mod requests;
mod silence;
#[cfg(all(feature = "cbor", feature = "postcard"))]
mod values;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use common::{Lab, LabClient, Raw, World, hello, settle, world, world_with};
use rpc_codec::{
    Credit, Flags, Goaway, Head, Hello, Kind, NoHead, RequestHead, ResponseHead, preface, put_frame,
};
use rpc_core::testing::Network;
use rpc_core::transport::Listen;
use rpc_core::{Code, Executed, Limits, ServerLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

/// Protocol error, limit, silence: the codes of GOAWAY.
const PROTOCOL: u32 = 1;
const LIMIT: u32 = 2;
const WRONG_PEER: u32 = 3;
const IDLE: u32 = 4;
const VERSION: u32 = 5;
const SILENT: u32 = 7;

/// A good client that calls all the time; `finish` says that it lost nothing.
struct Bystander {
    stop: tokio::sync::oneshot::Sender<()>,
    task: JoinHandle<u32>,
}

impl Bystander {
    async fn beside(world: &World) -> Self {
        let lab = world.client().await;
        lab.echo("first".into()).await.unwrap();
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let mut calls = 0;
            while stopped.try_recv().is_err() {
                assert_eq!(lab.echo(format!("{calls}")).await.unwrap(), format!("{calls}"));
                calls += 1;
                // Often at first; then not so often that hours of paused time take minutes.
                let pause = if calls < 100 { 1 } else { 50 };
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            calls
        });
        Self { stop, task }
    }

    async fn finish(self) {
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.stop.send(()).unwrap();
        assert!(self.task.await.unwrap() > 0, "the bystander made calls");
    }
}

/// A good call on a bad peer's own connection.
async fn good_call(raw: &mut Raw) {
    let id = raw.call("test.Lab/echo", r#"{"text":"good"}"#).await;
    let answer = raw.response().await;
    assert_eq!(answer, (id, Code::Ok, "".into(), Bytes::from_static(b"\"good\"")));
}

/// What GOAWAY a peer gets that says `bytes` after a good greeting and a good call.
async fn refused(bytes: &[u8]) -> Goaway {
    let world = world().await;
    let bystander = Bystander::beside(&world).await;
    let mut raw = world.raw().await.greet().await;
    good_call(&mut raw).await;
    raw.write(bytes).await;
    let goaway = raw.goaway().await;
    drop(raw);
    settle().await;
    assert_eq!(world.net.connections("a"), 1, "only the bystander's is left");
    bystander.finish().await;
    goaway
}

fn frame(kind: Kind, flags: Flags, call: u64, head: &(dyn Head + Sync), body: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    put_frame(&mut bytes, kind, flags, call, head, body, false).unwrap();
    bytes.to_vec()
}

/// A frame whose header says what it likes.
fn header(length: u32, kind: u8, flags: u8, head: u16, call: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_u32(length);
    bytes.put_u8(kind);
    bytes.put_u8(flags);
    bytes.put_u16(head);
    bytes.put_u64(call);
    bytes
}

struct Garbage(Vec<u8>);

impl Head for Garbage {
    fn encoded_len_hint(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, dst: &mut BytesMut) {
        dst.put_slice(&self.0);
    }
}
