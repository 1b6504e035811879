//! What does it cost to write and to read a message, in each format and size?

use std::hint::black_box;

use benches::Note;
use bytes::{Bytes, BytesMut};
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use rpc_codec::format::{Cbor, DecodeLimits, Format, Json, MessagePack, Postcard, Protobuf, Raw};

const PAYLOADS: [usize; 3] = [32, 1024, 16_384];

fn formats(criterion: &mut Criterion) {
    for payload_bytes in PAYLOADS {
        let note = Note::new(7, payload_bytes);
        let mut group = criterion.benchmark_group(format!("format/{payload_bytes}_B"));
        group.throughput(Throughput::Bytes(payload_bytes as u64));
        format::<MessagePack, _>(&mut group, &note);
        format::<Json, _>(&mut group, &note);
        format::<Cbor, _>(&mut group, &note);
        format::<Postcard, _>(&mut group, &note);
        format::<Protobuf, _>(&mut group, &note);
        format::<Raw, _>(&mut group, &Bytes::from(note.payload));
        group.finish();
    }
}

fn format<F: Format<T>, T>(group: &mut BenchmarkGroup<'_, WallTime>, value: &T) {
    let limits = DecodeLimits::default();
    let mut encoded = BytesMut::new();
    F::encode(value, &mut encoded).expect("every format has a way to write a note");
    let encoded = encoded.freeze();

    let mut out = BytesMut::with_capacity(encoded.len());
    group.bench_function(BenchmarkId::new("encode", F::NAME), |bencher| {
        bencher.iter(|| {
            out.clear();
            F::encode(black_box(value), &mut out).expect("as before");
            black_box(&out);
        });
    });
    group.bench_function(BenchmarkId::new("decode", F::NAME), |bencher| {
        bencher.iter(|| F::decode(black_box(encoded.clone()), &limits).expect("as it was written"));
    });
}

criterion_group!(benches, formats);
criterion_main!(benches);
