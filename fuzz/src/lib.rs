//! Bytes from nowhere, fed to every decoder and to whole connections, and what must hold all the
//! same. The targets for `cargo fuzz` stand in `fuzz_targets`; tests of `rpc-codec` and `rpc-core`
//! replay the corpus through the same functions.

#![forbid(unsafe_code)]

pub mod codec;
pub mod connection;
