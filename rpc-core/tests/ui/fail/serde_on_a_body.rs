use rpc_core::{Status, service};

#[service(formats(Raw))]
trait Pipe {
    async fn send(&self, #[serde(default)] body: bytes::Bytes) -> Result<bytes::Bytes, Status>;
}

fn main() {}
