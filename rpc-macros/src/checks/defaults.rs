//! What `rpc_core` takes where an attribute lets a setting out, as far as it has to fit what others
//! say. A test of `rpc-core` includes this file and compares.

use std::time::Duration;

pub(crate) const BACKOFF: Duration = Duration::from_millis(10);
pub(crate) const MAX_BACKOFF: Duration = Duration::from_secs(1);
pub(crate) const OPEN: Duration = Duration::from_secs(5);
pub(crate) const MAX_OPEN: Duration = Duration::from_secs(60);
pub(crate) const MIN_CALLS: u32 = 20;
