//! Counts the system calls of a process, by `perf` or else by `strace`; neither need be there.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// Counts from when it is made.
pub(crate) enum Counter {
    /// Until the command that it was given ends, which it does when its input does.
    Perf(Child),
    /// Until it is interrupted.
    Strace(Child, BufReader<ChildStderr>),
}

const EVENT: &str = "raw_syscalls:sys_enter";

impl Counter {
    /// None where the machine has no means, or does not allow it.
    pub(crate) fn attach(process: u32) -> Option<Self> {
        perf(process).or_else(|| strace(process))
    }

    /// How many there were.
    pub(crate) fn finish(self) -> Option<u64> {
        match self {
            Self::Perf(mut perf) => {
                drop(perf.stdin.take());
                let said = perf.wait_with_output().ok()?;
                said_by_perf(&String::from_utf8_lossy(&said.stderr))
            }
            Self::Strace(mut strace, mut output) => {
                let process = Pid::from_raw(i32::try_from(strace.id()).ok()?)?;
                kill_process(process, Signal::INT).ok()?;
                let mut said = String::new();
                output.read_to_string(&mut said).ok()?;
                strace.wait().ok()?;
                said_by_strace(&said)
            }
        }
    }
}

fn perf(process: u32) -> Option<Counter> {
    let mut perf = Command::new("perf")
        .args(["stat", "-x", ",", "-e", EVENT, "-p", &process.to_string()])
        // It is started when the counters run.
        .args(["--", "sh", "-c", "echo counting; read end"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut line = String::new();
    BufReader::new(perf.stdout.as_mut()?).read_line(&mut line).ok()?;
    if line.trim() == "counting" {
        return Some(Counter::Perf(perf));
    }
    perf.wait().ok()?;
    None
}

fn strace(process: u32) -> Option<Counter> {
    let mut strace = Command::new("strace")
        .args(["-f", "-c", "-p", &process.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut output = BufReader::new(strace.stderr.take()?);
    let mut line = String::new();
    output.read_line(&mut line).ok()?;
    if line.contains("attached") {
        return Some(Counter::Strace(strace, output));
    }
    strace.wait().ok()?;
    None
}

/// `1234,,raw_syscalls:sys_enter,…`
fn said_by_perf(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(EVENT))?;
    line.split(',').next()?.parse().ok()
}

/// `100.00    0.000123    4    1234    5 total`
fn said_by_strace(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.trim_end().ends_with("total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{said_by_perf, said_by_strace};

    #[test]
    fn reads_what_perf_says() {
        let said = "68734,,raw_syscalls:sys_enter,408123,100.00,,\n";
        assert_eq!(said_by_perf(said), Some(68_734));
        assert_eq!(said_by_perf("<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n"), None);
        assert_eq!(said_by_perf("Error: no permission\n"), None);
    }

    #[test]
    fn reads_what_strace_says() {
        let said = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n \
            60.00    0.000030           3        10           read\n \
            40.00    0.000020           4         5         2 futex\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.000050           3        15         2 total\n";
        assert_eq!(said_by_strace(said), Some(15));
        assert_eq!(said_by_strace("strace: Process 7 detached\n"), None);
    }
}
