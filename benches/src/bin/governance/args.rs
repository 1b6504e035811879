//! The command line.

use std::path::PathBuf;

use lexopt::prelude::*;

use crate::Failure;
use crate::suite::Extent;

pub(crate) const HELP: &str = "\
What governance costs a call, next to other crates.

    cargo run --release -p benches --bin governance -- [OPTIONS]

    --quick        enough to judge by, in less than a minute
    --smoke        that everything works, in a few seconds
    --only WORDS   only rows that have one of these in their name: `token,breaker`
    --json FILE    write every measurement
";

/// What to do.
pub(crate) enum Command {
    Measure(Options),
    Help,
}

/// How long to measure, what, and where to write it.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) extent: Extent,
    pub(crate) only: Option<String>,
    pub(crate) json: Option<PathBuf>,
}

pub(crate) fn parse() -> Result<Command, Failure> {
    let mut args = lexopt::Parser::from_env();
    let mut options = Options::default();
    while let Some(arg) = args.next()? {
        match arg {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("quick") => options.extent = Extent::Quick,
            Long("smoke") => options.extent = Extent::Smoke,
            Long("only") => options.only = Some(args.value()?.string()?),
            Long("json") => options.json = Some(args.value()?.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Measure(options))
}
