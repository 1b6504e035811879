//! The child that serves.

use std::io::Read as _;
use std::{io, process, thread};

use tokio::sync::mpsc;

use crate::cell::Measurement;
use crate::child::Endpoints;
use crate::{Failure, allocations, control, runtime, usage};

/// The server's CPU; the driver has the other one.
const CPU: usize = 0;

pub(crate) fn run(measurement: &Measurement) -> Result<(), Failure> {
    if measurement.cell.is_pinned() {
        usage::pin(CPU)?;
    }
    usage::raise_open_files()?;
    end_with_the_parent()?;
    let runtime = runtime::of_server(measurement)?;
    let (ask, mut asked) = mpsc::channel(1);
    runtime.block_on(async {
        let peer = measurement.contender.serve(measurement.cell).await?;
        let control = control::listen(measurement.counted.then(|| ask.clone()))?;
        let endpoints = Endpoints { peer, control, process: process::id() };
        println!("{}", serde_json::to_string(&endpoints)?);
        Ok::<_, Failure>(())
    })?;
    // The runtime goes on each time where it was, so the counts of what lies in between add up.
    loop {
        let mut answer = None;
        let mut serve = || answer = runtime.block_on(asked.recv());
        let allocations = if measurement.counted {
            allocations::of(serve)
        } else {
            serve();
            0
        };
        let answer = answer.ok_or("`ask` is held until here")?;
        answer.send(allocations)?;
    }
}

/// Ends this process when whoever started it is gone.
fn end_with_the_parent() -> Result<(), Failure> {
    thread::Builder::new().name("end".into()).spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        process::exit(0);
    })?;
    Ok(())
}
