//! This framework, as its users get it: a generated client, the default deadline, limits, context and
//! statistics.

use std::net::SocketAddr;

use benches::{
    Answering, Echo, EchoClient, EchoDefault as _, EchoDefaultClient, EchoDefaultServer,
    EchoGoverned as _, EchoGovernedClient, EchoServer, Note, Work,
};
use rpc_core::server::{Serve, ServerLimits};
use rpc_core::{Address, Server};

use super::{Caller, Peer};
use crate::Failure;
use crate::cell::{COMPUTING, Cell, Load, Scenario};

/// A service that speaks Protobuf.
pub(crate) struct Protobuf;

/// The same, called by every rule there is: what [`Protobuf`] is in the scenario `governed`.
pub(crate) struct Governed;

/// The same, without any: what that is to be compared with, in the same rounds.
pub(crate) struct Plain;

/// A service that does not choose its format.
pub(crate) struct Msgpack;

impl Peer for Protobuf {
    const NAME: &'static str = "ours";
    const FORMAT: &'static str = "protobuf";
    const COMPUTES: bool = true;
    type Caller = EchoClient;

    async fn serve(cell: Cell) -> Result<SocketAddr, Failure> {
        let work = match cell.scenario.is_about_workers() {
            true => Work::taking(COMPUTING),
            false => Work::default(),
        };
        serve(EchoServer::new(Answering { work }), cell).await
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

impl Peer for Governed {
    const NAME: &'static str = Protobuf::NAME;
    const FORMAT: &'static str = Protobuf::FORMAT;
    type Caller = EchoGovernedClient;

    async fn serve(cell: Cell) -> Result<SocketAddr, Failure> {
        Protobuf::serve(cell).await
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<EchoGovernedClient>, Failure> {
        let client = EchoGovernedClient::builder()
            .connections(load.connections)
            .connect(&format!("tcp://{server}"))
            .await?;
        client.ready().await?;
        Ok(vec![client; load.in_flight])
    }
}

impl Peer for Plain {
    const NAME: &'static str = "ours-plain";
    const FORMAT: &'static str = Protobuf::FORMAT;
    type Caller = EchoClient;

    async fn serve(cell: Cell) -> Result<SocketAddr, Failure> {
        Protobuf::serve(cell).await
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<EchoClient>, Failure> {
        Protobuf::connect(server, load).await
    }
}

impl Peer for Msgpack {
    const NAME: &'static str = "ours";
    const FORMAT: &'static str = "msgpack";
    type Caller = EchoDefaultClient;

    async fn serve(cell: Cell) -> Result<SocketAddr, Failure> {
        serve(EchoDefaultServer::new(Answering::default()), cell).await
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

    async fn compute(&self, note: Note) -> Result<Note, Failure> {
        Ok(Echo::compute(self, note).await?)
    }
}

impl Caller for EchoGovernedClient {
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

async fn serve(service: impl Serve, cell: Cell) -> Result<SocketAddr, Failure> {
    let mut limits = ServerLimits::default();
    if cell.scenario == Scenario::Idle {
        // All come from one address here, which by default may have fewer.
        limits.max_connections_per_peer =
            limits.max_connections_per_peer.max(cell.load.connections);
    }
    let server = Server::builder().limits(limits).add(service).listen("127.0.0.1:0").await?;
    match server.address() {
        Address::Tcp(address) => Ok(address.parse()?),
        other => Err(format!("it was to listen on TCP, not on {other}").into()),
    }
}
