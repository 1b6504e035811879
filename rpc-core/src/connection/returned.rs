//! Credit for the bytes of a received message, given back when whoever needs them is done.

use std::fmt;
use std::sync::Arc;

use super::outbox::Outbox;

pub(crate) struct Returned {
    outbox: Arc<Outbox>,
    bytes: usize,
}

impl Returned {
    pub(super) fn new(outbox: &Arc<Outbox>, bytes: usize) -> Self {
        Self { outbox: outbox.clone(), bytes }
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        self.outbox.give_back(self.bytes);
    }
}

impl fmt::Debug for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Returned").field(&self.bytes).finish()
    }
}
