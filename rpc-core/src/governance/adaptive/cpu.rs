//! How busy the CPU is, as far as this process may use it: of its container's quota if there is
//! one (cgroup v2 and v1), else of the CPUs it may run on. Load of the whole machine says little
//! about a container with two of its sixty-four cores, which is throttled while the machine idles.
//!
//! [`read`] is the only I/O. When it is done, and how often, is left to whoever owns a task; some
//! four times a second is enough. Where there is nothing to read (no Linux, no `/proc`), limits
//! follow latency alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::governance::Moment;
use crate::governance::rules::Share;

/// What the system says of the CPU at some moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// CPU time used since some moment in the past.
    pub used: Duration,
    /// How many CPUs can be used at a time; two and a half are 2.5.
    pub cpus: f64,
}

/// Reads how much CPU was used; `root` is `/`. `None` where that can't be read.
pub fn read(root: &Path) -> Option<Reading> {
    find(|path| fs::read_to_string(root.join(path)).ok())
}

/// Finds it in files, given by their paths from the root.
fn find(file: impl Fn(&str) -> Option<String>) -> Option<Reading> {
    let groups = file("proc/self/cgroup").unwrap_or_default();
    find_v2(&groups, &file).or_else(|| find_v1(&groups, &file)).or_else(|| {
        let allowed = file("proc/self/status").as_deref().and_then(parse_allowed);
        parse_stat(&file("proc/stat")?, allowed.as_deref())
    })
}

/// The nearest group with a quota, of this process's own and those around it: that one runs out
/// first, unless someone gave the outer one less.
fn find_v2(groups: &str, file: impl Fn(&str) -> Option<String>) -> Option<Reading> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    around(own).find_map(|group| {
        let group = format!("sys/fs/cgroup/{group}");
        let cpus = parse_max(&file(&format!("{group}/cpu.max"))?)?;
        let used = parse_usage_usec(&file(&format!("{group}/cpu.stat"))?)?;
        Some(Reading { used, cpus })
    })
}

fn find_v1(groups: &str, file: impl Fn(&str) -> Option<String>) -> Option<Reading> {
    let of = |controller: &str| {
        groups.lines().find_map(|line| {
            let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
            let is = controllers.split(',').any(|one| one == controller);
            is.then(|| group.trim_start_matches('/'))
        })
    };
    let number = |path: String| file(&path)?.trim().parse::<i64>().ok();
    let account = of("cpuacct")?;
    around(of("cpu")?).zip(around(account)).find_map(|(cpu, account)| {
        let quota = number(format!("sys/fs/cgroup/cpu/{cpu}/cpu.cfs_quota_us"))?;
        let period = number(format!("sys/fs/cgroup/cpu/{cpu}/cpu.cfs_period_us"))?;
        let used = number(format!("sys/fs/cgroup/cpuacct/{account}/cpuacct.usage"))?;
        let used = Duration::from_nanos(u64::try_from(used).ok()?);
        Some(Reading { used, cpus: ratio(quota, period)? })
    })
}

/// This path and those of the groups around it, the outermost last. Inside of a container only that
/// one is there, under whatever name.
fn around(group: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(group.trim_end_matches('/')), |group| match group.rsplit_once('/') {
        Some((around, _)) => Some(around),
        None => (!group.is_empty()).then_some(""),
    })
}

/// `cpu.max`: `"250000 100000"` are two and a half CPUs, `"max 100000"` is no quota.
fn parse_max(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota.parse().ok()?, period.parse().ok()?)
}

/// `None` for what is no quota: v1 writes -1.
fn ratio(quota: i64, period: i64) -> Option<f64> {
    (quota > 0 && period > 0).then(|| quota as f64 / period as f64)
}

/// `cpu.stat`: the line `usage_usec 4711`.
fn parse_usage_usec(text: &str) -> Option<Duration> {
    let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    Some(Duration::from_micros(usage.trim().parse().ok()?))
}

/// `/proc/self/status`: the CPUs of `Cpus_allowed_list:  0-3,8`.
fn parse_allowed(text: &str) -> Option<Vec<usize>> {
    let list = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut allowed = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        allowed.extend(first..=last.min(first.saturating_add(4096)));
    }
    Some(allowed)
}

/// `/proc/stat`: all that a CPU did but being idle and waiting for disks, over those in `allowed`.
/// What a hypervisor gave to others is as good as used.
fn parse_stat(text: &str, allowed: Option<&[usize]>) -> Option<Reading> {
    let (mut ticks, mut cpus) = (0_u64, 0_u32);
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(cpu) = words.next().and_then(|word| word.strip_prefix("cpu")) else { continue };
        let Ok(cpu) = cpu.parse::<usize>() else { continue }; // the line of all of them
        if allowed.is_some_and(|allowed| !allowed.contains(&cpu)) {
            continue;
        }
        cpus += 1;
        // user nice system idle iowait irq softirq steal; guests are in user and nice already.
        for (column, word) in words.take(8).enumerate() {
            if column != 3 && column != 4 {
                ticks = ticks.saturating_add(word.parse().ok()?);
            }
        }
    }
    // In hundredths of a second: USER_HZ is 100 on every architecture that Rust runs Linux on.
    let used = Duration::from_millis(ticks.saturating_mul(10));
    (cpus > 0).then_some(Reading { used, cpus: f64::from(cpus) })
}

/// How busy the CPU was between readings.
#[derive(Debug, Default)]
pub struct CpuMeter {
    last: Option<(Reading, Moment)>,
    share: Option<f64>,
}

/// Over how long it is averaged. Much shorter, and a quota's period of 100 ms shows; much longer (go-zero's
/// and aegis' averages look back for 5 and 10 s), and a server has collapsed before it is noticed.
const AVERAGED: Duration = Duration::from_millis(500);

/// Readings that follow each other more closely say nothing: CPU time may advance by 10 ms at a time.
const CLOSE: Duration = Duration::from_millis(50);

impl CpuMeter {
    /// One that has not seen a reading.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a reading in: the share of the CPU that is in use, an average of the last half second
    /// or so; `None` until there are two readings, or when there is none.
    pub fn observe(&mut self, reading: Option<Reading>, now: Moment) -> Option<Share> {
        let Some(reading) = reading else {
            *self = Self::default();
            return None;
        };
        let Some((last, at)) = self.last else {
            self.last = Some((reading, now));
            return None;
        };
        let passed = now.since(at);
        if passed >= CLOSE {
            self.last = Some((reading, now));
            // The count begins anew where a process was moved to another group: no share then.
            if let Some(used) = reading.used.checked_sub(last.used) {
                let share = used.as_secs_f64() / (passed.as_secs_f64() * reading.cpus);
                let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 };
                let weight = passed.as_secs_f64() / (passed + AVERAGED).as_secs_f64();
                let before = self.share.unwrap_or(share);
                self.share = Some(before + weight * (share - before));
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is between 0 and 1")]
        self.share.map(|share| Share::from_millionths((share * 1e6) as u32))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn found(files: &[(&str, &str)]) -> Option<Reading> {
        let files: HashMap<_, _> = files.iter().copied().collect();
        find(|path| files.get(path).map(|text| (*text).to_owned()))
    }

    const STAT: &str = "\
cpu  1000 0 500 90000 100 0 20 30 0 0
cpu0 600 0 300 45000 50 0 10 15 0 0
cpu1 400 0 200 45000 50 0 10 15 0 0
intr 12345 0 0
ctxt 99";

    #[test]
    fn the_quota_of_a_container_counts_v2() {
        let reading = found(&[
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup//cpu.max", "250000 100000\n"),
            ("sys/fs/cgroup//cpu.stat", "usage_usec 123456\nuser_usec 100000\n"),
            ("proc/stat", STAT),
        ]);
        assert_eq!(reading, Some(Reading { used: Duration::from_micros(123_456), cpus: 2.5 }));
    }

    #[test]
    fn a_quota_further_out_counts_as_well() {
        let reading = found(&[
            ("proc/self/cgroup", "0::/kube.slice/pod7/app\n"),
            ("sys/fs/cgroup/kube.slice/pod7/app/cpu.max", "max 100000\n"),
            ("sys/fs/cgroup/kube.slice/pod7/app/cpu.stat", "usage_usec 1\n"),
            ("sys/fs/cgroup/kube.slice/pod7/cpu.max", "50000 100000\n"),
            ("sys/fs/cgroup/kube.slice/pod7/cpu.stat", "usage_usec 2\n"),
        ]);
        assert_eq!(reading, Some(Reading { used: Duration::from_micros(2), cpus: 0.5 }));
    }

    #[test]
    fn the_quota_of_a_container_counts_v1() {
        let groups = "11:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n";
        for group in ["docker/abc", ""] {
            let quota = format!("sys/fs/cgroup/cpu/{group}/cpu.cfs_quota_us");
            let period = format!("sys/fs/cgroup/cpu/{group}/cpu.cfs_period_us");
            let usage = format!("sys/fs/cgroup/cpuacct/{group}/cpuacct.usage");
            let reading = found(&[
                ("proc/self/cgroup", groups),
                (&quota, "150000\n"),
                (&period, "100000\n"),
                (&usage, "987654321\n"),
            ]);
            let used = Duration::from_nanos(987_654_321);
            assert_eq!(reading, Some(Reading { used, cpus: 1.5 }), "in `{group}`");
        }
    }

    #[test]
    fn without_a_quota_it_is_the_machine() {
        let all = Some(Reading { used: Duration::from_millis(15_500), cpus: 2.0 });
        for files in [
            vec![("proc/stat", STAT)],
            vec![
                ("proc/self/cgroup", "4:cpu,cpuacct:/\n"),
                ("sys/fs/cgroup/cpu//cpu.cfs_quota_us", "-1\n"),
                ("sys/fs/cgroup/cpu//cpu.cfs_period_us", "100000\n"),
                ("sys/fs/cgroup/cpuacct//cpuacct.usage", "1\n"),
                ("proc/stat", STAT),
            ],
            vec![
                ("proc/self/cgroup", "0::/user.slice\n"),
                ("sys/fs/cgroup/user.slice/cpu.max", "max 100000\n"),
                ("proc/stat", STAT),
            ],
        ] {
            assert_eq!(found(&files), all);
        }
    }

    #[test]
    fn cpus_that_it_may_not_run_on_do_not_count() {
        let reading = found(&[
            ("proc/stat", STAT),
            ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t1,4-7\n"),
        ]);
        assert_eq!(reading, Some(Reading { used: Duration::from_millis(6_250), cpus: 1.0 }));
    }

    #[test]
    fn what_cannot_be_read_is_none() {
        for stat in ["", "cpu", "cpu0 a b c", "cpu 1 2 3", "\0\0"] {
            assert_eq!(found(&[("proc/stat", stat)]), None, "{stat:?}");
        }
        assert_eq!(found(&[]), None);
        for max in ["", "max", "0 0", "-5 100", "100 0", "x y"] {
            assert_eq!(parse_max(max), None, "{max:?}");
        }
        assert_eq!(parse_allowed("Cpus_allowed_list:\tx"), None);
        assert_eq!(parse_allowed("Cpus_allowed_list:\t9-3"), Some(vec![]));
    }

    fn at(millis: u64) -> Moment {
        Moment::from_nanos(millis * 1_000_000)
    }

    fn reading(used_ms: u64, cpus: f64) -> Option<Reading> {
        Some(Reading { used: Duration::from_millis(used_ms), cpus })
    }

    #[test]
    fn the_share_is_of_the_quota() {
        let mut meter = CpuMeter::new();
        assert_eq!(meter.observe(reading(0, 0.5), at(0)), None);
        assert_eq!(meter.observe(reading(250, 0.5), at(1000)), Some(Share::from_percent(50)));
        let share = meter.observe(reading(750, 0.5), at(2000)).expect("a second one");
        assert!(share > Share::from_percent(80), "{share:?}");
        let share = meter.observe(reading(750, 0.5), at(2010));
        assert!(share > Some(Share::from_percent(80)), "10 ms later nothing is known");
    }

    #[test]
    fn strange_readings_do_no_harm() {
        let mut meter = CpuMeter::new();
        meter.observe(reading(1000, 1.0), at(0));
        assert_eq!(meter.observe(reading(10, 1.0), at(1000)), None, "moved to another group");
        assert_eq!(meter.observe(reading(510, 1.0), at(2000)), Some(Share::from_percent(50)));
        assert!(meter.observe(reading(90_000, 1.0), at(3000)) <= Some(Share::ONE));
        assert!(meter.observe(reading(90_000, 0.0), at(4000)) <= Some(Share::ONE));
        assert_eq!(meter.observe(None, at(5000)), None);
        assert_eq!(meter.observe(reading(1, 1.0), at(4000)), None, "it begins anew");
    }
}
