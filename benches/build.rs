//! Generates the code of the peers that have it generated, without `protoc`.

fn main() {
    #[cfg(feature = "peers")]
    peers::generate().expect("proto/echo.proto is valid and the output directory writable");
}

#[cfg(feature = "peers")]
mod peers {
    use std::error::Error;
    use std::path::PathBuf;
    use std::{env, fs};

    use prost::Message as _;

    const FILE: &str = "echo.proto";

    pub(super) fn generate() -> Result<(), Box<dyn Error>> {
        let out = PathBuf::from(env::var("OUT_DIR")?);
        println!("cargo:rerun-if-changed=proto/{FILE}");
        let descriptors = protox::compile([FILE], ["proto"])?;

        let file = out.join("echo.descriptors");
        fs::write(&file, descriptors.encode_to_vec())?;
        connectrpc_build::Config::new()
            .files(&[FILE])
            .descriptor_set(file)
            .include_file("_connectrpc.rs")
            .compile()?;

        // The message is the one that this crate has.
        tonic_prost_build::configure()
            .extern_path(".bench.Note", "::benches::Note")
            .compile_fds(descriptors)?;
        Ok(())
    }
}
