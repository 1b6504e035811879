//! So many tasks, each with one call in flight at any time, whose answer is its next request. No peer
//! pays for making or cloning a message, and none is spared the waiting.

use std::process;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};

use crate::cell::{Load, Measurement, Scenario};
use crate::child::Endpoints;
use crate::control::Control;
use crate::figures::Figures;
use crate::peer::{Ball, Caller, Peer};
use crate::recorder::Recorder;
use crate::syscalls::Counter;
use crate::{Failure, allocations, usage};

pub(crate) fn measure<P: Peer>(
    runtime: &Runtime,
    measurement: &Measurement,
    server: Endpoints,
) -> Result<Figures, Failure> {
    let mut control = Control::connect(server.control)?;
    let recorder = Arc::new(Recorder::new());
    runtime.block_on(async {
        start::<P>(measurement, server, &recorder).await?;
        sleep(measurement.warm_up).await;
        Ok::<_, Failure>(())
    })?;

    let attach = |process| measurement.counted.then(|| Counter::attach(process)).flatten();
    let (server_syscalls, client_syscalls) = (attach(server.process), attach(process::id()));
    let server_before = control.used()?;
    let client_before = usage::cpu();
    let begun = Instant::now();
    recorder.open(begun);
    let window = || runtime.block_on(async { sleep(measurement.window).await });
    let client_allocations = if measurement.counted {
        Some(allocations::of(window))
    } else {
        window();
        None
    };
    recorder.close();
    let elapsed = begun.elapsed();
    let client_cpu = usage::cpu() - client_before;
    let server_after = control.used()?;

    let counts = recorder.counts();
    if counts.calls == 0 {
        return Err("not a single call was answered well".into());
    }
    let calls = counts.calls as f64;
    let cpu_us = |used: Duration| Some(used.as_secs_f64() * 1e6 / calls);
    let each = |count: Option<u64>| Some(count? as f64 / calls);
    Ok(Figures {
        calls_per_s: Some(calls / elapsed.as_secs_f64()),
        p50_us: counts.quantile_us(0.5),
        p99_us: counts.quantile_us(0.99),
        p999_us: counts.quantile_us(0.999),
        server_cpu_us: cpu_us(server_after.cpu - server_before.cpu),
        client_cpu_us: cpu_us(client_cpu),
        server_syscalls: each(server_syscalls.and_then(Counter::finish)),
        client_syscalls: each(client_syscalls.and_then(Counter::finish)),
        server_allocs: each(server_after.allocations),
        client_allocs: each(client_allocations),
        idle_bytes: None,
        errors: counts.errors,
    })
}

/// Starts the tasks, whose calls count as the scenario has it.
async fn start<P: Peer>(
    measurement: &Measurement,
    server: Endpoints,
    recorder: &Arc<Recorder>,
) -> Result<(), Failure> {
    let cell = measurement.cell;
    let beside = usize::from(cell.scenario == Scenario::Mixed);
    let load = Load { in_flight: cell.load.in_flight + beside, ..cell.load };
    let mut callers = P::connect(server.peer, load).await?;
    // What it does is not recorded where the others are.
    for caller in callers.drain(..beside) {
        let aside = Arc::new(Recorder::new());
        tokio::spawn(volley(caller, Kind::Compute, u64::MAX << 32, cell.payload_bytes, aside));
    }
    let kind = match cell.scenario {
        Scenario::Compute => Kind::Compute,
        _ => Kind::Echo,
    };
    for (task, caller) in (0_u64..).zip(callers) {
        tokio::spawn(volley(caller, kind, task << 32, cell.payload_bytes, recorder.clone()));
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Kind {
    Echo,
    Compute,
}

/// One call after the other, until the runtime is dropped.
async fn volley<C: Caller>(
    caller: C,
    kind: Kind,
    first: u64,
    payload_bytes: usize,
    recorder: Arc<Recorder>,
) {
    let mut id = first;
    let mut ball = C::Ball::new(id, payload_bytes);
    // The end of a call is the begin of the next: one look at the clock a call.
    let mut begun = Instant::now();
    loop {
        let answer = match kind {
            Kind::Echo => caller.call(ball).await,
            Kind::Compute => caller.compute(ball).await,
        };
        let ended = Instant::now();
        ball = match answer {
            Ok(answer) if answer.id() == id && answer.payload_bytes() == payload_bytes => {
                recorder.success(begun, ended);
                answer
            }
            _ => {
                recorder.error();
                // A peer that fails at once would otherwise keep the driver from everything else.
                tokio::task::yield_now().await;
                C::Ball::new(id, payload_bytes)
            }
        };
        id += 1;
        ball.set_id(id);
        begun = ended;
    }
}
