//! What was measured, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::machine::Machine;
use crate::suite::{Clock, Measured};
use crate::wanted;

/// The least and the median of a row's windows on one thread and on two.
pub(crate) fn table(machine: &Machine, rows: &[Measured]) -> String {
    let mut text = format!("\n{}, {} cores, load {}\n", machine.cpu, machine.cores, machine.load);
    text += "ns a call: the least of many short windows (and their median). Of two threads each makes its \
             calls\nside by side with the other's, on one machine; so a row that scales has the same twice.\n\n";
    let _ = writeln!(
        text,
        "{:<32} {:<28} {:<7} {:>16} {:>16} {:>7} {:>7}",
        "what", "peer", "clock", "1 thread", "2 threads", "allocs", "wanted"
    );
    for row in rows.iter().filter(|row| row.threads == 1) {
        let two =
            rows.iter().find(|two| (two.what, two.peer, two.threads) == (row.what, row.peer, 2));
        let wanted = wanted::at_most(row.what).filter(|_| row.peer == "ours");
        let _ = writeln!(
            text,
            "{:<32} {:<28} {:<7} {:>16} {:>16} {:>7} {:>7}",
            row.what,
            row.peer,
            clock(row.clock),
            times(row),
            two.map_or_else(String::new, times),
            row.allocations,
            wanted.map_or_else(String::new, |most| format!("≤ {most}")),
        );
    }
    text += "\nclock: told = moves 1 µs a call; frozen = stands still for a window; own = it reads the \
             system's,\nwhich is in its figure (see the rows `clock`).\n";
    text
}

/// What is wanted, and whether it is so.
pub(crate) fn verdicts(rows: &[Measured]) -> String {
    let mut text = String::from("\n");
    for (said, is_so) in wanted::verdicts(rows) {
        let _ = writeln!(text, "{} {said}", if is_so { "as wanted  " } else { "NOT WANTED " });
    }
    text
}

fn times(row: &Measured) -> String {
    format!("{:.1} ({:.1})", row.least, row.median)
}

fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Told => "told",
        Clock::Frozen => "frozen",
        Clock::Own => "own",
        Clock::Needless => "",
    }
}

/// Everything that was measured.
pub(crate) fn json(machine: &Machine, rows: &[Measured]) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Report<'a> {
        machine: &'a Machine,
        rows: Vec<Line>,
    }
    #[derive(Serialize)]
    struct Line {
        what: &'static str,
        peer: &'static str,
        clock: &'static str,
        threads: usize,
        /// The least.
        ns_per_op: f64,
        median_ns_per_op: f64,
        allocations_per_op: f64,
    }
    let line = |row: &Measured| Line {
        what: row.what,
        peer: row.peer,
        clock: clock(row.clock),
        threads: row.threads,
        ns_per_op: row.least,
        median_ns_per_op: row.median,
        allocations_per_op: row.allocations,
    };
    serde_json::to_string_pretty(&Report { machine, rows: rows.iter().map(line).collect() })
}
