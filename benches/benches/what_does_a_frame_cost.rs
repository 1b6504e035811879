//! What does a frame cost on top of what it carries, to put together and to take apart?

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rpc_codec::{Flags, FrameCodec, Kind, RequestHead, floor, put_frame};

const BODIES: [usize; 3] = [32, 1024, 16_384];
/// A read that brings the requests of many callers.
const BATCH: usize = 64;
/// As the first call on a connection has it: any bits above those of its slot.
const CALL: u64 = 1 << 20;

fn frames(criterion: &mut Criterion) {
    let mut head = RequestHead::new("bench.Echo/echo");
    head.format = "protobuf";
    for checksum in [false, true] {
        let name = if checksum { "frame_with_checksum" } else { "frame" };
        let mut group = criterion.benchmark_group(name);
        for body_bytes in BODIES {
            let body = vec![7; body_bytes];
            let put = |out: &mut BytesMut| {
                put_frame(out, Kind::REQUEST, Flags::END, CALL, &head, &body, checksum)
                    .expect("the head is small");
            };

            group.throughput(Throughput::Elements(1));
            group.bench_function(BenchmarkId::new("put", body_bytes), |bencher| {
                let mut out = BytesMut::new();
                bencher.iter(|| {
                    out.clear();
                    put(black_box(&mut out));
                });
            });

            let mut batch = BytesMut::new();
            (0..BATCH).for_each(|_| put(&mut batch));
            group.throughput(Throughput::Elements(BATCH as u64));
            group.bench_function(BenchmarkId::new("take_64", body_bytes), |bencher| {
                let mut codec = FrameCodec::new(floor::MAX_FRAME_BYTES);
                bencher.iter_batched(
                    || batch.clone(),
                    |mut read| {
                        let mut frames = codec.take_whole(&mut read).expect("all are whole");
                        let mut taken = 0;
                        while let Some(frame) = frames.next().expect("checksums agree") {
                            black_box(frame);
                            taken += 1;
                        }
                        assert_eq!(taken, BATCH);
                    },
                    criterion::BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, frames);
criterion_main!(benches);
