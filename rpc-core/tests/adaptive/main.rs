//! What adaptive limits do to a server under too much load, compared with no limit and with fixed
//! ones. Simulated ([`sim`]), so these are facts about the algorithms and not about the machine.
//!
//! `cargo test -p rpc-core --test adaptive -- --nocapture` prints the table; with `PLOT_DIR` set to a
//! folder it also draws `adaptive.svg` there, which is what `docs/adaptive.svg` is.

mod plot;
mod sim;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::{Guard, Phase, Second, Service, goodput, p99, refused};

const SERVICES: [Service; 3] = [Service::Even, Service::Exponential, Service::RareSlow];
const ADAPTIVE: [Guard; 2] = [Guard::Gradient, Guard::Bbr];
const SEEDS: std::ops::Range<u64> = 0..2;

/// Five quiet seconds, ten under load, ten quiet ones. Tests that look at the same storm share it.
fn storm(service: Service, guard: Guard, load: f64, seed: u64) -> Arc<Vec<Second>> {
    type Key = (Service, Guard, f64, u64);
    static KNOWN: Mutex<Vec<(Key, Arc<Vec<Second>>)>> = Mutex::new(Vec::new());
    let key = (service, guard, load, seed);
    let known = || KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, seconds)) = known().iter().find(|(other, _)| *other == key) {
        return seconds.clone();
    }
    let until = Duration::from_secs;
    let phases = [
        Phase { load: 0.5, until: until(5) },
        Phase { load, until: until(15) },
        Phase { load: 0.5, until: until(25) },
    ];
    let seconds = Arc::new(sim::run(service, guard, &phases, seed));
    known().push((key, seconds.clone()));
    seconds
}

/// Without the first two seconds, in which a limit finds out.
fn under_load(seconds: &[Second]) -> &[Second] {
    &seconds[6..15]
}

/// Of calls that nobody else is in the way of.
fn unloaded_p99(service: Service) -> f64 {
    let phase = Phase { load: 0.2, until: Duration::from_secs(30) };
    p99(&sim::run(service, Guard::None, &[phase], 99))
}

fn each(guards: &[Guard], mut check: impl FnMut(Service, Guard, u64)) {
    for service in SERVICES {
        for guard in guards {
            SEEDS.for_each(|seed| check(service, *guard, seed));
        }
    }
}

#[test]
fn under_overload_nine_tenths_of_the_capacity_go_into_answers() {
    each(&ADAPTIVE, |service, guard, seed| {
        for load in [1.0, 2.0, 5.0] {
            let good = goodput(under_load(&storm(service, guard, load, seed)));
            assert!(good >= 0.9, "{good:.3} at {load}, {service:?} {guard:?} {seed}");
        }
    });
}

#[test]
fn who_is_let_in_waits_for_no_more_than_twice_the_unloaded_time() {
    each(&ADAPTIVE, |service, guard, seed| {
        let unloaded = unloaded_p99(service);
        for load in [0.5, 1.0, 2.0, 5.0] {
            let p99 = p99(under_load(&storm(service, guard, load, seed)));
            assert!(
                p99 <= 2.0 * unloaded,
                "{p99:.1} ms, unloaded {unloaded:.1} ms, at {load}, {service:?} {guard:?} {seed}"
            );
        }
    });
}

#[test]
fn nobody_is_refused_at_half_load() {
    each(&ADAPTIVE, |service, guard, seed| {
        let seconds = storm(service, guard, 0.5, seed);
        assert!(refused(&seconds) < 0.001, "{} {service:?} {guard:?} {seed}", refused(&seconds));
    });
}

#[test]
fn it_recovers_within_five_seconds() {
    each(&ADAPTIVE, |service, guard, seed| {
        let seconds = storm(service, guard, 5.0, seed);
        let after = &seconds[20..];
        let (good, refused) = (goodput(after), refused(after));
        assert!(good > 0.45 && refused < 0.01, "{good} {refused} {service:?} {guard:?} {seed}");
        assert!(p99(after) <= 1.5 * unloaded_p99(service));
    });
}

/// Or else the tests above would say nothing.
#[test]
fn without_a_limit_the_server_collapses_and_stays_so() {
    each(&[Guard::None], |service, guard, seed| {
        let seconds = storm(service, guard, 2.0, seed);
        assert!(goodput(&seconds[7..15]) < 0.05, "{service:?}");
        assert!(goodput(&seconds[15..20]) < 0.05, "{service:?}: it works for those who have left");
    });
}

#[test]
fn a_fixed_limit_is_too_high_or_too_low() {
    let storm = |max| storm(Service::Even, Guard::Fixed(max), 2.0, 0);
    assert!(p99(under_load(&storm(200))) > 5.0 * unloaded_p99(Service::Even));
    assert!(goodput(under_load(&storm(8))) < 0.6);
}

#[test]
fn long_overload_does_not_raise_the_baseline() {
    let phases = [
        Phase { load: 0.5, until: Duration::from_secs(10) },
        Phase { load: 2.0, until: Duration::from_secs(300) },
    ];
    for guard in ADAPTIVE {
        let seconds = sim::run(Service::Exponential, guard, &phases, 7);
        let baseline = seconds.last().and_then(|last| last.baseline).expect("known");
        // BBR takes the queue for the service until the CPU is seen to be busy, for half a second.
        assert!(baseline < sim::MEAN.mul_f64(1.2), "{baseline:?} {guard:?}");
        let late = &seconds[200..];
        assert!(p99(late) < 2.0 * unloaded_p99(Service::Exponential));
        assert!(goodput(late) > 0.9);
    }
}

#[test]
fn oscillating_traffic_is_served_and_the_limit_does_not_stick_to_its_peak() {
    let phases: Vec<_> = (1..=40)
        .map(|second| Phase {
            load: if second % 2 == 0 { 3.0 } else { 0.3 },
            until: Duration::from_secs(second),
        })
        .collect();
    for guard in ADAPTIVE {
        let seconds = sim::run(Service::Exponential, guard, &phases, 3);
        let late = &seconds[20..];
        let good = goodput(late);
        assert!(good > 0.9 * (1.0 + 0.3) / 2.0, "{good} {guard:?}");
        if guard == Guard::Gradient {
            assert!(late.iter().all(|second| second.limit < 3 * sim::WORKERS), "{guard:?}");
        }
    }
}

/// Its first twenty calls are five times as many as the narrowest of these servers works on.
#[test]
fn a_server_that_starts_under_overload_does_not_take_the_queue_for_the_work() {
    each(&ADAPTIVE, |service, guard, seed| {
        for (workers, load) in [(4, 2.0), (4, 5.0), (8, 2.0), (8, 5.0), (16, 2.0), (16, 5.0)] {
            let phase = Phase { load, until: Duration::from_secs(12) };
            let seconds = sim::run_of(workers, service, guard, &[phase], seed);
            let settled = &seconds[3..];
            let good = sim::goodput_of(workers, settled);
            let times = p99(settled) / unloaded_p99(service);
            let case = format!("{workers} workers at {load}, {service:?} {guard:?} {seed}");
            assert!(good >= 0.9, "{good:.3}, {case}");
            assert!(times <= 2.0, "{times:.2}, {case}");
        }
    });
}

#[test]
fn long_overload_does_not_lower_the_baseline_until_workers_are_idle() {
    let phases = [
        Phase { load: 0.1, until: Duration::from_secs(5) },
        Phase { load: 2.0, until: Duration::from_secs(300) },
    ];
    let seconds = sim::run_of(2, Service::Exponential, Guard::Bbr, &phases, 0);
    let baseline = seconds.last().and_then(|last| last.baseline).expect("known");
    assert!(baseline > sim::MEAN.mul_f64(0.9), "{baseline:?}");
    let good = sim::goodput_of(2, &seconds[150..]);
    assert!(good > 0.9, "{good}");
}

#[test]
fn the_table() {
    let guards = [
        ("no limit", Guard::None),
        ("fixed 200", Guard::Fixed(200)),
        ("gradient", Guard::Gradient),
        ("bbr", Guard::Bbr),
    ];
    let plot_dir = std::env::var_os("PLOT_DIR");
    let loads: &[f64] = match plot_dir {
        Some(_) => &[0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0],
        None => &[0.5, 1.0, 2.0, 5.0],
    };
    let mut curves = Vec::new();
    for service in SERVICES {
        println!("{service:?}: unloaded p99 {:.1} ms", unloaded_p99(service));
        println!(
            "  {:<10} {:>5} {:>8} {:>10} {:>8} {:>5}",
            "", "load", "goodput", "p99", "refused", "limit"
        );
        for (name, guard) in guards {
            let mut points = Vec::new();
            for &load in loads {
                let seconds = storm(service, guard, load, 0);
                let steady = under_load(&seconds);
                let (good, p99) = (goodput(steady), p99(steady));
                points.push((load, good, p99));
                let limit = steady.last().map_or(0, |second| second.limit);
                println!(
                    "  {name:<10} {load:>5} {:>7.1}% {p99:>7.1} ms {:>7.1}% {limit:>5}",
                    good * 100.0,
                    refused(steady) * 100.0,
                );
            }
            if service == Service::Exponential {
                curves.push(plot::Curve { name, points });
            }
        }
    }
    if let Some(dir) = plot_dir {
        let file = std::path::Path::new(&dir).join("adaptive.svg");
        std::fs::write(&file, plot::svg(&curves)).expect("PLOT_DIR is a folder");
    }
}
