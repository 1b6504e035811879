use rpc_core::{Status, service};

#[service(formats(Raw))]
trait Pipe {
    async fn send(&self, head: bytes::Bytes, body: bytes::Bytes) -> Result<bytes::Bytes, Status>;
}

fn main() {}
