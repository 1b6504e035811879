//! A third of the nodes fails every call for a while. How much more do the others get?

use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;
use rpc_core::Status;
use rpc_core::governance::Moment;
use rpc_core::governance::outcome::Outcome;
use rpc_core::governance::retry::{Budget, BudgetSettings, Facts, Retry, RetryPolicy};
use rpc_core::governance::rules::RetryRule;

use crate::at;
use crate::queue::Queue;

pub(crate) const PROCESSES: u32 = 5;
pub(crate) const DURING: Range<usize> = 20..60;
pub(crate) const SECONDS: usize = 70;
const NODES: usize = 9;
const FAILING: usize = 3;
const CALLS_A_SECOND: f64 = 600.0;
const TIMEOUT: Duration = Duration::from_secs(1);
const ATTEMPT: Duration = Duration::from_millis(5);

/// What happened, second by second.
pub(crate) struct Run {
    pub(crate) name: &'static str,
    pub(crate) calls: Vec<u64>,
    pub(crate) at_rest: Vec<u64>,
    pub(crate) retries_at_rest: Vec<u64>,
    pub(crate) retries: u64,
    answered: u64,
}

#[derive(Clone, Copy)]
enum Pays {
    Nobody,
    Budget(BudgetSettings),
}

pub(crate) fn runs() -> [Run; 4] {
    let retry = RetryRule::DEFAULT;
    let finagle = BudgetSettings { saved: Duration::from_secs(10), ..BudgetSettings::DEFAULT };
    [
        run("no retries", RetryRule { attempts: 1, ..retry }, Pays::Nobody),
        run("no budget", retry, Pays::Nobody),
        run("budget", retry, Pays::Budget(BudgetSettings::DEFAULT)),
        run("budget, 10 s saved", retry, Pays::Budget(finagle)),
    ]
}

struct Call {
    process: usize,
    began: Moment,
    attempts: u32,
    tried: Vec<usize>,
}

fn run(name: &'static str, rule: RetryRule, pays: Pays) -> Run {
    let mut rng = Rng::with_seed(7);
    let policy = RetryPolicy::new(rule);
    let budgets: Vec<Budget> = match pays {
        Pays::Nobody => Vec::new(),
        Pays::Budget(settings) => (0..PROCESSES).map(|_| Budget::new(settings, at(0.0))).collect(),
    };
    let counts = || vec![0; SECONDS + 2];
    let mut run = Run {
        name,
        calls: counts(),
        at_rest: counts(),
        retries_at_rest: counts(),
        retries: 0,
        answered: 0,
    };
    let mut queue = Queue::new();
    let mut time = 0.0;
    while time < SECONDS as f64 {
        let process = rng.usize(..PROCESSES as usize);
        let began = at(time);
        queue.push(began, Call { process, began, attempts: 0, tried: Vec::new() });
        time -= (1.0 - rng.f64()).ln() / CALLS_A_SECOND;
    }
    while let Some((now, mut call)) = queue.pop() {
        let second = usize::try_from(now.as_nanos() / 1_000_000_000).expect("within the run");
        if call.attempts == 0 {
            run.calls[second] += 1;
            if let Some(budget) = budgets.get(call.process) {
                budget.deposit(now);
            }
        }
        let untried: Vec<usize> = (0..NODES).filter(|node| !call.tried.contains(node)).collect();
        let node = untried[rng.usize(..untried.len())];
        call.attempts += 1;
        call.tried.push(node);
        if node >= FAILING {
            run.at_rest[second] += 1;
            run.retries_at_rest[second] += u64::from(call.attempts > 1);
        }
        if node >= FAILING || !DURING.contains(&second) {
            run.answered += u64::from(DURING.contains(&second));
            continue;
        }
        let failed = Status::unavailable("the node is ill");
        let ended = now.plus(ATTEMPT);
        let facts = Facts {
            attempts: call.attempts,
            resends: 0,
            is_idempotent: true,
            is_retried_upstream: false,
            left: TIMEOUT.saturating_sub(ended.since(call.began)),
        };
        let mut retry = policy.next(&failed, Outcome::of_status(&failed), &facts, rng.f64());
        if let Some(budget) = budgets.get(call.process) {
            retry = retry.paid_from(budget, ended);
        }
        if let Retry::Go { after, .. } = retry {
            run.retries += 1;
            queue.push(ended.plus(after), call);
        }
    }
    run
}

impl Run {
    fn calls_during(&self) -> u64 {
        self.calls[DURING].iter().sum()
    }

    /// What a budget may pay for in the whole run.
    pub(crate) fn allowed(&self) -> u64 {
        let seconds = DURING.end as u64 + 1;
        self.calls.iter().sum::<u64>() / 5 + u64::from(PROCESSES) * (seconds + 10)
    }

    /// Retries that reached the rest, for each call of the outage.
    pub(crate) fn extra(&self) -> f64 {
        self.retries_at_rest[DURING].iter().sum::<u64>() as f64 / self.calls_during() as f64
    }

    /// The floors of all processes, for each call.
    pub(crate) fn floor_share(&self) -> f64 {
        f64::from(PROCESSES) / CALLS_A_SECOND
    }

    /// How much more the rest got in the worst second, of what it would have got.
    pub(crate) fn worst_rise(&self) -> f64 {
        DURING.map(|second| self.rise(second)).fold(0.0, f64::max)
    }

    pub(crate) fn rise(&self, second: usize) -> f64 {
        let retries = self.retries_at_rest[second] as f64;
        retries / (self.at_rest[second] as f64 - retries).max(1.0)
    }

    pub(crate) fn answered(&self) -> f64 {
        self.answered as f64 / self.calls_during() as f64
    }
}

pub(crate) fn print(runs: &[Run]) {
    println!("\na third of the nodes fails; what the rest gets on top of its own load");
    println!(
        "{:>20} {:>9} {:>12} {:>12} {:>9}",
        "", "mean", "first second", "worst second", "answered"
    );
    for run in runs {
        let own: u64 = DURING.map(|second| run.at_rest[second] - run.retries_at_rest[second]).sum();
        let retries: u64 = run.retries_at_rest[DURING].iter().sum();
        println!(
            "{:>20} {:>8.1}% {:>11.1}% {:>11.1}% {:>8.1}%",
            run.name,
            100.0 * retries as f64 / own as f64,
            100.0 * run.rise(DURING.start),
            100.0 * run.worst_rise(),
            100.0 * run.answered(),
        );
    }
}
