//! What a process may use, and what it has used.

use std::fs;
use std::time::Duration;

use rustix::param::page_size;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::Failure;

/// Keeps this process on one CPU; for its start, since only threads made later follow.
pub(crate) fn pin(cpu: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|error| format!("can't pin to CPU {cpu}: {error}"))?;
    Ok(())
}

/// CPU time of all threads of this process since it began, the kernel's on its behalf included.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Memory of this process that is in RAM.
pub(crate) fn resident_bytes() -> Result<u64, Failure> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let resident = pages.split(' ').nth(1).ok_or("statm has a second number")?;
    Ok(resident.parse::<u64>()? * page_size() as u64)
}

/// How many files this process may ever have open.
pub(crate) fn max_open_files() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Lets this process have as many files open as it may ever have.
pub(crate) fn raise_open_files() -> Result<(), Failure> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
