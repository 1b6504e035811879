//! How does the cost of a call change with the callers that share a connection, and is a second
//! connection worth having?
//!
//! Over TCP, client and server on one thread, as in `how_long_is_a_round_trip`.

use benches::{Answering, EchoClient, EchoServer, rally};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rpc_core::{Server, Status};
use tokio::runtime::Builder;

const PAYLOAD_BYTES: usize = 32;
const CALLERS: [u64; 4] = [4, 16, 256, 1024];
const CONNECTIONS: [usize; 3] = [1, 2, 4];

fn fan_in(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut group = criterion.benchmark_group("fan_in");
    group.throughput(Throughput::Elements(1));
    for connections in CONNECTIONS {
        let client = runtime.block_on(client(connections)).expect("a port is free");
        for callers in CALLERS {
            let name = format!("{connections}_connections");
            group.bench_function(BenchmarkId::new(name, callers), |bencher| {
                bencher.iter_custom(|calls| {
                    let took = runtime.block_on(rally(&client, callers, calls, PAYLOAD_BYTES));
                    took.expect("no call fails")
                });
            });
        }
    }
    group.finish();
}

async fn client(connections: usize) -> Result<EchoClient, Status> {
    let server = Server::builder().add(EchoServer::new(Answering::default()));
    let server = server.listen("127.0.0.1:0").await?;
    let client = EchoClient::builder().connections(connections);
    client.connect(&server.address().to_string()).await
}

criterion_group!(benches, fan_in);
criterion_main!(benches);
