use bytes::Bytes;
use rpc_core::{Status, service};

#[service(formats(Raw))]
pub(crate) trait Echo {
    /// The same again.
    async fn echo(&self, body: Bytes) -> Result<Bytes, Status>;
}
