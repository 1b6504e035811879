//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::Failure;
use crate::cell::{Load, Measurement, Scenario, Shape};
use crate::child::Endpoints;
use crate::peer::Contender;
use crate::plan::Extent;

pub(crate) const HELP: &str = "\
How fast rpc-core is, next to REST, to others, and to the limit.

    cargo run --release -p benches [--features peers] --bin compare -- [OPTIONS]

What is measured:
    --quick          enough to judge by, in less than three minutes
    --smoke          that everything works, in a few seconds
    --only PEERS     some peers only: `ours,raw-msg`, or `ours/msgpack` for one format
    --scenario NAMES some of echo, compute, mixed-idle, mixed, governed, idle
    --cells CELLS    echoes only, with so many calls in flight / connections: `64/1,256/4`
    --payload SIZES  echoes only, with so many bytes: `32,1024`
    --rounds N       how often each cell is measured
    --seconds S      how long each measurement takes
    --runtime KIND   `multi` (default): one worker is that of tokio's runtime for many threads;
                     `current`: it is tokio's runtime for one thread

What is written, besides the table:
    --json FILE      every measurement
    --markdown FILE  the table
    --svg FILE       a chart of calls per second
";

/// What to do.
pub(crate) enum Command {
    Compare(Options),
    Serve(Measurement),
    Drive(Measurement, Endpoints),
    Help,
}

/// What to compare, and where to write it.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) extent: Extent,
    pub(crate) only: Option<Vec<Contender>>,
    pub(crate) scenarios: Option<Vec<Scenario>>,
    pub(crate) loads: Option<Vec<Load>>,
    pub(crate) payloads: Option<Vec<usize>>,
    pub(crate) rounds: Option<u32>,
    pub(crate) window: Option<Duration>,
    pub(crate) shape: Shape,
    pub(crate) json: Option<PathBuf>,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
}

pub(crate) fn parse() -> Result<Command, Failure> {
    let mut args = lexopt::Parser::from_env();
    let mut options = Options::default();
    while let Some(arg) = args.next()? {
        match arg {
            Value(role) if role == "serve" => {
                return Ok(Command::Serve(serde_json::from_str(&args.value()?.string()?)?));
            }
            Value(role) if role == "drive" => {
                let measurement = serde_json::from_str(&args.value()?.string()?)?;
                let server = serde_json::from_str(&args.value()?.string()?)?;
                return Ok(Command::Drive(measurement, server));
            }
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("quick") => options.extent = Extent::Quick,
            Long("smoke") => options.extent = Extent::Smoke,
            Long("only") => {
                let mut only = Vec::new();
                for name in args.value()?.string()?.split(',') {
                    only.extend(Contender::named(name)?);
                }
                options.only = Some(only);
            }
            Long("scenario") => options.scenarios = Some(list(&args.value()?.string()?)?),
            Long("cells") => options.loads = Some(list(&args.value()?.string()?)?),
            Long("payload") => options.payloads = Some(list(&args.value()?.string()?)?),
            Long("rounds") => options.rounds = Some(args.value()?.parse()?),
            Long("seconds") => {
                options.window = Some(Duration::try_from_secs_f64(args.value()?.parse()?)?);
            }
            Long("runtime") => options.shape = args.value()?.parse()?,
            Long("json") => options.json = Some(args.value()?.into()),
            Long("markdown") => options.markdown = Some(args.value()?.into()),
            Long("svg") => options.svg = Some(args.value()?.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Compare(options))
}

fn list<T: std::str::FromStr<Err: Into<Failure>>>(text: &str) -> Result<Vec<T>, Failure> {
    text.split(',').map(|item| item.trim().parse().map_err(Into::into)).collect()
}
