//! Where it was measured.

use std::fs;
use std::process::Command;

use rustix::system::uname;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    /// By UTC, when it began.
    pub(crate) date: String,
    /// What else ran in the minute before.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model =
            cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Self {
            cpu: model.map_or("unknown", |(_, model)| model.trim()).into(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: uname().release().to_string_lossy().into(),
            rustc: said_by("rustc", &["--version"]),
            date: said_by("date", &["-u", "+%Y-%m-%d %H:%M"]),
            load: load.split(' ').next().unwrap_or("unknown").into(),
        }
    }
}

fn said_by(program: &str, args: &[&str]) -> String {
    let said = Command::new(program).args(args).output();
    said.map_or("unknown".into(), |said| String::from_utf8_lossy(&said.stdout).trim().into())
}
