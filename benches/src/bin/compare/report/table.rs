//! The figures on a terminal.

use std::fmt::Write as _;

use super::Row;
use super::summary::{Summary, cells};

/// A block for each cell, a line for each peer.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for cell in cells(rows) {
        let first = cell[0].of();
        let _ = writeln!(
            text,
            "\n{:?}, {} B, {} in flight, {} connection(s), {} round(s)\n{:<18}{:>12}{:>8}{:>11}\
             {:>9}{:>9}{:>9}{:>9}{:>9}{:>8}",
            first.scenario,
            first.payload_bytes,
            first.in_flight,
            first.connections,
            cell[0].rounds(),
            "",
            "calls/s",
            "spread",
            "x raw-msg",
            "p50 µs",
            "p99 µs",
            "p99.9",
            "cpu srv",
            "cpu cli",
            "errors",
        );
        let limit = cell.iter().find(|summary| summary.of().peer == "raw-msg");
        for summary in &cell {
            line(&mut text, summary, limit);
        }
    }
    text
}

fn line(text: &mut String, summary: &Summary<'_>, limit: Option<&Summary<'_>>) {
    let row = summary.of();
    let figure = |figure: fn(&Row) -> Option<f64>, digits: usize| {
        let median = summary.median(figure);
        median.map_or("-".into(), |median| format!("{:.digits$}", median.value))
    };
    let calls = |row: &Row| row.calls_per_s;
    let spread = summary.median(calls).map_or(0.0, |median| median.spread * 100.0);
    let ratio = limit.and_then(|limit| summary.ratio(limit, calls));
    let _ = writeln!(
        text,
        "{:<18}{:>12}{spread:>7.0}%{:>11}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}",
        format!("{}/{}", row.peer, row.format),
        figure(calls, 0),
        ratio.map_or("-".into(), |ratio| format!("{:.2}", ratio.value)),
        figure(|row| row.p50_us, 1),
        figure(|row| row.p99_us, 1),
        figure(|row| row.p999_us, 1),
        figure(|row| row.server_cpu_us, 2),
        figure(|row| row.client_cpu_us, 2),
        summary.errors(),
    );
}
