//! REST as it is commonly done: JSON over HTTP, axum and reqwest.

use std::iter;
use std::net::{Ipv4Addr, SocketAddr};

use axum::routing::post;
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use benches::Note;
use reqwest::{Client, ClientBuilder, Url};
use tokio::net::TcpListener;

use super::{Caller, Peer};
use crate::Failure;
use crate::cell::{Cell, Load};

/// HTTP/1.1 with connections kept alive. It has as many connections as calls in flight, whatever is
/// asked for, since each carries one call at a time.
pub(crate) struct Http1;

/// HTTP/2 without TLS, known beforehand.
pub(crate) struct Http2;

impl Peer for Http1 {
    const NAME: &'static str = "rest";
    const FORMAT: &'static str = "json";
    type Caller = Rest;

    async fn serve(_: Cell) -> Result<SocketAddr, Failure> {
        serve().await
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<Rest>, Failure> {
        let one = Rest::new(Client::builder().http1_only(), server)?;
        Ok(vec![one; load.in_flight])
    }
}

impl Peer for Http2 {
    const NAME: &'static str = "rest-h2";
    const FORMAT: &'static str = "json";
    type Caller = Rest;

    async fn serve(_: Cell) -> Result<SocketAddr, Failure> {
        serve().await
    }

    async fn connect(server: SocketAddr, load: Load) -> Result<Vec<Rest>, Failure> {
        // A client keeps one connection.
        let client = || Rest::new(Client::builder().http2_prior_knowledge(), server);
        let each = iter::repeat_with(client).take(load.connections);
        let each: Vec<_> = each.collect::<Result<_, _>>()?;
        for one in &each {
            one.call(Note::new(0, 0)).await?;
        }
        Ok(each.iter().cycle().take(load.in_flight).cloned().collect())
    }
}

#[derive(Clone)]
pub(crate) struct Rest {
    client: Client,
    url: Url,
}

impl Rest {
    fn new(client: ClientBuilder, server: SocketAddr) -> Result<Self, Failure> {
        let client = client.no_proxy().tcp_nodelay(true).build()?;
        Ok(Self { client, url: format!("http://{server}/echo").parse()? })
    }
}

impl Caller for Rest {
    type Ball = Note;

    async fn call(&self, note: Note) -> Result<Note, Failure> {
        let answer = self.client.post(self.url.clone()).json(&note).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }
}

async fn serve() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        // Without it answers wait for acknowledgements; a stream that refuses is broken anyway.
        let _ = stream.set_nodelay(true);
    });
    let app = Router::new().route("/echo", post(|note: Json<Note>| async { note }));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}
