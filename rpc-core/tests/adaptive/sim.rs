//! A server under load, in virtual time: so many workers, a queue in front of them without end, and
//! callers who come whether or not they were answered, as users do. No thread, no clock, and chance from a
//! seed: a run gives the same numbers on every machine.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use rpc_core::Priority;
use rpc_core::governance::Moment;
use rpc_core::governance::adaptive::cpu::{CpuMeter, Reading};
use rpc_core::governance::adaptive::{self, Adaptive, Sample};
use rpc_core::governance::limit::concurrency::{self, Concurrency};

/// How many calls the server works on at a time.
pub(crate) const WORKERS: u32 = 16;

/// What a call takes, on average.
pub(crate) const MEAN: Duration = Duration::from_millis(10);

/// When a caller stops to want its answer. The server does not know, and works on.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// How often the CPU is read.
const SAMPLED: Duration = Duration::from_millis(250);

/// How long a call takes once a worker is at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Service {
    /// Between half and one and a half of the mean.
    Even,
    /// As if it could end in any moment.
    Exponential,
    /// One of fifty takes ten times as long as the others.
    RareSlow,
}

/// What stands in front of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Guard {
    None,
    Fixed(u32),
    /// Adaptive, without a CPU to look at.
    Gradient,
    /// Adaptive, with one.
    Bbr,
}

/// So much load (1.0 is all that the server can do), until then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) load: f64,
    pub(crate) until: Duration,
}

/// What became of the calls that came within a second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Second {
    pub(crate) came: u32,
    pub(crate) refused: u32,
    /// Answered while somebody wanted the answer.
    pub(crate) good: u32,
    /// How long those that were let in took, wanted or not, in milliseconds.
    pub(crate) took: Vec<f64>,
    /// What the limit was, at the end.
    pub(crate) limit: u32,
    pub(crate) baseline: Option<Duration>,
}

enum Limit {
    None,
    Fixed(Concurrency),
    Adaptive(Box<Adaptive>),
}

enum Slot<'a> {
    None,
    Fixed { _slot: concurrency::Slot<&'a Concurrency> },
    Adaptive(adaptive::Slot<&'a Adaptive>),
}

impl Limit {
    fn enter(&self, priority: Priority, now: Moment) -> Option<Slot<'_>> {
        match self {
            Self::None => Some(Slot::None),
            Self::Fixed(limit) => Concurrency::try_enter(limit, priority, now)
                .ok()
                .map(|slot| Slot::Fixed { _slot: slot }),
            Self::Adaptive(limit) => {
                Adaptive::try_enter(&**limit, priority, now).ok().map(Slot::Adaptive)
            }
        }
    }
}

struct Call<'a> {
    came: Moment,
    slot: Slot<'a>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Comes,
    Done(usize),
    Cpu,
}

/// Runs the phases one after the other, and says what each second was like.
pub(crate) fn run(service: Service, guard: Guard, phases: &[Phase], seed: u64) -> Vec<Second> {
    run_of(WORKERS, service, guard, phases, seed)
}

/// The same with a server of so many workers.
pub(crate) fn run_of(
    workers: u32,
    service: Service,
    guard: Guard,
    phases: &[Phase],
    seed: u64,
) -> Vec<Second> {
    let start = Moment::from_nanos(1 << 60);
    let limit = match guard {
        Guard::None => Limit::None,
        Guard::Fixed(max) => Limit::Fixed(Concurrency::new(max)),
        Guard::Gradient | Guard::Bbr => Limit::Adaptive(Box::new(Adaptive::server(start))),
    };
    let end = phases.last().expect("a phase").until;
    let load_at = |now: Moment| {
        let phase = phases.iter().find(|phase| now.since(start) < phase.until);
        phase.map_or(0.0, |phase| phase.load)
    };
    let mut random = fastrand::Rng::with_seed(seed);
    let mut seconds = vec![Second::default(); usize::try_from(end.as_secs()).expect("short") + 1];
    let second = |now: Moment| usize::try_from(now.since(start).as_secs()).expect("short");

    let mut events = BinaryHeap::new();
    let mut working: Vec<Option<Call<'_>>> = (0..workers).map(|_| None).collect();
    let mut idle: Vec<usize> = (0..working.len()).collect();
    let mut queue: VecDeque<Call<'_>> = VecDeque::new();
    let (mut busy, mut busy_since, mut meter) = (Duration::ZERO, start, CpuMeter::new());
    events.push(Reverse((start, Event::Comes)));
    if guard == Guard::Bbr {
        events.push(Reverse((start, Event::Cpu)));
    }
    while let Some(Reverse((now, event))) = events.pop() {
        if now.since(start) >= end {
            break;
        }
        busy += now.since(busy_since) * (workers - u32::try_from(idle.len()).expect("few"));
        busy_since = now;
        match event {
            Event::Comes => {
                let rate = load_at(now) * f64::from(workers) / MEAN.as_secs_f64();
                let next = now.plus(Duration::from_secs_f64(exponential(&mut random) / rate));
                events.push(Reverse((next, Event::Comes)));
                seconds[second(now)].came += 1;
                match limit.enter(Priority::Normal, now) {
                    Some(slot) => queue.push_back(Call { came: now, slot }),
                    None => seconds[second(now)].refused += 1,
                }
            }
            Event::Done(worker) => {
                let call = working[worker].take().expect("it worked on something");
                let took = now.since(call.came);
                let counted = &mut seconds[second(now)];
                counted.good += u32::from(took <= PATIENCE);
                counted.took.push(took.as_secs_f64() * 1e3);
                if let Slot::Adaptive(slot) = call.slot {
                    slot.settle(Sample::success(took), now);
                }
                if let Limit::Adaptive(limit) = &limit {
                    (counted.limit, counted.baseline) = (limit.max(), limit.baseline());
                }
                idle.push(worker);
            }
            Event::Cpu => {
                let reading = Reading { used: busy, cpus: f64::from(workers) };
                let share = meter.observe(Some(reading), now);
                if let Limit::Adaptive(limit) = &limit {
                    limit.observe_cpu(share, now);
                }
                events.push(Reverse((now.plus(SAMPLED), Event::Cpu)));
            }
        }
        while let (Some(worker), false) = (idle.last().copied(), queue.is_empty()) {
            idle.pop();
            working[worker] = queue.pop_front();
            let takes = MEAN.mul_f64(service.time(&mut random));
            events.push(Reverse((now.plus(takes), Event::Done(worker))));
        }
    }
    seconds.truncate(usize::try_from(end.as_secs()).expect("short"));
    seconds
}

impl Service {
    /// In means.
    fn time(self, random: &mut fastrand::Rng) -> f64 {
        match self {
            Self::Even => 0.5 + random.f64(),
            Self::Exponential => exponential(random),
            Self::RareSlow if random.u32(0..50) == 0 => 10.0 / 1.18,
            Self::RareSlow => 1.0 / 1.18,
        }
    }
}

fn exponential(random: &mut fastrand::Rng) -> f64 {
    -(1.0 - random.f64()).ln()
}

/// The part of the server's capacity that went into answers that were wanted.
pub(crate) fn goodput(seconds: &[Second]) -> f64 {
    goodput_of(WORKERS, seconds)
}

/// The same of so many workers.
pub(crate) fn goodput_of(workers: u32, seconds: &[Second]) -> f64 {
    let good: u32 = seconds.iter().map(|second| second.good).sum();
    let capacity = f64::from(workers) / MEAN.as_secs_f64() * seconds.len() as f64;
    f64::from(good) / capacity
}

/// The part of the calls that were refused.
pub(crate) fn refused(seconds: &[Second]) -> f64 {
    let refused: u32 = seconds.iter().map(|second| second.refused).sum();
    let came: u32 = seconds.iter().map(|second| second.came).sum();
    f64::from(refused) / f64::from(came)
}

/// In milliseconds, of the calls that were let in and ended.
pub(crate) fn p99(seconds: &[Second]) -> f64 {
    let mut took: Vec<f64> =
        seconds.iter().flat_map(|second| second.took.iter().copied()).collect();
    took.sort_by(f64::total_cmp);
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}
