//! Events in the order of their moments; of the same moment, in the order they were put in.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use rpc_core::governance::Moment;

pub(crate) struct Queue<E> {
    order: BinaryHeap<Reverse<(Moment, u64)>>,
    events: BTreeMap<u64, E>,
    number: u64,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self { order: BinaryHeap::new(), events: BTreeMap::new(), number: 0 }
    }

    pub(crate) fn push(&mut self, when: Moment, event: E) {
        self.order.push(Reverse((when, self.number)));
        self.events.insert(self.number, event);
        self.number += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<(Moment, E)> {
        let Reverse((when, number)) = self.order.pop()?;
        let event = self.events.remove(&number).expect("put in with its number");
        Some((when, event))
    }
}
