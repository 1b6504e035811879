//! One node of ten takes calls and never answers. Hedges save the callers; who tells of the node?

use std::time::Duration;

use fastrand::Rng;
use rpc_core::governance::Moment;
use rpc_core::governance::hedge::{Hedge, Latencies};
use rpc_core::governance::outcome::Sample;
use rpc_core::governance::retry::Budget;
use rpc_core::governance::rules::{HedgeRule, Share};

use crate::at;
use crate::queue::Queue;

pub(crate) const SECONDS: u32 = 60;
const FROM: f64 = 20.0;
const NODES: usize = 10;
/// The one that swallows.
const SWALLOWER: usize = 0;
const CALLS_A_SECOND: f64 = 300.0;
const TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) nodes: Vec<Node>,
    pub(crate) calls: u64,
    pub(crate) hedges: u64,
    /// After which hedges join in the end.
    pub(crate) delay: Duration,
    /// The time in which 99 % of calls were over since it began.
    pub(crate) p99: Duration,
    pub(crate) timed_out: u64,
}

/// What is known of a node in the end.
pub(crate) struct Node {
    /// Since it began.
    pub(crate) attempts: u64,
    /// Of the last while.
    pub(crate) samples: u64,
    pub(crate) median: Option<Duration>,
}

impl Run {
    pub(crate) fn swallower(&self) -> &Node {
        &self.nodes[SWALLOWER]
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().skip(1)
    }
}

pub(crate) fn runs() -> [Run; 2] {
    [run("left out", false), run("counted", true)]
}

enum Event {
    Begin,
    /// The delay of this call is over.
    Hedge(usize),
    /// This attempt of this call answers.
    Answer(usize, usize),
    TimeOut(usize),
    /// Someone looks at the numbers.
    Look,
}

struct Call {
    began: Moment,
    /// Nodes and when they were asked; none any more when it is over.
    attempts: Vec<(usize, Moment)>,
}

fn run(name: &'static str, counts_abandoned: bool) -> Run {
    let mut rng = Rng::with_seed(7);
    let budget = Budget::default();
    let hedge = Hedge::new(HedgeRule::DEFAULT, at(0.0));
    let latencies: Vec<Latencies> = (0..NODES).map(|_| Latencies::new(at(0.0))).collect();
    let mut attempts = [0; NODES];
    let mut calls: Vec<Call> = Vec::new();
    let mut took = Vec::new();
    let (mut hedges, mut timed_out) = (0, 0);
    let mut queue = Queue::new();
    let mut time = 0.0;
    while time < f64::from(SECONDS) {
        queue.push(at(time), Event::Begin);
        time -= (1.0 - rng.f64()).ln() / CALLS_A_SECOND;
    }
    (0..=SECONDS).for_each(|second| queue.push(at(f64::from(second)), Event::Look));

    let mut send = |queue: &mut Queue<Event>, call: &mut Call, index: usize, now: Moment| {
        let tried = |node: &usize| call.attempts.iter().any(|(other, _)| other == node);
        let untried: Vec<usize> = (0..NODES).filter(|node| !tried(node)).collect();
        let node = untried[rng.usize(..untried.len())];
        attempts[node] += u64::from(now >= at(FROM));
        // Two milliseconds and an exponential tail.
        let takes = Duration::from_secs_f64(0.002 - 0.003 * (1.0 - rng.f64()).ln());
        if node != SWALLOWER || now < at(FROM) {
            queue.push(now.plus(takes), Event::Answer(index, call.attempts.len()));
        }
        call.attempts.push((node, now));
    };

    while let Some((now, event)) = queue.pop() {
        let ended = match event {
            Event::Begin => {
                budget.deposit(now);
                let mut call = Call { began: now, attempts: Vec::new() };
                let index = calls.len();
                send(&mut queue, &mut call, index, now);
                if let Some(after) = hedge.after(0, now) {
                    queue.push(now.plus(after), Event::Hedge(index));
                }
                queue.push(now.plus(TIMEOUT), Event::TimeOut(index));
                calls.push(call);
                continue;
            }
            Event::Hedge(index) => {
                if !calls[index].attempts.is_empty() && budget.withdraw(now) {
                    hedges += 1;
                    send(&mut queue, &mut calls[index], index, now);
                }
                continue;
            }
            Event::Look => {
                latencies.iter().for_each(|node| _ = node.count(now));
                continue;
            }
            Event::Answer(index, attempt) => (index, Some(attempt)),
            Event::TimeOut(index) => (index, None),
        };
        let (index, winner) = ended;
        let call = &mut calls[index];
        if call.attempts.is_empty() {
            continue;
        }
        if call.began >= at(FROM) {
            took.push(now.since(call.began));
            timed_out += u64::from(winner.is_none());
        }
        for (attempt, (node, since)) in call.attempts.drain(..).enumerate() {
            let waited = now.since(since);
            let sample = if winner == Some(attempt) { Sample::Exact } else { Sample::AtLeast };
            if sample == Sample::Exact || counts_abandoned {
                hedge.record(sample, waited, now);
                latencies[node].record(waited);
            }
        }
    }

    let end = at(f64::from(SECONDS));
    took.sort_unstable();
    let half = Share::from_percent(50);
    let node = |(node, attempts): (&Latencies, u64)| Node {
        attempts,
        samples: node.count(end),
        median: node.percentile(half, end),
    };
    Run {
        name,
        nodes: latencies.iter().zip(attempts).map(node).collect(),
        calls: calls.len() as u64,
        hedges,
        delay: hedge.after(0, end).expect("it has had samples enough"),
        p99: took[took.len() * 99 / 100],
        timed_out,
    }
}

pub(crate) fn print(runs: &[Run]) {
    println!(
        "\none node of ten swallows calls, hedged after p95; attempts that were given up are .."
    );
    println!(
        "{:>10} {:>24} {:>20} {:>20} {:>12} {:>10} {:>8} {:>9}",
        "",
        "the node: attempts",
        "samples",
        "median (of others)",
        "hedge after",
        "hedges",
        "p99",
        "timed out"
    );
    for run in runs {
        let (swallower, other) = (run.swallower(), run.others().next().expect("ten nodes"));
        let median =
            |node: &Node| node.median.map_or("none".into(), |median| format!("{median:.1?}"));
        println!(
            "{:>10} {:>24} {:>20} {:>20} {:>12} {:>9.1}% {:>8} {:>9}",
            run.name,
            swallower.attempts,
            swallower.samples,
            format!("{} ({})", median(swallower), median(other)),
            format!("{:.1?}", run.delay),
            100.0 * run.hedges as f64 / run.calls as f64,
            format!("{:.1?}", run.p99),
            run.timed_out,
        );
    }
}
