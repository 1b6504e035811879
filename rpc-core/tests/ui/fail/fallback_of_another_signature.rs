//! A fallback takes the reason and the arguments, and returns what the method returns.

use rpc_core::{Status, service};

#[service]
trait Inventory {
    #[rpc(fallback = without_the_reason)]
    async fn one(&self, sku: String) -> Result<u64, Status>;

    #[rpc(fallback = of_other_arguments)]
    async fn two(&self, sku: String, day: u32) -> Result<u64, Status>;

    #[rpc(fallback = of_another_answer)]
    async fn three(&self, sku: String) -> Result<u64, Status>;

    #[rpc(fallback = not_async)]
    async fn four(&self, sku: String) -> Result<u64, Status>;

    #[rpc(fallback = SOMETHING_ELSE)]
    async fn five(&self, sku: String) -> Result<u64, Status>;
}

async fn without_the_reason(_: String) -> Result<u64, Status> {
    Ok(1)
}

async fn of_other_arguments(_: &Status, _: String, _: String) -> Result<u64, Status> {
    Ok(2)
}

async fn of_another_answer(_: &Status, _: String) -> u64 {
    3
}

fn not_async(_: &Status, _: String) -> Result<u64, Status> {
    Ok(4)
}

const SOMETHING_ELSE: u64 = 5;

fn main() {}
