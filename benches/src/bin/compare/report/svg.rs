//! A chart: calls per second of every peer where the differences show most.

use std::fmt::Write as _;

use super::Row;
use super::grid::grouped;
use super::summary::{Summary, cells};
use crate::cell::Scenario;

const WIDTH: f64 = 760.0;
const NAMES: f64 = 160.0;
const FIGURES: f64 = 90.0;
const LINE: f64 = 22.0;
const HEAD: f64 = 34.0;
/// The left end of the scale, in calls per second: below what any peer reaches on any machine.
const LEAST: f64 = 1e3;

/// Calls in flight and connections of the cells that are shown, where they were measured.
const SHOWN: [(usize, usize); 2] = [(64, 1), (256, 4)];

/// Bars on a logarithmic scale, the same for all cells.
pub(crate) fn svg(rows: &[Row]) -> String {
    let cells = cells(rows);
    let shown: Vec<_> = cells.iter().filter(|cell| is_shown(cell[0].of())).collect();
    let most = shown.iter().flat_map(|cell| cell.iter()).filter_map(calls).fold(1e4, f64::max);
    let mut bars = String::new();
    let mut y = 0.0;
    for cell in shown {
        let Row { payload_bytes, in_flight, connections, .. } = cell[0].of();
        let _ = writeln!(
            bars,
            "<text class=\"head\" x=\"0\" y=\"{}\">{payload_bytes} B, {in_flight} calls in flight, \
             connections: {connections}</text>",
            y + HEAD - 12.0
        );
        y += HEAD;
        for (peer, calls) in cell.iter().filter_map(|peer| Some((peer, calls(peer)?))) {
            bar(&mut bars, peer.of(), calls, most, y);
            y += LINE;
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-8 0 {} {}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<style>.head{{font-weight:bold}} .bar{{fill:#8aa5bd}} \
         .ours{{fill:#c8553d}} .limit{{fill:#c9c9c9}} text{{fill:#333}} \
         @media (prefers-color-scheme:dark){{text{{fill:#ddd}}}}</style>\n{bars}\
         <text x=\"0\" y=\"{}\">calls per second, logarithmic; one worker a side</text>\n</svg>\n",
        WIDTH + 16.0,
        y + HEAD,
        y + HEAD - 12.0,
    )
}

fn is_shown(row: &Row) -> bool {
    row.scenario == Scenario::Echo
        && row.payload_bytes == 32
        && SHOWN.contains(&(row.in_flight, row.connections))
}

fn calls(peer: &Summary<'_>) -> Option<f64> {
    Some(peer.median(|figures| figures.calls_per_s)?.value)
}

fn bar(bars: &mut String, row: &Row, calls: f64, most: f64, y: f64) {
    let class = match row.peer {
        "ours" => "ours",
        "raw" | "raw-msg" => "limit",
        _ => "bar",
    };
    let share = (calls / LEAST).max(1.0).ln() / (most / LEAST).ln();
    let width = share * (WIDTH - NAMES - FIGURES);
    let (text_y, height) = (y + LINE - 7.0, LINE - 5.0);
    let _ = writeln!(
        bars,
        "<text x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{}</text>\
         <rect class=\"{class}\" x=\"{NAMES}\" y=\"{y}\" width=\"{width:.1}\" height=\"{height}\"/>\
         <text x=\"{:.1}\" y=\"{text_y}\">{}</text>",
        NAMES - 8.0,
        row.name(),
        NAMES + width + 6.0,
        grouped(&format!("{calls:.0}")),
    );
}

#[cfg(test)]
mod tests {
    use super::{Row, svg};

    #[test]
    fn a_bar_for_each_peer_and_longer_for_more() {
        let text = svg(&[Row::sample("tonic", 0, 10_000.0), Row::sample("ours", 0, 100_000.0)]);
        let widths: Vec<f64> = text
            .lines()
            .filter_map(|line| line.split_once("width=\"")?.1.split_once('"')?.0.parse().ok())
            .collect();
        let [fewer, more] = widths[..] else { panic!("two bars: {text}") };
        // On a scale from a thousand to a hundred thousand, ten thousand lie in the middle.
        assert!((more / fewer - 2.0).abs() < 0.01, "{fewer} {more}");
        assert!(text.contains(">100,000</text>") && text.ends_with("</svg>\n"));
    }
}
