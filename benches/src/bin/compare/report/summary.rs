//! Rounds to medians.

use super::Row;
use crate::figures::Figures;

/// The rounds of one peer in one cell; at least one.
pub(crate) struct Summary<'a> {
    rounds: Vec<&'a Row>,
}

/// The middle of some figures, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Median {
    pub(crate) value: f64,
    /// Of the value: (largest − smallest) / median.
    pub(crate) spread: f64,
}

impl<'a> Summary<'a> {
    /// Which peer in which cell it is; any of its rounds says so.
    pub(crate) fn of(&self) -> &'a Row {
        self.rounds[0]
    }

    pub(crate) fn median(&self, figure: fn(&Figures) -> Option<f64>) -> Option<Median> {
        median(self.rounds.iter().filter_map(|row| figure(&row.figures)).collect())
    }

    /// The middle of the ratios to `other`, round by round: what disturbed a round disturbed both.
    pub(crate) fn ratio(
        &self,
        other: &Summary<'_>,
        figure: fn(&Figures) -> Option<f64>,
    ) -> Option<Median> {
        let ratios = self.rounds.iter().filter_map(|row| {
            let same_round = other.rounds.iter().find(|other| other.round == row.round)?;
            Some(figure(&row.figures)? / figure(&same_round.figures)?)
        });
        median(ratios.collect())
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds.len()
    }

    pub(crate) fn errors(&self) -> u64 {
        self.rounds.iter().map(|row| row.figures.errors).sum()
    }
}

/// Cells in the order they were measured in, each with its peers in the order of the first round.
pub(crate) fn cells(rows: &[Row]) -> Vec<Vec<Summary<'_>>> {
    let mut cells: Vec<Vec<Summary<'_>>> = Vec::new();
    for row in rows {
        let known = cells.iter().position(|cell| is_same_cell(cell[0].of(), row));
        let Some(known) = known else {
            cells.push(vec![Summary { rounds: vec![row] }]);
            continue;
        };
        let cell = &mut cells[known];
        match cell.iter_mut().find(|one| one.of().name() == row.name()) {
            Some(summary) => summary.rounds.push(row),
            None => cell.push(Summary { rounds: vec![row] }),
        }
    }
    cells
}

fn is_same_cell(one: &Row, other: &Row) -> bool {
    let key =
        |row: &Row| (row.scenario, row.payload_bytes, row.in_flight, row.connections, row.workers);
    key(one) == key(other)
}

fn median(mut figures: Vec<f64>) -> Option<Median> {
    figures.sort_by(f64::total_cmp);
    let (smallest, largest) = (*figures.first()?, *figures.last()?);
    let value = f64::midpoint(figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
    Some(Median { value, spread: (largest - smallest) / value })
}

#[cfg(test)]
mod tests {
    use super::{Median, Row, cells, median};

    #[test]
    fn the_middle_and_how_far_they_lie_apart() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![2.0]), Some(Median { value: 2.0, spread: 0.0 }));
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(Median { value: 2.0, spread: 1.0 }));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(Median { value: 2.5, spread: 1.2 }));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let rows = [
            Row::sample("ours", 0, 50.0),
            Row::sample("raw-msg", 0, 100.0),
            Row::sample("raw-msg", 1, 10.0),
            Row::sample("ours", 1, 7.0),
            Row::sample("ours", 2, 99.0),
        ];
        let cells = cells(&rows);
        let [ours, limit] = &cells[0][..] else { panic!("one cell, two peers") };
        let ratio = ours.ratio(limit, |figures| figures.calls_per_s).expect("two rounds have both");
        assert!((ratio.value - 0.6).abs() < 1e-9, "of 0.5 and 0.7: {ratio:?}");
        assert_eq!((ours.rounds(), limit.rounds()), (3, 2));
    }
}
