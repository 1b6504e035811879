//! The stop-watch: rows take turns in many short windows, so that what else the machine does meets all of
//! them alike, and the least of a row's windows is one that nothing disturbed.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rpc_core::governance::Moment;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::allocations;

/// How far apart calls are by the clock that machines are told: a million calls a second.
const STEP: Duration = Duration::from_micros(1);
/// How long a window takes, about: shorter than a thread's turn on a busy machine.
const WINDOW: Duration = Duration::from_millis(1);
/// How many calls a window has before it is known how many fit.
const FEW: u64 = 64;
/// How many calls are counted allocations of.
const COUNTED: u64 = 1_000;

/// How long to measure.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Extent {
    Smoke,
    Quick,
    #[default]
    Full,
}

impl Extent {
    fn rounds(self) -> usize {
        match self {
            Self::Smoke => 1,
            Self::Quick => 15,
            Self::Full => 50,
        }
    }

    fn windows_a_round(self) -> usize {
        match self {
            Self::Smoke => 1,
            Self::Quick => 8,
            Self::Full => 20,
        }
    }
}

/// Which clock a peer goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// It is told the time, which moves by [`STEP`] with each call.
    Told,
    /// It is told a time that stands still for a window.
    Frozen,
    /// It reads the system's clock, which the figure includes.
    Own,
    /// It needs none.
    Needless,
}

/// One thread's part of a row: makes so many calls, from that moment on.
trait Lane: Send {
    fn run(&mut self, from: Moment, calls: u64);
}

impl<F: FnMut(Moment) + Send> Lane for F {
    #[inline(never)]
    fn run(&mut self, from: Moment, calls: u64) {
        let mut now = from;
        for _ in 0..calls {
            self(now);
            now = now.plus(STEP);
        }
    }
}

/// A lane that makes all calls of a window itself.
struct Whole<F>(F);

impl<F: FnMut(u64) + Send> Lane for Whole<F> {
    fn run(&mut self, _: Moment, calls: u64) {
        self.0(calls);
    }
}

struct Row {
    what: &'static str,
    peer: &'static str,
    clock: Clock,
    lanes: Vec<Box<dyn Lane>>,
    calls: u64,
    nanos_per_call: Vec<f64>,
    allocations: f64,
}

/// What a row came to.
pub(crate) struct Measured {
    pub(crate) what: &'static str,
    pub(crate) peer: &'static str,
    pub(crate) clock: Clock,
    pub(crate) threads: usize,
    /// Of the window in which calls took the least time.
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) allocations: f64,
}

/// The rows, and the time that they are told.
pub(crate) struct Suite {
    runtime: Handle,
    only: Option<String>,
    now: Moment,
    rows: Vec<Row>,
}

impl Suite {
    pub(crate) fn new(runtime: Handle, only: Option<String>) -> Self {
        Self { runtime, only, now: Moment::default().plus(STEP), rows: Vec::new() }
    }

    /// When the first call will be made, for machines that are made before.
    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// Measures `call` on one thread and on two, whose copies share what it shares.
    pub(crate) fn bench(
        &mut self,
        what: &'static str,
        peer: &'static str,
        clock: Clock,
        call: impl FnMut(Moment) + Clone + Send + 'static,
    ) {
        self.add(what, peer, clock, vec![Box::new(call.clone())]);
        self.add(what, peer, clock, vec![Box::new(call.clone()), Box::new(call)]);
    }

    /// Measures `call` on one thread: what it calls has one owner.
    pub(crate) fn bench_alone(
        &mut self,
        what: &'static str,
        peer: &'static str,
        clock: Clock,
        call: impl FnMut(Moment) + Send + 'static,
    ) {
        self.add(what, peer, clock, vec![Box::new(call)]);
    }

    /// Measures so many calls in one go, where something has to be set up around a window.
    pub(crate) fn bench_windows(
        &mut self,
        what: &'static str,
        peer: &'static str,
        clock: Clock,
        calls: impl FnMut(u64) + Clone + Send + 'static,
    ) {
        self.add(what, peer, clock, vec![Box::new(Whole(calls.clone()))]);
        self.add(what, peer, clock, vec![Box::new(Whole(calls.clone())), Box::new(Whole(calls))]);
    }

    /// As [`bench_windows`](Self::bench_windows), on one thread.
    pub(crate) fn bench_windows_alone(
        &mut self,
        what: &'static str,
        peer: &'static str,
        clock: Clock,
        calls: impl FnMut(u64) + Send + 'static,
    ) {
        self.add(what, peer, clock, vec![Box::new(Whole(calls))]);
    }

    fn add(
        &mut self,
        what: &'static str,
        peer: &'static str,
        clock: Clock,
        lanes: Vec<Box<dyn Lane>>,
    ) {
        let is_asked_for = |only: &String| only.split(',').any(|word| what.contains(word));
        if self.only.as_ref().is_none_or(is_asked_for) {
            let (calls, nanos_per_call) = (FEW, Vec::new());
            self.rows.push(Row {
                what,
                peer,
                clock,
                lanes,
                calls,
                nanos_per_call,
                allocations: 0.,
            });
        }
    }

    /// Counts what the first thread of each row allocates, apart from all timing.
    pub(crate) fn count_allocations(&mut self) {
        let _entered = self.runtime.enter();
        for row in &mut self.rows {
            let lane = row.lanes.first_mut().expect("a row has a thread");
            lane.run(self.now, FEW);
            self.now = after(FEW, self.now);
            let allocations = allocations::of(|| lane.run(self.now, COUNTED));
            self.now = after(COUNTED, self.now);
            row.allocations = allocations as f64 / COUNTED as f64;
        }
    }

    /// Measures all rows, round by round, and says how far it is.
    pub(crate) fn measure(&mut self, extent: Extent) {
        if !matches!(extent, Extent::Smoke) {
            self.rows.iter_mut().for_each(|row| row.fit(&self.runtime, &mut self.now));
        }
        for round in 1..=extent.rounds() {
            eprint!("\rround {round} of {}, {} rows ", extent.rounds(), self.rows.len());
            let _ = std::io::stderr().flush();
            for row in &mut self.rows {
                for _ in 0..extent.windows_a_round() {
                    let took = row.window(&self.runtime, &mut self.now);
                    row.nanos_per_call.push(took.as_nanos() as f64 / row.calls as f64);
                }
            }
        }
        eprintln!();
    }

    pub(crate) fn results(self) -> Vec<Measured> {
        self.rows.into_iter().map(Row::measured).collect()
    }
}

impl Row {
    /// Finds out how many calls fit into a window.
    fn fit(&mut self, runtime: &Handle, now: &mut Moment) {
        loop {
            let took = self.window(runtime, now);
            if took > WINDOW / 4 {
                let fitting = WINDOW.as_nanos() * u128::from(self.calls) / took.as_nanos();
                self.calls = u64::try_from(fitting).map_or(FEW, |fitting| fitting.max(FEW));
                return;
            }
            self.calls *= 2;
        }
    }

    /// How long each thread took for its calls: of several, from the first one's beginning to the
    /// last one's end, so that a window in which they did not run side by side counts as a slow one.
    fn window(&mut self, runtime: &Handle, now: &mut Moment) -> Duration {
        let (from, calls) = (*now, self.calls);
        *now = after(calls, from);
        if let [lane] = &mut self.lanes[..] {
            let _entered = runtime.enter();
            let begun = Instant::now();
            lane.run(from, calls);
            return begun.elapsed();
        }
        let waiting = AtomicUsize::new(self.lanes.len());
        let run = |lane: &mut dyn Lane| {
            let _entered = runtime.enter();
            waiting.fetch_sub(1, Ordering::AcqRel);
            while waiting.load(Ordering::Acquire) > 0 {
                thread::yield_now();
            }
            let begun = Instant::now();
            lane.run(from, calls);
            (begun, Instant::now())
        };
        let spans: Vec<_> = thread::scope(|scope| {
            let lanes = self.lanes.iter_mut();
            let threads: Vec<_> = lanes.map(|lane| scope.spawn(|| run(&mut **lane))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no lane panics")).collect()
        });
        let begun = spans.iter().map(|span| span.0).min().expect("there are some");
        let ended = spans.iter().map(|span| span.1).max().expect("there are some");
        ended - begun
    }

    fn measured(mut self) -> Measured {
        self.nanos_per_call.sort_by(f64::total_cmp);
        Measured {
            what: self.what,
            peer: self.peer,
            clock: self.clock,
            threads: self.lanes.len(),
            least: self.nanos_per_call.first().copied().unwrap_or_default(),
            median: self
                .nanos_per_call
                .get(self.nanos_per_call.len() / 2)
                .copied()
                .unwrap_or_default(),
            allocations: self.allocations,
        }
    }
}

/// When so many calls have been made, [`STEP`] apart.
fn after(calls: u64, from: Moment) -> Moment {
    from.plus(Duration::from_micros(calls))
}
