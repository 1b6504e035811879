//! What the measurements came to, for people and for programs.

mod json;
mod summary;
mod table;

use serde::Serialize;

use crate::drive::Outcome;
use crate::plan::{Measurement, Scenario};

pub(crate) use json::json;
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
    pub(crate) calls_per_s: Option<f64>,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) p999_us: Option<f64>,
    pub(crate) server_cpu_us: Option<f64>,
    pub(crate) client_cpu_us: Option<f64>,
    pub(crate) server_syscalls: Option<f64>,
    pub(crate) client_syscalls: Option<f64>,
    pub(crate) server_allocs: Option<f64>,
    pub(crate) client_allocs: Option<f64>,
    pub(crate) idle_bytes: Option<f64>,
    pub(crate) errors: u64,
}

impl Row {
    pub(crate) fn new(measurement: &Measurement, outcome: &Outcome) -> Self {
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
            calls_per_s: Some(outcome.calls_per_s),
            p50_us: outcome.p50_us,
            p99_us: outcome.p99_us,
            p999_us: outcome.p999_us,
            server_cpu_us: Some(outcome.server_cpu_us),
            client_cpu_us: Some(outcome.client_cpu_us),
            server_syscalls: None,
            client_syscalls: None,
            server_allocs: None,
            client_allocs: None,
            idle_bytes: None,
            errors: outcome.errors,
        }
    }
}
