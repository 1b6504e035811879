//! What a call went through, for a caller that wants to know.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rpc_codec::{Load, Metadata};

use crate::address::Address;
use crate::request::Response;
use crate::status::Status;

/// What the last call it was given to went through. Clones share it.
///
/// ```no_run
/// use rpc_core::{CallReport, Status, service};
///
/// #[service]
/// trait Prices {
///     async fn price(&self, sku: String) -> Result<u64, Status>;
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), Status> {
///     let prices = PricesClient::connect("tcp://127.0.0.1:7000").await?;
///     let report = CallReport::new();
///     prices.with_report(&report).price("A-17".into()).await?;
///     println!("{:?} answered in {:?}", report.node(), report.elapsed());
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallReport(Arc<Mutex<Facts>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) node: Option<Address>,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) waited: Duration,
    pub(crate) failure: Option<Status>,
    pub(crate) metadata: Metadata,
    pub(crate) degraded: bool,
    pub(crate) load: Option<Load>,
}

impl Facts {
    /// One more attempt is made.
    pub(crate) fn begin(&mut self) {
        self.attempts += 1;
    }

    /// An attempt went to `node` and ended like this.
    pub(crate) fn attempt(&mut self, node: &Address, result: &Result<Response, Status>) {
        self.node = Some(node.clone());
        if let Ok(response) = result {
            self.metadata = response.metadata.clone();
            self.degraded = response.degraded;
            self.load = response.load;
        }
    }
}

impl CallReport {
    /// Nothing was called yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The node the last attempt went to; `None` if there was no attempt.
    pub fn node(&self) -> Option<Address> {
        self.lock().node.clone()
    }

    /// How often the call was sent or tried to be.
    pub fn attempts(&self) -> u32 {
        self.lock().attempts
    }

    /// How long the call took, with all attempts. A fallback of its method's own comes after that.
    pub fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    /// How much of that it waited for its turn and its place, before anything was sent: a `limit` with a
    /// `wait`, a `concurrency` with a `queue`. Nothing for a call that was refused: its refusal says it.
    pub fn waited(&self) -> Duration {
        self.lock().waited
    }

    /// What the call itself ended with, if it failed: also where a fallback answered instead, whose reason
    /// it is.
    pub fn failure(&self) -> Option<Status> {
        self.lock().failure.clone()
    }

    /// What the handler said beside its answer.
    pub fn metadata(&self) -> Metadata {
        self.lock().metadata.clone()
    }

    /// Whether a fallback gave the answer.
    pub fn is_degraded(&self) -> bool {
        self.lock().degraded
    }

    /// What the server said of its load, if it did.
    pub fn load(&self) -> Option<Load> {
        self.lock().load
    }

    /// A fallback gave the answer, after all that is noted here.
    pub(crate) fn degrade(&self) {
        self.lock().degraded = true;
    }

    pub(crate) fn set(&self, facts: Facts) {
        *self.lock() = facts;
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
