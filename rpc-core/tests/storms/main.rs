//! What retries and hedges do to a system in trouble, in made-up time and with the machines
//! themselves. Each storm is a table, asserted here and printed with `--nocapture`; with
//! `PLOT_DIR` set, `storms.svg` is written there (the committed one is `docs/storms.svg`).

mod outage;
mod plot;
mod queue;
mod swallow;
mod tiers;

use std::time::Duration;

use rpc_core::governance::Moment;

fn at(seconds: f64) -> Moment {
    Moment::default().plus(Duration::from_secs_f64(seconds))
}

#[test]
fn a_third_of_the_nodes_fails_and_the_rest_gets_no_more_than_the_budget() {
    let runs = outage::runs();
    outage::print(&runs);
    let [none, unbounded, budget, saving] = &runs;

    // Every failed call tries again: 1/3 and 2/8 of that, of which most goes to the rest.
    assert!(unbounded.extra() > 0.30, "{}", unbounded.extra());
    assert!(unbounded.worst_rise() > 0.45, "of the rest's own load");
    for run in [budget, saving] {
        assert!(run.retries <= run.allowed(), "{} of {}", run.retries, run.allowed());
        assert!(run.extra() <= 0.2 + run.floor_share(), "{}", run.extra());
    }
    for second in outage::DURING {
        let allowed = 0.2 * budget.calls[second] as f64 + f64::from(outage::PROCESSES);
        // A second's worth may have been saved up, and it is spent in the first one or two.
        let saved = if second < outage::DURING.start + 2 { allowed } else { 0.0 };
        let slack = 0.05 * allowed; // what was still waiting for its pause
        let extra = budget.retries_at_rest[second] as f64;
        assert!(extra <= allowed + saved + slack, "{extra} in second {second}");
    }
    assert!(budget.answered() > none.answered() + 0.1, "it is worth having");
    let rises = |run: &outage::Run| run.rise(outage::DURING.start + 3);
    assert!(rises(saving) > 0.3 && rises(budget) < 0.3, "what was saved up is spent at once");
}

#[test]
fn three_tiers_of_three_attempts_multiply_unless_each_knows_of_the_others() {
    let runs = tiers::runs();
    tiers::print(&runs);
    let [nothing, no_retry_of_retry, budgets, both, all] = runs.map(|run| run.times);
    assert!((nothing - 27.0).abs() < 1e-9, "{nothing}");
    assert!((no_retry_of_retry - 7.0).abs() < 1e-9, "{no_retry_of_retry}");
    assert!((1.70..1.80).contains(&budgets), "1.2³ and the floors: {budgets}");
    // Each tier still spends all of its own, on calls that are not retries.
    assert!((1.70..1.80).contains(&both), "{both}");
    assert!(all <= 1.5, "{all}");
}

#[test]
fn a_node_that_swallows_calls_shows_in_its_samples_though_hedges_hide_it() {
    let runs = swallow::runs();
    swallow::print(&runs);
    let [left_out, counted] = &runs;

    let swallower = left_out.swallower();
    assert_eq!(swallower.samples, 0, "as if nobody had called it");
    assert!(swallower.attempts > 500, "{}", swallower.attempts);

    let swallower = counted.swallower();
    assert!(swallower.samples > 100, "{}", swallower.samples);
    let median = swallower.median.expect("samples");
    for other in counted.others() {
        assert!(median > 2 * other.median.expect("samples"), "{median:?} of the one that swallows");
    }
    assert!(counted.delay >= left_out.delay, "survivors alone look faster than the truth");
    for run in &runs {
        assert!(run.hedges as f64 <= 0.2 * run.calls as f64 + f64::from(swallow::SECONDS) + 10.0);
    }
}

#[test]
fn the_plot_is_written_where_one_asks_for_it() {
    let Some(dir) = std::env::var_os("PLOT_DIR") else { return };
    let svg = plot::svg(&outage::runs(), &tiers::runs(), &swallow::runs());
    let file = std::path::Path::new(&dir).join("storms.svg");
    std::fs::write(&file, svg).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
