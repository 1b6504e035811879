//! What is measured, how often, and in which order.

use std::time::Duration;

use crate::cell::{Cell, Load, Scenario};
use crate::peer::Contender;
use crate::usage;

/// One cell, measured for some contenders.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) cell: Cell,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) rounds: u32,
    pub(crate) window: Duration,
    /// Allocations and system calls are counted too, once.
    pub(crate) counted: bool,
}

/// How thorough it is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All payloads, calls in flight and connections.
    #[default]
    Full,
    /// Enough to judge by, in less than three minutes.
    Quick,
    /// That everything works, in a few seconds.
    Smoke,
}

/// Connections of the scenario `idle`, if the system allows as many.
const IDLE: usize = 10_000;
/// Files that a process has open besides its connections, with a margin.
const OTHER_FILES: u64 = 100;

const LOADS: [(usize, usize); 7] = [(1, 1), (16, 1), (64, 1), (256, 1), (16, 4), (64, 4), (256, 4)];

/// The steps of a run.
pub(crate) fn steps(extent: Extent) -> Vec<Step> {
    let all = LOADS.map(|(in_flight, connections)| Load::new(in_flight, connections));
    let ms = Duration::from_millis;
    match extent {
        Extent::Full => {
            let mut steps = echoes(&[32, 1024, 16_384], &all, 3, ms(1000));
            steps.push(governed(7, ms(1000)));
            steps.extend(about_workers(3, ms(1000)));
            steps.extend(idle(IDLE, ms(1000)));
            steps
        }
        Extent::Quick => {
            let judged = [Load::new(1, 1), Load::new(64, 1), Load::new(256, 4)];
            let others = [Load::new(16, 1), Load::new(256, 1), Load::new(64, 4)];
            let mut steps = echoes(&[32], &judged, 3, ms(300));
            steps.extend(uncounted(echoes(&[32], &others, 2, ms(250))));
            steps.extend(uncounted(echoes(&[1024, 16_384], &[Load::new(64, 1)], 2, ms(250))));
            steps.push(governed(5, ms(300)));
            steps.extend(about_workers(2, ms(400)));
            steps.extend(idle(IDLE, ms(300)).map(among(&["ours/protobuf", "raw-msg", "rest"])));
            steps
        }
        Extent::Smoke => {
            let mut steps = echoes(&[32], &[Load::new(16, 4)], 1, ms(50));
            steps.push(governed(1, ms(50)));
            steps.extend(about_workers(1, ms(50)));
            steps.extend(idle(50, ms(50)));
            steps
        }
    }
}

/// Nothing but echoes, by everyone.
pub(crate) fn echoes(
    payloads: &[usize],
    loads: &[Load],
    rounds: u32,
    window: Duration,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for &payload_bytes in payloads {
        for &load in loads {
            let cell = Cell { scenario: Scenario::Echo, payload_bytes, load, workers: 1 };
            let contenders = Contender::all();
            steps.push(Step { cell, contenders, rounds, window, counted: true });
        }
    }
    steps
}

fn uncounted(mut steps: Vec<Step>) -> Vec<Step> {
    for step in &mut steps {
        step.counted = false;
    }
    steps
}

/// A step for these peers only.
fn among(names: &'static [&'static str]) -> impl Fn(Step) -> Step {
    |mut step| {
        step.contenders.retain(|one| names.iter().any(|name| one.is_named(name)));
        step
    }
}

/// What all rules together cost, beside none.
fn governed(rounds: u32, window: Duration) -> Step {
    let cell = Cell {
        scenario: Scenario::Governed,
        payload_bytes: 32,
        load: Load::new(64, 1),
        workers: 1,
    };
    Step { cell, contenders: Contender::governed(), rounds, window, counted: true }
}

/// What handlers that compute do to each other and to others.
fn about_workers(rounds: u32, window: Duration) -> Vec<Step> {
    let cell =
        |scenario, workers| Cell { scenario, payload_bytes: 32, load: Load::new(16, 1), workers };
    [
        cell(Scenario::Compute, 1),
        cell(Scenario::Compute, 2),
        cell(Scenario::MixedIdle, 2),
        cell(Scenario::Mixed, 2),
    ]
    .into_iter()
    .map(|cell| {
        let mut contenders = Contender::all();
        contenders.retain(|contender| contender.computes());
        Step { cell, contenders, rounds, window, counted: false }
    })
    .collect()
}

/// What connections cost that do nothing.
fn idle(connections: usize, window: Duration) -> Option<Step> {
    let allowed = usize::try_from(usage::max_open_files().saturating_sub(OTHER_FILES));
    let load = Load::new(0, connections.min(allowed.unwrap_or(usize::MAX)));
    let cell = Cell { scenario: Scenario::Idle, payload_bytes: 32, load, workers: 1 };
    let contenders = Contender::all();
    (load.connections > 0).then_some(Step { cell, contenders, rounds: 1, window, counted: false })
}

/// The contenders of a round: each round begins with another one, so that none of them is always
/// measured when the machine is in the same mood.
pub(crate) fn rotated(contenders: &[Contender], round: u32) -> Vec<Contender> {
    let mut order = contenders.to_vec();
    if !order.is_empty() {
        order.rotate_left(round as usize % contenders.len());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::{Extent, rotated, steps};
    use crate::cell::{Load, Scenario};
    use crate::peer::Contender;

    #[test]
    fn every_contender_begins_a_round() {
        let all = Contender::all();
        let rounds = (0..).take(all.len());
        let firsts: Vec<_> = rounds.map(|round| rotated(&all, round)[0].to_string()).collect();
        assert_eq!(firsts, all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(rotated(&[], 3).is_empty());
    }

    #[test]
    fn a_quick_run_has_what_is_judged_and_every_scenario() {
        let steps = steps(Extent::Quick);
        for (load, payload_bytes) in
            [((1, 1), 32), ((64, 1), 32), ((256, 4), 32), ((64, 1), 16_384)]
        {
            let wanted = Load::new(load.0, load.1);
            let step = steps
                .iter()
                .find(|step| (step.cell.load, step.cell.payload_bytes) == (wanted, payload_bytes));
            let step = step.unwrap_or_else(|| panic!("{wanted} with {payload_bytes} B"));
            assert!(step.rounds >= 2 && step.contenders.len() == Contender::all().len());
        }
        for scenario in [
            Scenario::Compute,
            Scenario::Mixed,
            Scenario::MixedIdle,
            Scenario::Governed,
            Scenario::Idle,
        ] {
            assert!(steps.iter().any(|step| step.cell.scenario == scenario), "{scenario:?}");
        }
    }
}
