//! `classify` names a `fn(&Status) -> Option<Outcome>`.

use rpc_core::governance::outcome::Outcome;
use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(classify = always)]
    async fn price(&self, sku: String) -> Result<u64, Status>;
}

fn always(_: &Status) -> Outcome {
    Outcome::BusinessError
}

fn main() {}
