//! `compare`: this framework next to others, to REST, and to the limit.
//!
//! The command plans measurements (`plan`) and makes each of them with two children (`child`), both
//! of them this same program: one that serves (`serve`) and one that calls (`drive`; `volley` and `idle`
//! are what it does). A `peer` is one way to carry a call between them. What the drivers measured are
//! `figures`, which `report` writes.

mod allocations;
mod args;
mod cell;
mod child;
mod control;
mod drive;
mod figures;
mod idle;
mod machine;
mod peer;
mod plan;
mod recorder;
mod report;
mod run;
mod runtime;
mod serve;
mod syscalls;
mod usage;
mod volley;

use std::process::ExitCode;

/// Whatever went wrong; it is told and not handled.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let done = args::parse().and_then(|command| match command {
        args::Command::Compare(options) => run::run(&options),
        args::Command::Serve(measurement) => serve::run(&measurement),
        args::Command::Drive(measurement, server) => drive::run(&measurement, server),
        args::Command::Help => {
            print!("{}", args::HELP);
            Ok(())
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("compare: {failure}");
            ExitCode::FAILURE
        }
    }
}
