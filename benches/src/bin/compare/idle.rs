//! What it costs a server to have connections that do nothing.

use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::Failure;
use crate::cell::{Load, Measurement};
use crate::child::Endpoints;
use crate::control::Control;
use crate::figures::Figures;
use crate::peer::{Ball, Caller, Peer};

/// Makes all connections, has each carry one call, and looks at the server's memory before and after.
pub(crate) fn measure<P: Peer>(
    runtime: &Runtime,
    measurement: &Measurement,
    server: Endpoints,
) -> Result<Figures, Failure> {
    let cell = measurement.cell;
    let mut control = Control::connect(server.control)?;
    let before = control.used()?.resident_bytes;
    let mut connections = Vec::new();
    runtime.block_on(async {
        for _ in 0..cell.load.connections {
            let callers = P::connect(server.peer, Load::new(1, 1)).await?;
            for caller in &callers {
                caller.call(<P::Caller as Caller>::Ball::new(0, cell.payload_bytes)).await?;
            }
            connections.push(callers);
        }
        sleep(measurement.window).await;
        Ok::<_, Failure>(())
    })?;
    let after = control.used()?.resident_bytes;
    let grown = after.saturating_sub(before) as f64;
    Ok(Figures { idle_bytes: Some(grown / connections.len() as f64), ..Figures::default() })
}
