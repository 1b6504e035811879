//! Raw identifiers work everywhere, and travel without their `r#`.

use rpc_core::{Channel, Request, Server, Status, service};

/// All of its names are keywords.
#[service]
pub trait r#Try {
    /// `type` on the wire.
    async fn r#type(&self, r#move: u8, #[serde(default)] r#fn: Option<u8>) -> Result<u8, Status>;
}

struct Sum;

impl r#Try for Sum {
    async fn r#type(&self, r#move: u8, r#fn: Option<u8>) -> Result<u8, Status> {
        Ok(r#move + r#fn.unwrap_or(100))
    }
}

/// Calls it by name, and by hand.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Status> {
    let server = Server::builder().add(TryServer::new(Sum)).listen("mem://raw_identifiers").await?;
    let address = server.address().to_string();
    assert_eq!(TryClient::connect(&address).await?.r#type(1, Some(2)).await?, 3);
    let object: std::sync::Arc<dyn try_::Dyn> = std::sync::Arc::new(Sum);
    assert_eq!(object.r#type(1, Some(2)).await?, 3);

    let channel = Channel::connect(&address).await?;
    let answer = channel.call(Request::new("Try/type", "json", &br#"{"move":1}"#[..])).await?;
    assert_eq!(&answer.body()[..], b"101");
    Ok(())
}
