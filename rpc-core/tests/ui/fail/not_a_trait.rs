use rpc_core::service;

#[service]
struct Inventory;

fn main() {}
