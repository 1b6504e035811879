//! tonic: gRPC in Protobuf.

use std::net::{Ipv4Addr, SocketAddr};

use benches::Note;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use self::generated::echo_client::EchoClient;
use self::generated::echo_server::{Echo, EchoServer};
use super::{Caller, Peer};
use crate::Failure;
use crate::cell::{Cell, Load};

#[expect(unreachable_pub, reason = "it is generated")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/bench.rs"));
}

pub(crate) struct Tonic;

struct Answering;

#[tonic::async_trait]
impl Echo for Answering {
    async fn echo(&self, note: Request<Note>) -> Result<Response<Note>, Status> {
        Ok(Response::new(note.into_inner()))
    }
}

impl Peer for Tonic {
    const NAME: &'static str = "tonic";
    const FORMAT: &'static str = "protobuf";
    type Caller = EchoClient<Channel>;

    async fn serve(_: Cell) -> Result<SocketAddr, Failure> {
        let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into())?.with_nodelay(Some(true));
        let address = incoming.local_addr()?;
        let server = Server::builder().add_service(EchoServer::new(Answering));
        tokio::spawn(server.serve_with_incoming(incoming));
        Ok(address)
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<EchoClient<Channel>>, Failure> {
        let mut each = Vec::new();
        for _ in 0..load.connections {
            let endpoint: Endpoint = format!("http://{server}").parse()?;
            each.push(EchoClient::new(endpoint.tcp_nodelay(true).connect().await?));
        }
        Ok(each.iter().cycle().take(load.in_flight).cloned().collect())
    }
}

impl Caller for EchoClient<Channel> {
    type Ball = Note;

    async fn call(&self, note: Note) -> Result<Note, Failure> {
        Ok(self.clone().echo(note).await?.into_inner())
    }
}
