//! Limits that find out for themselves how many calls at a time are too many. What they prevent: a
//! limit that someone guessed once. Too high, it lets a queue form in which calls wait until nobody
//! wants their answers any more; too low, it refuses what could have been done; and it is wrong
//! again after the next release.
//!
//! An [`Adaptive`] limit is a [`Concurrency`] limit whose size is moved by what the calls that end
//! tell: by latency (`gradient.rs`, for clients and where the CPU can't be read), or by throughput while
//! the CPU is busy (`bbr.rs`, for servers). [`cpu`] reads and counts how busy it is; when to do so is
//! left to whoever owns a task. Both compare with what a call takes when nothing stands in its way, which
//! calm teaches (`measure.rs`), or `search.rs` finds out where there was none. `tests/adaptive` shows in
//! made-up time what they do to a server that is asked for five times of what it can do.

mod bbr;
pub mod cpu;
mod gradient;
mod measure;
mod search;
mod slot;

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use rpc_codec::Priority;

pub use self::slot::{Entering, Kind, Sample, Slot};

use self::bbr::{Cpu, Passes};
use self::gradient::Gradient;
use self::measure::{Baseline, Gathering, Round};
use self::search::{Search, Step};
use self::slot::Within;
use crate::governance::Moment;
use crate::governance::limit::concurrency::{Concurrency, Overloaded};
use crate::governance::rules::Share;
use crate::governance::sync::{Mutex, lock};

/// Where a limit begins: between Netflix' 20 and brpc's 40 the lower, as it doubles within half a
/// second where that does no harm.
const INITIAL: u32 = 20;

/// Where it stays however slow calls are. A gradient that is never steeper than one half comes to
/// rest at four.
const MIN: u32 = 4;

/// Where a server's stays while the CPU is busy, however little gets done: one that computes may have a
/// single CPU, and then the third and the fourth only wait. If that is too few, the CPU is soon idle, and
/// latency counts again. (go-zero goes down to one.)
const MIN_BUSY: u32 = 2;

/// Where it stays however fast calls are: Netflix' and Envoy's.
const MAX: u32 = 1000;

/// A limit on calls at a time that finds its size.
///
/// What it compares with is how long calls take when nothing stands in their way. It learns that while it is
/// calm. If it is full from its first calls on, it lets in half as many for some rounds of 50 calls each,
/// and half of those, until fewer get done: then there was no queue.
///
/// ```
/// use std::time::Duration;
/// use rpc_core::governance::Moment;
/// use rpc_core::governance::adaptive::{Adaptive, Sample};
/// use rpc_core::Priority;
///
/// let now = Moment::default();
/// let limit = Adaptive::client(now);
/// let slot = Adaptive::try_enter(&limit, Priority::Normal, now)?;
/// let took = Duration::from_millis(7);
/// slot.settle(Sample::success(took), now.plus(took));
/// assert_eq!(limit.in_use(), 0);
/// # Ok::<(), rpc_core::governance::limit::concurrency::Overloaded>(())
/// ```
pub struct Adaptive {
    limit: Concurrency,
    machine: Mutex<Machine>,
}

#[derive(Debug)]
struct Machine {
    min: u32,
    /// The same while the CPU is busy.
    min_busy: u32,
    max: u32,
    now: Moment,
    gathering: Gathering,
    base: Baseline,
    search: Search,
    gradient: Gradient,
    /// What only servers look at.
    throughput: Option<Box<Throughput>>,
}

#[derive(Debug)]
struct Throughput {
    cpu: Cpu,
    passes: Passes,
}

impl Adaptive {
    /// For calls to a service: follows their latency.
    ///
    /// It begins at 20 and stays between 4 and 1000, unless told otherwise.
    pub fn client(now: Moment) -> Self {
        Self::new(None, now)
    }

    /// For calls to this server: while the CPU is busy, what it gets done at best. While it is not,
    /// or nobody [tells](Self::observe_cpu) how busy it is, it follows latency.
    ///
    /// It begins at 20 and stays between 4 (while the CPU is busy 2) and 1000, unless told otherwise.
    pub fn server(now: Moment) -> Self {
        let throughput = Throughput { cpu: Cpu::default(), passes: Passes::new() };
        Self::new(Some(Box::new(throughput)), now)
    }

    fn new(throughput: Option<Box<Throughput>>, now: Moment) -> Self {
        Self {
            limit: Concurrency::new(INITIAL),
            machine: Mutex::new(Machine {
                min: MIN,
                min_busy: MIN_BUSY,
                max: MAX,
                now,
                gathering: Gathering::default(),
                base: Baseline::default(),
                search: Search::default(),
                gradient: Gradient::new(f64::from(INITIAL)),
                throughput,
            }),
        }
    }

    /// Begins at `initial` instead, or as near to it as its bounds allow.
    #[must_use]
    pub fn with_initial(self, initial: u32) -> Self {
        let (initial, now) = {
            let mut machine = lock(&self.machine);
            let initial = initial.clamp(machine.min, machine.max);
            machine.gradient = Gradient::new(f64::from(initial));
            (initial, machine.now)
        };
        self.limit.set_max(initial, now);
        self
    }

    /// Stays between `min` and `max` instead; `min` counts if it is more than `max`.
    #[must_use]
    pub fn with_bounds(self, min: u32, max: u32) -> Self {
        {
            let mut machine = lock(&self.machine);
            (machine.min, machine.min_busy, machine.max) = (min, min, max.max(min));
        }
        let initial = self.limit.max();
        self.with_initial(initial)
    }

    /// From now on lets in no more than `cap` at a time, however fast calls are.
    pub fn set_cap(&self, cap: Option<u32>, now: Moment) {
        let size = {
            let mut machine = lock(&self.machine);
            machine.max = cap.unwrap_or(MAX);
            machine.min = MIN.min(machine.max);
            machine.min_busy = MIN_BUSY.min(machine.max);
            let now = machine.see(now);
            machine.size(now)
        };
        self.move_to(size, now);
    }

    /// Lets `queue` more calls wait, each for `wait`.
    #[must_use]
    pub fn with_queue(self, queue: u32, wait: Duration) -> Self {
        let Self { limit, machine } = self;
        Self { limit: limit.with_queue(queue, wait), machine }
    }

    /// Lets a call in, now or not at all.
    ///
    /// # Errors
    ///
    /// There is no room for a call of this priority. That is no sample: the limit learns nothing from
    /// what it refuses.
    pub fn try_enter<D>(limit: D, priority: Priority, now: Moment) -> Result<Slot<D>, Overloaded>
    where
        D: Deref<Target = Self>,
    {
        Concurrency::try_enter(Within(limit), priority, now).map(Slot::new)
    }

    /// See [`Concurrency::enter_at_once`].
    #[inline]
    pub(crate) fn enter_at_once<D>(limit: D, priority: Priority) -> Option<Slot<D>>
    where
        D: Deref<Target = Self>,
    {
        Concurrency::enter_at_once(Within(limit), priority).map(Slot::new)
    }

    /// Lets a call in once there is room, as [`Concurrency::enter`] does.
    pub fn enter<D>(limit: D, priority: Priority, now: Moment) -> Entering<D>
    where
        D: Deref<Target = Self>,
    {
        Entering::new(Concurrency::enter(Within(limit), priority, now))
    }

    /// The CPU is that busy; `None` if that can't be read. To be told some times a second.
    pub fn observe_cpu(&self, share: Option<Share>, now: Moment) {
        let max = {
            let mut machine = lock(&self.machine);
            let now = machine.see(now);
            if let Some(throughput) = &mut machine.throughput {
                throughput.cpu.observe(share, now);
            }
            machine.size(now)
        };
        self.move_to(max, now);
    }

    /// How many are in.
    pub fn in_use(&self) -> u32 {
        self.limit.in_use()
    }

    /// How many may be, at the moment.
    pub fn max(&self) -> u32 {
        self.limit.max()
    }

    /// How many wait.
    pub fn waiting(&self) -> u32 {
        self.limit.waiting()
    }

    /// How long a call takes when nothing stands in its way, as far as is known.
    pub fn baseline(&self) -> Option<Duration> {
        let nanos = lock(&self.machine).base.nanos()?;
        Some(Duration::from_secs_f64(nanos / 1e9))
    }

    /// Whether it sheds because the CPU is busy; `None` if it goes by latency.
    pub fn is_busy(&self, now: Moment) -> Option<bool> {
        let mut machine = lock(&self.machine);
        let now = machine.see(now);
        machine.throughput.as_ref()?.cpu.is_busy(now)
    }

    fn learn(&self, sample: Sample, in_use: u32, now: Moment) {
        if sample.kind == Kind::Ignored {
            return;
        }
        let max = {
            let mut machine = lock(&self.machine);
            let now = machine.see(now);
            machine.learn(sample, in_use, now).then(|| machine.size(now))
        };
        if let Some(max) = max {
            self.move_to(max, now);
        }
    }

    /// Two that do so at a time may do so in the wrong order; the next round makes up for it.
    fn move_to(&self, max: u32, now: Moment) {
        if self.limit.max() != max {
            self.limit.set_max(max, now);
        }
    }
}

impl Machine {
    fn see(&mut self, now: Moment) -> Moment {
        self.now = self.now.max(now);
        self.now
    }

    /// Takes a sample in. Whether the size may be another one now.
    fn learn(&mut self, sample: Sample, in_use: u32, now: Moment) -> bool {
        match sample.kind {
            Kind::Success => self.gathering.done(sample.took, in_use, now),
            Kind::Dropped => self.gathering.dropped(in_use, now),
            // It might have ended in the next moment: that it was slow is known, that it was fast is not.
            Kind::Abandoned if self.is_slow(sample.took) => {
                self.gathering.done(sample.took, in_use, now);
            }
            Kind::Abandoned | Kind::Ignored => {}
        }
        let mut moved = false;
        let busy = match &mut self.throughput {
            Some(throughput) => {
                if sample.kind == Kind::Success {
                    moved |= throughput.passes.count(now);
                }
                throughput.cpu.is_busy(now)
            }
            None => None,
        };
        if let Some(round) = self.gathering.end(now) {
            moved = true;
            self.learn_from(round, busy == Some(true), now);
        }
        moved
    }

    fn learn_from(&mut self, round: Round, busy: bool, now: Moment) {
        let limit = self.size(now);
        match self.search.learn(round, limit, self.min_busy, busy) {
            Step::Searching => {}
            Step::Found { base, width } => {
                self.base.found(base);
                self.gradient.resume(width);
            }
            Step::None if !busy => {
                let (min, max) = (f64::from(self.min), f64::from(self.max));
                self.gradient.learn(round, &mut self.base, min, max);
            }
            Step::None => {
                if let Some(mean) = round.mean {
                    self.base.learn_under_load(mean);
                }
            }
        }
    }

    fn is_slow(&self, waited: Duration) -> bool {
        self.base.nanos().is_some_and(|base| waited.as_secs_f64() * 1e9 > base)
    }

    /// How many may be in.
    fn size(&mut self, now: Moment) -> u32 {
        if let Some(limit) = self.search.limit() {
            return limit.clamp(self.min_busy, self.max);
        }
        let by_latency = whole(self.gradient.limit()).clamp(self.min, self.max);
        match &mut self.throughput {
            Some(throughput) if throughput.cpu.is_busy(now) == Some(true) => {
                // Nothing is done yet: what it begins with holds. With no limit at all, a server
                // that starts under overload would take in a queue that nobody waits for.
                let limit = throughput.passes.limit(self.base.nanos(), now);
                limit.map_or(by_latency, |limit| limit.clamp(self.min_busy, self.max))
            }
            // Calls may wait for something else than the CPU: a pool, a disk, another service.
            _ => by_latency,
        }
    }
}

/// The nearest number of calls; what is no number, or more than there are, is as many as there are.
fn whole(limit: f64) -> u32 {
    // Saturates, by the language's definition of `as`.
    #[expect(clippy::cast_possible_truncation, reason = "it saturates, and limits are whole")]
    if limit.is_nan() { u32::MAX } else { limit.round() as u32 }
}

impl fmt::Debug for Adaptive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adaptive")
            .field("in_use", &self.in_use())
            .field("max", &self.max())
            .field("baseline", &self.baseline())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
