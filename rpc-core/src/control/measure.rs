//! How busy the CPU is, for the adaptive limits of servers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::governance::{Governance, Inner, lock};
use crate::governance::Moment;
use crate::governance::adaptive::Adaptive;
use crate::governance::adaptive::cpu::{self, CpuMeter};

impl Governance {
    /// Has the CPU measured, if a limit wants to know how busy that is.
    pub(super) fn measure(&self) {
        let runtime = lock(&self.0.runtime);
        if let Some(runtime) = &*runtime
            && !self.adaptive_limits().is_empty()
            && !self.0.is_measured.swap(true, Ordering::SeqCst)
        {
            runtime.spawn(measure(Arc::downgrade(&self.0), self.0.alive.subscribe()));
        }
    }

    /// The limits of servers that want to know how busy the CPU is.
    fn adaptive_limits(&self) -> Vec<Arc<Adaptive>> {
        let servers = self.served().all();
        let steps = servers.iter().filter_map(|method| method.governed());
        steps.filter_map(|steps| steps.concurrency.as_ref()?.adaptive().cloned()).collect()
    }
}

/// How often the CPU is looked at: go-zero's quarter of a second.
const MEASURED_EVERY: Duration = Duration::from_millis(250);

/// Tells adaptive limits how busy the CPU is, for as long as a server has any.
async fn measure(inner: Weak<Inner>, mut alive: watch::Receiver<()>) {
    let _unmeasured = Unmeasured(inner.clone());
    let mut meter = CpuMeter::default();
    loop {
        tokio::select! {
            () = sleep(MEASURED_EVERY) => {}
            _ = alive.changed() => return,
        }
        let Some(governance) = inner.upgrade().map(Governance) else { return };
        if governance.adaptive_limits().is_empty() {
            governance.0.is_measured.store(false, Ordering::SeqCst);
            // Unless one has come since it was looked, and nobody else takes that on.
            if governance.adaptive_limits().is_empty()
                || governance.0.is_measured.swap(true, Ordering::SeqCst)
            {
                return;
            }
        }
        let reading = spawn_blocking(|| cpu::read("/".as_ref())).await.ok().flatten();
        let share = meter.observe(reading, Moment::now());
        governance
            .adaptive_limits()
            .iter()
            .for_each(|limit| limit.observe_cpu(share, Moment::now()));
    }
}

/// Dropped with its runtime, it leaves the measuring to a server of another one.
struct Unmeasured(Weak<Inner>);

impl Drop for Unmeasured {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.is_measured.store(false, Ordering::SeqCst);
        }
    }
}
