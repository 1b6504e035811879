//! What fuzzing has found to be different so far, once more through every decoder.

#![cfg(all(
    feature = "cbor",
    feature = "postcard",
    feature = "protobuf",
    feature = "lz4",
    feature = "zstd"
))]

#[path = "../../fuzz/src/codec.rs"]
#[allow(unreachable_pub, reason = "the fuzz package has them in its library")]
mod codec;
#[path = "../../fuzz/src/replay.rs"]
mod replay;

#[test]
fn every_decoder_holds_its_laws_for_the_whole_corpus() {
    replay::all(codec::TARGETS);
}
