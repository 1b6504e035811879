//! Lists are lists, of what is known, each once.

use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(dark = "hedge", fallback(last_good = "30s", vary = "tenant"))]
    async fn a_word(&self) -> Result<u64, Status>;

    #[rpc(dark = ["hegde", "priority", "limit", "limit"], fallback(last_good = "30s", vary = ["tenant", 7, "Region"]))]
    async fn of_other_things(&self) -> Result<u64, Status>;
}

fn main() {}
