//! The runtime that a child runs its peer on: of the same make for every peer.

use tokio::runtime::{Builder, Runtime};

use crate::Failure;
use crate::plan::{Measurement, Shape};

/// The server's runtime.
pub(crate) fn of_server(measurement: &Measurement) -> Result<Runtime, Failure> {
    build(measurement.cell.workers, measurement.shape)
}

/// The client's, which has one worker however many the server has.
pub(crate) fn of_client(measurement: &Measurement) -> Result<Runtime, Failure> {
    build(1, measurement.shape)
}

fn build(workers: usize, shape: Shape) -> Result<Runtime, Failure> {
    let mut builder = match (workers, shape) {
        (1, Shape::Current) => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if workers > 1 || shape == Shape::Multi {
        builder.worker_threads(workers);
    }
    Ok(builder.enable_all().build()?)
}
