//! The limit for bytes: nothing is decoded.

use std::net::SocketAddr;

use bytes::BytesMut;

use super::multiplex::{self, Carried, Connection};
use super::{Ball, Peer};
use crate::Failure;
use crate::cell::{Cell, Load};

pub(crate) struct Raw;

/// As long as a note is in memory: eight bytes of number, sixteen of text, and the payload.
pub(crate) struct Block(Vec<u8>);

const BEFORE_PAYLOAD: usize = 24;

impl Peer for Raw {
    const NAME: &'static str = "raw";
    const FORMAT: &'static str = "bytes";
    type Caller = Connection<Block>;

    async fn serve(_: Cell) -> Result<SocketAddr, Failure> {
        multiplex::serve(|request, answer| {
            answer.extend_from_slice(request);
            Ok(())
        })
        .await
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<Connection<Block>>, Failure> {
        multiplex::connect(server, load).await
    }
}

impl Carried for Block {
    fn put(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.0);
    }

    fn take(bytes: &[u8]) -> Result<Self, Failure> {
        if bytes.len() < BEFORE_PAYLOAD {
            return Err("the answer is shorter than any request".into());
        }
        Ok(Self(bytes.to_vec()))
    }
}

impl Ball for Block {
    fn new(id: u64, payload_bytes: usize) -> Self {
        let mut block = Self(vec![b'.'; BEFORE_PAYLOAD + payload_bytes]);
        block.set_id(id);
        block
    }

    fn id(&self) -> u64 {
        self.0.first_chunk().map_or(0, |id| u64::from_be_bytes(*id))
    }

    fn set_id(&mut self, id: u64) {
        self.0[..8].copy_from_slice(&id.to_be_bytes());
    }

    fn payload_bytes(&self) -> usize {
        self.0.len() - BEFORE_PAYLOAD
    }
}
