//! Three tiers call each other, each with three attempts, and the leaf below them fails. How many
//! times its load does it get?

use std::time::Duration;

use fastrand::Rng;
use rpc_core::Status;
use rpc_core::governance::Moment;
use rpc_core::governance::outcome::Outcome;
use rpc_core::governance::retry::{Budget, BudgetSettings, Facts, NEVER, Retry, RetryPolicy, Stop};
use rpc_core::governance::rules::RetryRule;

use crate::at;

const TIERS: usize = 3;
const PROCESSES: usize = 2;
const SECONDS: f64 = 8.0;
const CALLS_A_SECOND: f64 = 1_000.0;
const TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPT: Duration = Duration::from_millis(1);

pub(crate) struct Run {
    pub(crate) name: &'static str,
    /// Calls that reach the leaf, for each call that was made at the top.
    pub(crate) times: f64,
}

/// What each tier knows of the others.
#[derive(Clone, Copy, Default)]
struct Knows {
    /// It has a budget.
    budget: bool,
    /// A call made while serving a retry is not retried.
    retried_upstream: bool,
    /// Who has spent its budget tells its callers not to retry either.
    spent: bool,
}

pub(crate) fn runs() -> [Run; 5] {
    let budget = Knows { budget: true, ..Knows::default() };
    let no_retry_of_retry = Knows { retried_upstream: true, ..Knows::default() };
    [
        run("nothing", Knows::default()),
        run("no retry of a retry", no_retry_of_retry),
        run("budgets", budget),
        run("both", Knows { budget: true, ..no_retry_of_retry }),
        run(
            "both, and the spent say so",
            Knows { budget: true, retried_upstream: true, spent: true },
        ),
    ]
}

struct System {
    knows: Knows,
    policy: RetryPolicy,
    budgets: Vec<[Budget; PROCESSES]>,
    rng: Rng,
    reached_leaf: u64,
}

fn run(name: &'static str, knows: Knows) -> Run {
    let budget = || Budget::new(BudgetSettings::DEFAULT, at(0.0));
    let mut system = System {
        knows,
        policy: RetryPolicy::new(RetryRule::DEFAULT),
        budgets: (0..TIERS).map(|_| std::array::from_fn(|_| budget())).collect(),
        rng: Rng::with_seed(7),
        reached_leaf: 0,
    };
    let (mut time, mut calls) = (0.0, 0);
    while time < SECONDS {
        let _ = system.call(0, &mut at(time), false);
        time += 1.0 / CALLS_A_SECOND;
        calls += 1;
    }
    Run { name, times: system.reached_leaf as f64 / f64::from(calls) }
}

impl System {
    /// One call of `tier` to the one below; it takes until what `now` is then.
    fn call(&mut self, tier: usize, now: &mut Moment, is_retried_upstream: bool) -> Status {
        if tier == TIERS {
            self.reached_leaf += 1;
            *now = now.plus(ATTEMPT);
            return Status::unavailable("the leaf is ill");
        }
        let began = *now;
        let process = self.rng.usize(..PROCESSES);
        self.budgets[tier][process].deposit(*now);
        let mut attempts = 0;
        loop {
            let is_retry = is_retried_upstream || attempts > 0;
            let failed = self.call(tier + 1, now, is_retry);
            attempts += 1;
            let facts = Facts {
                attempts,
                resends: 0,
                is_idempotent: true,
                is_retried_upstream: is_retried_upstream && self.knows.retried_upstream,
                left: TIMEOUT.saturating_sub(now.since(began)),
            };
            let outcome = Outcome::of_status(&failed);
            let mut retry = self.policy.next(&failed, outcome, &facts, self.rng.f64());
            if self.knows.budget {
                retry = retry.paid_from(&self.budgets[tier][process], *now);
            }
            match retry {
                Retry::Go { after, .. } => *now = now.plus(after),
                Retry::Stop(why) => return self.answer(why),
            }
        }
    }

    /// Each hop speaks for itself: the pushback from below does not pass.
    fn answer(&self, why: Stop) -> Status {
        let own = Status::unavailable("what I need is ill");
        if self.knows.spent && why.silences_callers() { own.with_retry_after(NEVER) } else { own }
    }
}

pub(crate) fn print(runs: &[Run]) {
    println!(
        "\nthree tiers of three attempts over a leaf that fails; calls that reach it for each made"
    );
    for run in runs {
        println!("{:>26} {:>6.2}", run.name, run.times);
    }
}
