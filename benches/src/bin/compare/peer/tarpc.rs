//! tarpc, with the fastest format it brings.

use std::net::{Ipv4Addr, SocketAddr};

use benches::Note;
use futures_util::StreamExt as _;
use tarpc::client::Config;
use tarpc::context::{self, Context};
use tarpc::serde_transport::Transport;
use tarpc::server::{BaseChannel, Channel as _};
use tarpc::tokio_serde::formats::Bincode;
use tokio::net::{TcpListener, TcpStream};

use super::{Caller, Peer};
use crate::Failure;
use crate::cell::{Cell, Load};

#[tarpc::service]
pub(crate) trait Echo {
    async fn echo(note: Note) -> Note;
}

pub(crate) struct Tarpc;

#[derive(Clone)]
struct Answering;

impl Echo for Answering {
    async fn echo(self, _: Context, note: Note) -> Note {
        note
    }
}

impl Peer for Tarpc {
    const NAME: &'static str = "tarpc";
    const FORMAT: &'static str = "bincode";
    type Caller = EchoClient;

    async fn serve(_: Cell) -> Result<SocketAddr, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_one(stream));
            }
        });
        Ok(address)
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<EchoClient>, Failure> {
        let mut each = Vec::new();
        for _ in 0..load.connections {
            let stream = TcpStream::connect(server).await?;
            stream.set_nodelay(true)?;
            let transport = Transport::from((stream, Bincode::default()));
            each.push(EchoClient::new(Config::default(), transport).spawn());
        }
        Ok(each.iter().cycle().take(load.in_flight).cloned().collect())
    }
}

async fn serve_one(stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let transport = Transport::from((stream, Bincode::default()));
    BaseChannel::with_defaults(transport)
        .execute(Answering.serve())
        .for_each(|answer| async {
            tokio::spawn(answer);
        })
        .await;
    Ok(())
}

impl Caller for EchoClient {
    type Ball = Note;

    async fn call(&self, note: Note) -> Result<Note, Failure> {
        Ok(self.echo(context::current(), note).await?)
    }
}
