//! The command: makes the measurements one after the other, and tells what they came to.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;
use std::{fs, io};

use crate::args::Options;
use crate::cell::{Load, Measurement, Shape};
use crate::figures::Figures;
use crate::machine::Machine;
use crate::peer::Contender;
use crate::plan::{self, Step, rotated};
use crate::report::{self, Row};
use crate::{Failure, child};

/// Long enough for connections to be made and for what is learnt to be learnt.
const MAX_WARM_UP: Duration = Duration::from_millis(300);
/// Counts are exact, and need no longer.
const MAX_COUNTED: Duration = Duration::from_millis(200);

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let machine = Machine::here();
    let rows = runtime.block_on(measure(&steps(options), options.shape))?;
    print!("{}", report::table(&rows));
    if let Some(file) = &options.json {
        fs::write(file, report::json(&machine, &rows)?)?;
    }
    if let Some(file) = &options.markdown {
        fs::write(file, report::markdown(&machine, &rows))?;
    }
    if let Some(file) = &options.svg {
        fs::write(file, report::svg(&rows))?;
    }
    let errors: u64 = rows.iter().map(|row| row.figures.errors).sum();
    match errors {
        0 => Ok(()),
        _ => Err(format!("{errors} errors; no figure is worth anything beside them").into()),
    }
}

fn steps(options: &Options) -> Vec<Step> {
    let mut steps = match (&options.loads, &options.payloads) {
        (None, None) => plan::steps(options.extent),
        (loads, payloads) => plan::echoes(
            payloads.as_deref().unwrap_or(&[32]),
            loads.as_deref().unwrap_or(&[Load::new(64, 1)]),
            3,
            Duration::from_secs(1),
        ),
    };
    if let Some(scenarios) = &options.scenarios {
        steps.retain(|step| scenarios.contains(&step.cell.scenario));
    }
    for step in &mut steps {
        step.rounds = options.rounds.unwrap_or(step.rounds);
        step.window = options.window.unwrap_or(step.window);
        if let Some(only) = &options.only {
            let is_meant = |one: &Contender| only.iter().any(|meant| meant.is(*one));
            step.contenders.retain(is_meant);
        }
    }
    steps
}

async fn measure(steps: &[Step], shape: Shape) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for step in steps {
        for round in 0..step.rounds {
            for contender in rotated(&step.contenders, round) {
                progress(&format!("{}, round {}: {contender}", step.cell, round + 1))?;
                rows.push(row(step, contender, shape, round).await);
            }
        }
        if !io::stderr().is_terminal() {
            eprintln!("{}: done", step.cell);
        }
    }
    progress("")?;
    Ok(rows)
}

async fn row(step: &Step, contender: Contender, shape: Shape, round: u32) -> Row {
    let measurement = Measurement {
        contender,
        cell: step.cell,
        // What is about several workers is about threads, also where there is but one.
        shape: if step.cell.scenario.is_about_workers() { Shape::Multi } else { shape },
        round,
        warm_up: MAX_WARM_UP.min(step.window / 2),
        window: step.window,
        counted: false,
    };
    let mut figures = figures(&measurement).await;
    if step.counted && round == 0 {
        let window = MAX_COUNTED.min(step.window);
        // Allocations are counted on the main thread only.
        let shape = Shape::Current;
        let counted = Measurement { shape, window, counted: true, ..measurement };
        figures = figures.with_counts_of(&self::figures(&counted).await);
    }
    Row::new(&measurement, figures)
}

/// A measurement that fails is told, and does not take the others along.
async fn figures(measurement: &Measurement) -> Figures {
    child::measure(measurement).await.unwrap_or_else(|failure| {
        eprintln!("\n{}, {}: {failure}", measurement.contender, measurement.cell);
        Figures { errors: 1, ..Figures::default() }
    })
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
