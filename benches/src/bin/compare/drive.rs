//! The child that calls: so many tasks, each with one call in flight at any time, whose answer is its
//! next request. No peer pays for making or cloning a message, and none is spared the waiting.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::child::Endpoints;
use crate::control::Control;
use crate::peer::{Ball, Caller, Peer};
use crate::plan::Measurement;
use crate::recorder::Recorder;
use crate::{Failure, cpu, runtime};

/// The driver's CPU; the server has the other one.
const CPU: usize = 1;

/// What one measurement came to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) calls_per_s: f64,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) p999_us: Option<f64>,
    pub(crate) server_cpu_us: f64,
    pub(crate) client_cpu_us: f64,
    pub(crate) errors: u64,
}

pub(crate) fn run(measurement: &Measurement, server: Endpoints) -> Result<(), Failure> {
    cpu::pin(CPU)?;
    let runtime = runtime::of_client(measurement)?;
    let outcome = runtime.block_on(measurement.contender.drive(*measurement, server))?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

/// Drives one peer.
pub(crate) async fn drive<P: Peer>(
    measurement: Measurement,
    server: Endpoints,
) -> Result<Outcome, Failure> {
    let load = measurement.cell.load;
    let mut control = Control::connect(server.control)?;
    let callers = P::connect(server.peer, load).await?;
    let recorder = Arc::new(Recorder::new());
    for (task, caller) in (0_u64..).zip(callers) {
        tokio::spawn(volley(caller, task << 32, measurement.cell.payload_bytes, recorder.clone()));
    }
    sleep(measurement.warm_up).await;

    let server_before = control.used()?;
    let client_before = cpu::used();
    let begun = Instant::now();
    recorder.open(begun);
    sleep(measurement.window).await;
    recorder.close();
    let elapsed = begun.elapsed();
    let client_cpu = cpu::used() - client_before;
    let server_cpu = control.used()?.cpu - server_before.cpu;

    let counts = recorder.counts();
    if counts.calls == 0 {
        return Err("not a single call was answered".into());
    }
    let calls = counts.calls as f64;
    Ok(Outcome {
        calls_per_s: calls / elapsed.as_secs_f64(),
        p50_us: counts.quantile_us(0.5),
        p99_us: counts.quantile_us(0.99),
        p999_us: counts.quantile_us(0.999),
        server_cpu_us: server_cpu.as_secs_f64() * 1e6 / calls,
        client_cpu_us: client_cpu.as_secs_f64() * 1e6 / calls,
        errors: counts.errors,
    })
}

/// One call after the other, until the runtime is dropped.
async fn volley<C: Caller>(caller: C, first: u64, payload_bytes: usize, recorder: Arc<Recorder>) {
    let mut id = first;
    let mut ball = C::Ball::new(id, payload_bytes);
    // The end of a call is the begin of the next: one look at the clock a call.
    let mut begun = Instant::now();
    loop {
        let answer = caller.call(ball).await;
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
