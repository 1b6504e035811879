//! The figures on a terminal.

use std::fmt::Write as _;

use super::Row;
use super::grid::{Grid, grids};

/// A block for each cell, a line for each peer.
pub(crate) fn table(rows: &[Row]) -> String {
    grids(rows).iter().map(block).collect()
}

fn block(grid: &Grid) -> String {
    let names = grid.lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = grid
        .header
        .iter()
        .enumerate()
        .map(|(column, header)| {
            let texts = grid.lines.iter().map(|(_, texts)| texts[column].chars().count());
            texts.chain([header.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |name: &str, texts: &mut dyn Iterator<Item = &str>| {
        let mut line = format!("{name:names$}");
        for (text, width) in texts.zip(&widths) {
            let _ = write!(line, "  {text:>width$}");
        }
        line + "\n"
    };
    let mut text = format!("\n{}\n", grid.title);
    text += &line("", &mut grid.header.iter().copied());
    for (name, texts) in &grid.lines {
        text += &line(name, &mut texts.iter().map(String::as_str));
    }
    text
}
