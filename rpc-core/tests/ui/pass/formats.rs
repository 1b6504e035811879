//! Formats: the crate's own without a `use`, a user's, one that has the name of the crate's own, and
//! arguments that are the body itself.

use bytes::{Bytes, BytesMut};
use rpc_core::{Channel, DecodeLimits, Format, FormatError, Request, Server, Status, service};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A user's format.
#[derive(Debug)]
pub struct Lines;

/// Not `rpc_core`'s.
#[derive(Debug)]
pub struct Json;

impl<T: Serialize + DeserializeOwned> Format<T> for Lines {
    const NAME: &'static str = "lines";

    fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
        rpc_core::format::Json::encode(value, out)?;
        out.extend_from_slice(b"\n");
        Ok(())
    }

    fn decode(bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError> {
        rpc_core::format::Json::decode(bytes, limits)
    }
}

impl<T: Serialize + DeserializeOwned> Format<T> for Json {
    const NAME: &'static str = "my-json";

    fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
        rpc_core::format::Json::encode(value, out)
    }

    fn decode(bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError> {
        rpc_core::format::Json::decode(bytes, limits)
    }
}

/// Two of the user's, and one of the crate's own.
#[service(formats(Lines, self::Json, MessagePack))]
pub trait Own {
    /// The same again.
    async fn echo(&self, text: String) -> Result<String, Status>;
}

/// The argument is the body.
#[service(formats(Raw))]
pub trait Pipe {
    /// The same again.
    async fn echo(&self, body: Bytes) -> Result<Bytes, Status>;
}

struct Echo;

impl Own for Echo {
    async fn echo(&self, text: String) -> Result<String, Status> {
        Ok(text)
    }
}

impl Pipe for Echo {
    async fn echo(&self, body: Bytes) -> Result<Bytes, Status> {
        Ok(body)
    }
}

/// Looks at what travels.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Status> {
    let server = Server::builder()
        .add(OwnServer::new(Echo))
        .add(PipeServer::new(Echo))
        .listen("mem://formats")
        .await?;
    let address = server.address().to_string();
    let own = OwnClient::connect(&address).await?;
    assert_eq!(own.echo("a".to_owned()).await?, "a");
    for format in ["lines", "my-json", "msgpack"] {
        assert_eq!(own.with_format(format).echo("b".to_owned()).await?, "b", "{format}");
    }
    assert!(own.with_format("json").echo("c".to_owned()).await.is_err());

    let channel = Channel::connect(&address).await?;
    let answer = channel.call(Request::new("Own/echo", "lines", &br#"{"text":"d"}"#[..])).await?;
    assert_eq!(&answer.body()[..], b"\"d\"\n");
    let answer = channel.call(Request::new("Pipe/echo", "raw", &b"\0as it is"[..])).await?;
    assert_eq!(&answer.body()[..], b"\0as it is");
    Ok(())
}
