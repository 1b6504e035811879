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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Row, json};
    use crate::machine::Machine;

    #[test]
    fn a_row_has_all_keys_and_null_for_what_was_not_measured() {
        let text = json(&Machine::here(), &[Row::sample("ours", 0, 1.5)]).expect("plain data");
        let report: Value = serde_json::from_str(&text).expect("it is JSON");
        let row = report["rows"][0].as_object().expect("a row is an object");
        let keys = [
            "scenario",
            "peer",
            "format",
            "payload_bytes",
            "in_flight",
            "connections",
            "workers",
            "round",
            "calls_per_s",
            "p50_us",
            "p99_us",
            "p999_us",
            "server_cpu_us",
            "client_cpu_us",
            "server_syscalls",
            "client_syscalls",
            "server_allocs",
            "client_allocs",
            "idle_bytes",
            "errors",
        ];
        assert_eq!(row.len(), keys.len());
        for key in keys {
            assert!(row.contains_key(key), "{key}");
        }
        assert_eq!((&row["scenario"], &row["calls_per_s"]), (&"echo".into(), &1.5.into()));
        assert!(row["p50_us"].is_null());
    }
}
