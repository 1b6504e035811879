//! The figures for a document.

use std::fmt::Write as _;

use super::Row;
use super::grid::grids;
use crate::machine::Machine;

/// What the machine was, and a table for each cell.
pub(crate) fn markdown(machine: &Machine, rows: &[Row]) -> String {
    let Machine { cpu, cores, kernel, rustc, date, load } = machine;
    let mut text =
        format!("{date} UTC; {cpu}, {cores} cores; Linux {kernel}; {rustc}; load {load}.\n");
    for grid in grids(rows) {
        let _ = writeln!(text, "\n### {}\n", grid.title);
        let _ = writeln!(text, "| | {} |", grid.header.join(" | "));
        let _ = writeln!(text, "|---|{}", "--:|".repeat(grid.header.len()));
        for (name, texts) in grid.lines {
            let _ = writeln!(text, "| {name} | {} |", texts.join(" | "));
        }
    }
    text
}
