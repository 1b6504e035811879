//! Every measurement, for programs.

use serde::Serialize;

use super::Row;
use crate::Failure;
use crate::machine::Machine;

#[derive(Serialize)]
struct Report<'a> {
    machine: &'a Machine,
    rows: &'a [Row],
}

pub(crate) fn json(machine: &Machine, rows: &[Row]) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(&Report { machine, rows })? + "\n")
}
