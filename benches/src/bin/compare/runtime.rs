//! The runtime that a child runs its peer on: of the same make for every peer.

use tokio::runtime::{Builder, Runtime};

use crate::Failure;
use crate::cell::{Measurement, Shape};

/// The server's runtime.
pub(crate) fn of_server(measurement: &Measurement) -> Result<Runtime, Failure> {
    build(measurement.cell.workers, measurement.shape)
}

/// The client's, which has one worker however many the server has.
pub(crate) fn of_client(measurement: &Measurement) -> Result<Runtime, Failure> {
    build(1, measurement.shape)
}

fn build(workers: usize, shape: Shape) -> Result<Runtime, Failure> {
    let mut builder = match shape {
        Shape::Current => Builder::new_current_thread(),
        Shape::Multi => Builder::new_multi_thread(),
    };
    if shape == Shape::Multi {
        builder.worker_threads(workers);
    }
    Ok(builder.enable_all().build()?)
}
