//! How many calls may run on a server at a time, on all its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A bounded number of places, one for each running call.
#[derive(Debug, Default)]
pub(crate) struct Places {
    max: usize,
    taken: AtomicUsize,
    /// Someone waits for all places to be free.
    awaited: AtomicBool,
    emptied: Notify,
}

/// One running call's place; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Place(Arc<Places>);

impl Places {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    /// A place, if one is free.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Place> {
        let before = self.taken.fetch_add(1, Ordering::SeqCst);
        let place = Place(self.clone());
        (before < self.max).then_some(place)
    }

    pub(crate) fn max(&self) -> usize {
        self.max
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Waits until no place is taken.
    pub(crate) async fn emptied(&self) {
        // Said before the places are counted, so that whoever frees the last one after that sees it.
        self.awaited.store(true, Ordering::SeqCst);
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.taken() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let before = self.0.taken.fetch_sub(1, Ordering::SeqCst);
        if before == 1 && self.0.awaited.load(Ordering::SeqCst) {
            self.0.emptied.notify_waiters();
        }
    }
}
