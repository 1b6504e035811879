//! What a measurement came to.

use serde::{Deserialize, Serialize};

/// The figures of one measurement; those that it is not about are none. What is counted or used is by
/// call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) calls_per_s: Option<f64>,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) p999_us: Option<f64>,
    pub(crate) server_cpu_us: Option<f64>,
    pub(crate) client_cpu_us: Option<f64>,
    pub(crate) server_syscalls: Option<f64>,
    pub(crate) client_syscalls: Option<f64>,
    pub(crate) server_allocs: Option<f64>,
    pub(crate) client_allocs: Option<f64>,
    /// Memory of the server for a connection that has nothing to do.
    pub(crate) idle_bytes: Option<f64>,
    /// Calls that failed or were answered wrongly, and measurements that failed as a whole.
    pub(crate) errors: u64,
}

impl Figures {
    /// These, with what another measurement of the same has counted.
    pub(crate) fn with_counts_of(self, counted: &Figures) -> Self {
        Self {
            server_syscalls: counted.server_syscalls,
            client_syscalls: counted.client_syscalls,
            server_allocs: counted.server_allocs,
            client_allocs: counted.client_allocs,
            errors: self.errors + counted.errors,
            ..self
        }
    }
}
