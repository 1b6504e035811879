//! What the measurements came to, for people and for programs.

mod grid;
mod json;
mod markdown;
mod summary;
mod svg;
mod table;

use serde::Serialize;

use crate::cell::{Measurement, Scenario};
use crate::figures::Figures;

pub(crate) use json::json;
pub(crate) use markdown::markdown;
pub(crate) use svg::svg;
pub(crate) use table::table;

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) peer: &'static str,
    pub(crate) format: &'static str,
    pub(crate) payload_bytes: usize,
    pub(crate) in_flight: usize,
    pub(crate) connections: usize,
    pub(crate) workers: usize,
    pub(crate) round: u32,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

impl Row {
    pub(crate) fn new(measurement: &Measurement, figures: Figures) -> Self {
        let cell = measurement.cell;
        Self {
            scenario: cell.scenario,
            peer: measurement.contender.peer(),
            format: measurement.contender.format(),
            payload_bytes: cell.payload_bytes,
            in_flight: cell.load.in_flight,
            connections: cell.load.connections,
            workers: cell.workers,
            round: measurement.round,
            figures,
        }
    }

    /// Peer and format.
    fn name(&self) -> String {
        format!("{}/{}", self.peer, self.format)
    }
}

#[cfg(test)]
impl Row {
    fn sample(peer: &'static str, round: u32, calls_per_s: f64) -> Self {
        let figures = Figures { calls_per_s: Some(calls_per_s), ..Figures::default() };
        Self {
            scenario: Scenario::Echo,
            peer,
            format: "protobuf",
            payload_bytes: 32,
            in_flight: 64,
            connections: 1,
            workers: 1,
            round,
            figures,
        }
    }
}
