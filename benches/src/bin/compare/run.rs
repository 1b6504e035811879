//! The command: makes the measurements one after the other, and tells what they came to.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;
use std::{fs, io};

use crate::args::Options;
use crate::machine::Machine;
use crate::peer::Contender;
use crate::plan::{Cell, Load, Measurement, rotated};
use crate::report::{self, Row};
use crate::{Failure, child};

const ROUNDS: u32 = 3;
const WINDOW: Duration = Duration::from_secs(1);

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let machine = Machine::here();
    let rows = runtime.block_on(measure(options))?;
    print!("{}", report::table(&rows));
    if let Some(file) = &options.json {
        fs::write(file, report::json(&machine, &rows)?)?;
    }
    Ok(())
}

async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let contenders = options.only.clone().unwrap_or_else(Contender::all);
    let window = options.window.unwrap_or(WINDOW);
    let mut rows = Vec::new();
    for cell in cells(options) {
        for round in 0..options.rounds.unwrap_or(ROUNDS) {
            for contender in rotated(&contenders, round) {
                progress(&format!("{cell}, round {}: {contender}", round + 1))?;
                let measurement = Measurement {
                    contender,
                    cell,
                    shape: options.shape,
                    round,
                    warm_up: window / 3,
                    window,
                };
                let outcome = child::measure(&measurement).await;
                let outcome = outcome.map_err(|error| format!("{contender}, {cell}: {error}"))?;
                rows.push(Row::new(&measurement, &outcome));
            }
        }
        if !io::stderr().is_terminal() {
            eprintln!("{cell}: done");
        }
    }
    progress("")?;
    Ok(rows)
}

fn cells(options: &Options) -> Vec<Cell> {
    let loads = options.loads.clone().unwrap_or_else(|| {
        [(1, 1), (16, 1), (64, 1), (256, 1), (64, 4), (256, 4)]
            .map(|(in_flight, connections)| Load { in_flight, connections })
            .to_vec()
    });
    let payloads = options.payloads.clone().unwrap_or_else(|| vec![32]);
    let of_payload = |&payload| loads.iter().map(move |&load| Cell::echo(payload, load));
    payloads.iter().flat_map(of_payload).collect()
}

/// On a terminal one line that changes; elsewhere nothing.
fn progress(what: &str) -> Result<(), Failure> {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        write!(stderr, "\r\x1b[K{what}")?;
        stderr.flush()?;
    }
    Ok(())
}
