//! The limit for messages: decoded to owned values and encoded again, on both sides.

use std::net::SocketAddr;

use benches::Note;
use bytes::BytesMut;
use prost::Message as _;

use super::Peer;
use super::multiplex::{self, Carried, Connection};
use crate::Failure;
use crate::cell::{Cell, Load};

pub(crate) struct RawMsg;

impl Peer for RawMsg {
    const NAME: &'static str = "raw-msg";
    const FORMAT: &'static str = "protobuf";
    type Caller = Connection<Note>;

    async fn serve(_: Cell) -> Result<SocketAddr, Failure> {
        multiplex::serve(|request, answer| {
            Note::decode(request)?.encode_raw(answer);
            Ok(())
        })
        .await
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<Connection<Note>>, Failure> {
        multiplex::connect(server, load).await
    }
}

impl Carried for Note {
    fn put(&self, out: &mut BytesMut) {
        self.encode_raw(out);
    }

    fn take(bytes: &[u8]) -> Result<Self, Failure> {
        Ok(Self::decode(bytes)?)
    }
}
