//! The figures of a cell as lines and columns of text.

use super::Row;
use super::summary::{Summary, cells};
use crate::cell::Scenario;
use crate::figures::Figures;

/// A cell.
pub(crate) struct Grid {
    pub(crate) title: String,
    /// The names of the columns after the first, which is the peer.
    pub(crate) header: Vec<&'static str>,
    /// The peers, each with its figures.
    pub(crate) lines: Vec<(String, Vec<String>)>,
}

const NOT_MEASURED: &str = "-";

type Column = (&'static str, fn(&Summary<'_>, &[Summary<'_>]) -> Option<String>);

/// In the order they are shown in; those that nobody has a figure for are not.
const COLUMNS: &[Column] = &[
    ("calls/s", |peer, _| figure(peer, |figures| figures.calls_per_s, 0)),
    ("spread", |peer, _| {
        let median = peer.median(|figures| figures.calls_per_s)?;
        Some(format!("{:.0}%", median.spread * 100.0))
    }),
    ("× raw-msg", |peer, cell| times(peer, cell, "raw-msg")),
    ("× without rules", |peer, cell| times(peer, cell, "ours-plain")),
    ("p50 µs", |peer, _| figure(peer, |figures| figures.p50_us, 1)),
    ("p99 µs", |peer, _| figure(peer, |figures| figures.p99_us, 1)),
    ("p99.9 µs", |peer, _| figure(peer, |figures| figures.p999_us, 1)),
    ("CPU µs srv", |peer, _| figure(peer, |figures| figures.server_cpu_us, 2)),
    ("cli", |peer, _| figure(peer, |figures| figures.client_cpu_us, 2)),
    ("syscalls srv", |peer, _| figure(peer, |figures| figures.server_syscalls, 3)),
    ("cli", |peer, _| figure(peer, |figures| figures.client_syscalls, 3)),
    ("allocs srv", |peer, _| figure(peer, |figures| figures.server_allocs, 1)),
    ("cli", |peer, _| figure(peer, |figures| figures.client_allocs, 1)),
    ("B/connection", |peer, _| figure(peer, |figures| figures.idle_bytes, 0)),
    ("errors", |peer, _| Some(peer.errors().to_string())),
];

/// The calls of `peer`, as a multiple of those of the peer of this name.
fn times(peer: &Summary<'_>, cell: &[Summary<'_>], name: &str) -> Option<String> {
    let other = cell.iter().find(|peer| peer.of().peer == name)?;
    let ratio = peer.ratio(other, |figures| figures.calls_per_s)?;
    Some(format!("{:.2}", ratio.value))
}

fn figure(peer: &Summary<'_>, of: fn(&Figures) -> Option<f64>, digits: usize) -> Option<String> {
    Some(grouped(&format!("{:.digits$}", peer.median(of)?.value)))
}

/// All cells, in the order they were measured in.
pub(crate) fn grids(rows: &[Row]) -> Vec<Grid> {
    cells(rows).iter().map(|cell| grid(cell)).collect()
}

fn grid(cell: &[Summary<'_>]) -> Grid {
    let mut grid = Grid {
        title: title(&cell[0]),
        header: Vec::new(),
        lines: cell.iter().map(|peer| (peer.of().name(), Vec::new())).collect(),
    };
    for (name, text) in COLUMNS {
        let column: Vec<_> = cell.iter().map(|peer| text(peer, cell)).collect();
        if column.iter().any(Option::is_some) {
            grid.header.push(name);
            for ((_, line), text) in grid.lines.iter_mut().zip(column) {
                line.push(text.unwrap_or_else(|| NOT_MEASURED.into()));
            }
        }
    }
    grid
}

fn title(peer: &Summary<'_>) -> String {
    let (row, rounds) = (peer.of(), peer.rounds());
    let (scenario, connections) = (row.scenario.name(), row.connections);
    match row.scenario {
        Scenario::Idle => format!("{scenario}: {connections} connections"),
        _ => format!(
            "{scenario}: {} B, {} in flight, connections {connections}, workers {}, rounds {rounds}",
            row.payload_bytes, row.in_flight, row.workers
        ),
    }
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut text = String::new();
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::{Row, grids, grouped};

    #[test]
    fn thousands_stand_apart() {
        let cases = [("7", "7"), ("999", "999"), ("1000", "1,000"), ("1234567.25", "1,234,567.25")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn columns_without_figures_are_left_out() {
        let grids =
            grids(&[Row::sample("ours", 0, 500_000.0), Row::sample("raw-msg", 0, 1_000_000.0)]);
        assert_eq!(grids.len(), 1);
        assert_eq!(grids[0].header, ["calls/s", "spread", "× raw-msg", "errors"]);
        assert_eq!(grids[0].lines[0].0, "ours/protobuf");
        assert_eq!(grids[0].lines[0].1, ["500,000", "0%", "0.50", "0"]);
    }
}
