//! The child that calls.

use tokio::runtime::Runtime;

use crate::cell::{Measurement, Scenario};
use crate::child::Endpoints;
use crate::figures::Figures;
use crate::peer::{Governed, Peer};
use crate::{Failure, idle, runtime, usage, volley};

/// The driver's CPU; the server has the other one.
const CPU: usize = 1;

pub(crate) fn run(measurement: &Measurement, server: Endpoints) -> Result<(), Failure> {
    if measurement.cell.is_pinned() {
        usage::pin(CPU)?;
    }
    usage::raise_open_files()?;
    let runtime = runtime::of_client(measurement)?;
    let figures = measurement.contender.drive(&runtime, measurement, server)?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// Drives one peer.
pub(crate) fn drive<P: Peer>(
    runtime: &Runtime,
    measurement: &Measurement,
    server: Endpoints,
) -> Result<Figures, Failure> {
    match measurement.cell.scenario {
        Scenario::Idle => idle::measure::<P>(runtime, measurement, server),
        Scenario::Governed if P::NAME == Governed::NAME => {
            volley::measure::<Governed>(runtime, measurement, server)
        }
        _ => volley::measure::<P>(runtime, measurement, server),
    }
}
