//! What does governance cost a call? Each machine of `rpc_core::governance` alone and all of them as one
//! chain, next to the crates that people would otherwise take: `governor`, `failsafe`, `tower` and
//! `tower-resilience`.

#[path = "../compare/allocations.rs"]
mod allocations;
mod args;
#[path = "../compare/machine.rs"]
mod machine;
mod report;
mod rows;
mod service;
mod suite;
mod wanted;

use std::process::ExitCode;

use args::Command;
use machine::Machine;
use suite::{Extent, Suite};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("governance: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let options = match args::parse()? {
        Command::Measure(options) => options,
        Command::Help => {
            print!("{}", args::HELP);
            return Ok(());
        }
    };
    let machine = Machine::here();
    // Some peers look for a timer, though nothing here should wait.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
    let mut suite = Suite::new(runtime.handle().clone(), options.only);
    {
        let _entered = runtime.enter();
        rows::all(&mut suite);
    }
    suite.count_allocations();
    suite.measure(options.extent);
    let rows = suite.results();
    print!("{}", report::table(&machine, &rows));
    if !matches!(options.extent, Extent::Smoke) {
        print!("{}", report::verdicts(&rows));
    }
    if let Some(path) = options.json {
        std::fs::write(path, report::json(&machine, &rows)?)?;
    }
    Ok(())
}
