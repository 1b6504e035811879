//! Our machines against recordings of the libraries whose behaviour they promise, step for step.
//!
//! Reads every `*.jsonl.gz` of the folder that `GOLDEN_DIR` names, or of `tests/golden/data`. The
//! recordings hold inputs and outputs only; what a line says is described where it is replayed.

mod gobreaker;
mod rate;
mod trace;
mod uber;

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use flate2::bufread::MultiGzDecoder;

use self::trace::{Disagreement, Replayed, Trace};

type Replay = fn(&Trace) -> Result<Replayed, Disagreement>;

/// How a library's traces are replayed, by what their `lib` says.
fn replay_of(lib: &str) -> Option<Replay> {
    match lib {
        "gobreaker" => Some(gobreaker::replay),
        "x/time/rate" => Some(rate::replay),
        "ratelimit" => Some(uber::replay),
        _ => None,
    }
}

/// What was replayed of one library.
#[derive(Default)]
struct Tally {
    traces: usize,
    steps: usize,
    skipped: usize,
    left_out: BTreeMap<&'static str, usize>,
}

fn main() -> ExitCode {
    let folder = env::var_os("GOLDEN_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/data"),
        PathBuf::from,
    );
    match replay_folder(&folder) {
        Ok(tallies) => {
            for (lib, tally) in &tallies {
                println!("{lib}: {tally}");
            }
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("golden: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Replays all traces of the folder up to the first that does not agree.
fn replay_folder(folder: &Path) -> Result<BTreeMap<String, Tally>, String> {
    let mut tallies = BTreeMap::new();
    for file in recordings(folder)? {
        let replayed =
            replay_file(&file, &mut tallies).map_err(|why| format!("{}: {why}", file.display()))?;
        if replayed == 0 {
            return Err(format!("{} holds no trace", file.display()));
        }
    }
    Ok(tallies)
}

/// The `*.jsonl.gz` of a folder, of which there has to be one.
fn recordings(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable = |why| format!("the folder {} can't be read: {why}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.to_string_lossy().ends_with(".jsonl.gz") {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(format!("there is no *.jsonl.gz in the folder {}", folder.display()));
    }
    files.sort();
    Ok(files)
}

/// Replays the traces of a file, one a line, and says how many there were.
fn replay_file(file: &Path, tallies: &mut BTreeMap<String, Tally>) -> Result<usize, String> {
    let compressed = BufReader::new(File::open(file).map_err(|why| why.to_string())?);
    let mut traces = 0;
    for (number, line) in (1..).zip(BufReader::new(MultiGzDecoder::new(compressed)).lines()) {
        let line = line.map_err(|why| format!("line {number}: {why}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let trace: Trace =
            serde_json::from_str(&line).map_err(|why| format!("line {number}: {why}"))?;
        let replay = replay_of(&trace.lib).ok_or_else(|| {
            format!("trace {} is of `{}`, which is no library known here", trace.id, trace.lib)
        })?;
        let tally = tallies.entry(trace.lib.clone()).or_default();
        match replay(&trace).map_err(|why| format!("trace {}, {why}", trace.id))? {
            Replayed::Compared { steps, skipped } => {
                tally.traces += 1;
                tally.steps += steps;
                tally.skipped += skipped;
            }
            Replayed::LeftOut(why) => *tally.left_out.entry(why).or_default() += 1,
        }
        traces += 1;
    }
    Ok(traces)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { traces, steps, skipped, .. } = self;
        write!(f, "{traces} traces of {steps} steps compared, 0 differences")?;
        if *skipped > 0 {
            write!(f, "; {skipped} steps skipped")?;
        }
        for (why, traces) in &self.left_out {
            write!(f, "; {traces} traces left out ({why})")?;
        }
        Ok(())
    }
}
