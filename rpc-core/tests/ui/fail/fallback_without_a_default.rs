//! `"default"` needs one.

use rpc_core::{Status, service};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Article {
    name: String,
}

#[service]
trait Inventory {
    #[rpc(fallback = "default")]
    async fn article(&self, sku: String) -> Result<Article, Status>;
}

fn main() {}
