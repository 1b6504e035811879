//! Things in turn, in an order that jumps about.

use std::sync::Arc;

/// A prime, so that it meets all of them before it comes back.
const JUMP: usize = 7_919;

#[derive(Clone)]
pub(super) struct Turns<T> {
    all: Arc<[T]>,
    at: usize,
}

impl<T> Turns<T> {
    pub(super) fn of(all: &Arc<[T]>) -> Self {
        Self { all: Arc::clone(all), at: 0 }
    }

    #[inline]
    pub(super) fn next(&mut self) -> &T {
        self.at = (self.at + JUMP) % self.all.len();
        &self.all[self.at]
    }
}
