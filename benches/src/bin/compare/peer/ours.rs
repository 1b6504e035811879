//! This framework, as its users get it: a generated client, the default deadline, limits, context and
//! statistics.

use std::net::SocketAddr;

use benches::{
    Answering, Echo as _, EchoClient, EchoDefault as _, EchoDefaultClient, EchoDefaultServer,
    EchoServer, Note,
};
use rpc_core::{Address, Server, ServerHandle};

use super::{Caller, Peer};
use crate::Failure;
use crate::plan::Load;

const ANY_PORT: &str = "127.0.0.1:0";

/// A service that speaks Protobuf.
pub(crate) struct Protobuf;

/// A service that does not choose its format.
pub(crate) struct Msgpack;

impl Peer for Protobuf {
    const NAME: &'static str = "ours";
    const FORMAT: &'static str = "protobuf";
    type Caller = EchoClient;

    async fn serve() -> Result<SocketAddr, Failure> {
        listening(&Server::builder().add(EchoServer::new(Answering)).listen(ANY_PORT).await?)
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<EchoClient>, Failure> {
        let client = EchoClient::builder()
            .connections(load.connections)
            .connect(&format!("tcp://{server}"))
            .await?;
        client.ready().await?;
        Ok(vec![client; load.in_flight])
    }
}

impl Peer for Msgpack {
    const NAME: &'static str = "ours";
    const FORMAT: &'static str = "msgpack";
    type Caller = EchoDefaultClient;

    async fn serve() -> Result<SocketAddr, Failure> {
        listening(&Server::builder().add(EchoDefaultServer::new(Answering)).listen(ANY_PORT).await?)
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<EchoDefaultClient>, Failure> {
        let client = EchoDefaultClient::builder()
            .connections(load.connections)
            .connect(&format!("tcp://{server}"))
            .await?;
        client.ready().await?;
        Ok(vec![client; load.in_flight])
    }
}

impl Caller for EchoClient {
    type Ball = Note;

    async fn call(&self, note: Note) -> Result<Note, Failure> {
        Ok(self.echo(note).await?)
    }
}

impl Caller for EchoDefaultClient {
    type Ball = Note;

    async fn call(&self, note: Note) -> Result<Note, Failure> {
        Ok(self.echo(note).await?)
    }
}

fn listening(server: &ServerHandle) -> Result<SocketAddr, Failure> {
    match server.address() {
        Address::Tcp(address) => Ok(address.parse()?),
        other => Err(format!("it was to listen on TCP, not on {other}").into()),
    }
}
