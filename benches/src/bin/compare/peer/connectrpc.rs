//! connectrpc, with gRPC, which is the faster of its protocols.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use connectrpc::client::{ClientConfig, Http2Connection, SharedHttp2Connection};
use connectrpc::{
    Protocol, RequestContext, Response, Router, Server, ServiceRequest, ServiceResult,
};

use self::generated::bench::{Echo, EchoClient, Note};
use super::{Ball, Caller, Peer};
use crate::Failure;
use crate::cell::{Cell, Load};

#[expect(unreachable_pub, reason = "it is generated")]
mod generated {
    connectrpc::include_generated!();
}

/// As many requests wait for a connection as it has calls in flight in the largest cell.
const WAITING: usize = 1024;

pub(crate) struct Connectrpc;

struct Answering;

impl Echo for Answering {
    #[expect(refining_impl_trait, reason = "as connectrpc's documentation has it")]
    async fn echo(&self, _: RequestContext, note: ServiceRequest<'_, Note>) -> ServiceResult<Note> {
        Response::ok(note.to_owned_message())
    }
}

impl Peer for Connectrpc {
    const NAME: &'static str = "connectrpc";
    const FORMAT: &'static str = "protobuf";
    type Caller = EchoClient<SharedHttp2Connection>;

    async fn serve(_: Cell) -> Result<SocketAddr, Failure> {
        let router = Router::new().add_service(Arc::new(Answering));
        let server = Server::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = server.local_addr()?;
        tokio::spawn(server.serve(router));
        Ok(address)
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<Self::Caller>, Failure> {
        let mut each = Vec::new();
        for _ in 0..load.connections {
            let uri: http::Uri = format!("http://{server}").parse()?;
            let connection = Http2Connection::connect_plaintext(uri.clone()).await?.shared(WAITING);
            let config = ClientConfig::new(uri).with_protocol(Protocol::Grpc);
            each.push(EchoClient::new(connection, config));
        }
        Ok(each.iter().cycle().take(load.in_flight).cloned().collect())
    }
}

impl Caller for EchoClient<SharedHttp2Connection> {
    type Ball = Note;

    async fn call(&self, note: Note) -> Result<Note, Failure> {
        Ok(self.echo(note).await?.into_owned())
    }
}

impl Ball for Note {
    fn new(id: u64, payload_bytes: usize) -> Self {
        let benches::Note { id, name, payload } = benches::Note::new(id, payload_bytes);
        Self { id, name, payload, ..Self::default() }
    }

    fn id(&self) -> u64 {
        self.id
    }

    fn set_id(&mut self, id: u64) {
        self.id = id;
    }

    fn payload_bytes(&self) -> usize {
        self.payload.len()
    }
}
