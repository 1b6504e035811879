//! What people look at: counters per method, always on.

mod cost;
mod stats;

pub(crate) use cost::Cost;
pub use stats::MethodStats;
pub(crate) use stats::{Counters, Ledger};

use std::sync::Arc;

/// What a server knows of one of its methods.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) counters: Arc<Counters>,
    pub(crate) cost: Cost,
}
