//! The child that serves.

use std::io::Read as _;
use std::{io, process, thread};

use crate::child::Endpoints;
use crate::plan::Measurement;
use crate::{Failure, control, cpu, runtime};

/// The server's CPU; the driver has the other one.
const CPU: usize = 0;

pub(crate) fn run(measurement: &Measurement) -> Result<(), Failure> {
    cpu::pin(CPU)?;
    end_with_the_parent()?;
    let runtime = runtime::of_server(measurement)?;
    runtime.block_on(async {
        let peer = measurement.contender.serve().await?;
        let endpoints = Endpoints { peer, control: control::listen()? };
        println!("{}", serde_json::to_string(&endpoints)?);
        std::future::pending().await
    })
}

/// Ends this process when whoever started it is gone.
fn end_with_the_parent() -> Result<(), Failure> {
    thread::Builder::new().name("end".into()).spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        process::exit(0);
    })?;
    Ok(())
}
