//! How long does a call take, in memory, over a Unix socket and over TCP, alone and with others?
//!
//! Client and server share a thread, so a round trip is the sum of both ends' work and the system's,
//! and never waits for another CPU to wake.

use std::{env, fs, process};

use benches::{Answering, EchoClient, EchoServer, rally};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rpc_core::testing::Network;
use rpc_core::{Server, Status};
use tokio::runtime::Builder;

const PAYLOAD_BYTES: usize = 32;
/// Calls in flight.
const DEPTHS: [u64; 2] = [1, 64];

fn round_trips(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let socket = env::temp_dir().join(format!("round-trip-{}.sock", process::id()));
    let unix = format!("unix://{}", socket.display());
    let clients = [
        ("memory", runtime.block_on(in_memory())),
        ("unix", runtime.block_on(over(&unix))),
        ("tcp", runtime.block_on(over("127.0.0.1:0"))),
    ];
    let mut group = criterion.benchmark_group("round_trip");
    group.throughput(Throughput::Elements(1));
    for (name, client) in clients {
        let client = client.expect("nothing is in the way of a server");
        for depth in DEPTHS {
            group.bench_function(BenchmarkId::new(name, depth), |bencher| {
                bencher.iter_custom(|calls| {
                    let took = runtime.block_on(rally(&client, depth, calls, PAYLOAD_BYTES));
                    took.expect("no call fails")
                });
            });
        }
    }
    group.finish();
    // It is in the directory for temporary files, so that one which stays harms nobody.
    let _ = fs::remove_file(socket);
}

async fn in_memory() -> Result<EchoClient, Status> {
    let network = Network::new();
    let listener = network.listen("echo").map_err(|error| Status::internal(error.to_string()))?;
    let server = Server::builder().add(EchoServer::new(Answering::default()));
    server.listen_on(listener).await?;
    EchoClient::builder().network(&network).connect("mem://echo").await
}

async fn over(address: &str) -> Result<EchoClient, Status> {
    let server = Server::builder().add(EchoServer::new(Answering::default()));
    let server = server.listen(address).await?;
    EchoClient::connect(&server.address().to_string()).await
}

criterion_group!(benches, round_trips);
criterion_main!(benches);
