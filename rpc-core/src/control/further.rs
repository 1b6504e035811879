//! How many attempts beside the first were made, and how many were not: for people.

use std::sync::{Mutex, PoisonError};

use super::tally::Tally;
use crate::governance::Moment;

/// What became of another attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Further {
    /// It followed one that had failed.
    Retried,
    /// It joined one that was slow.
    Hedged,
    /// The budget did not pay for it.
    Unpaid,
}

/// How often each has happened. Attempts that are free are not counted.
#[derive(Debug, Default)]
pub(crate) struct FurtherCounts(Mutex<[Tally; 3]>);

impl FurtherCounts {
    pub(crate) fn add(&self, further: Further, now: Moment) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[further as usize].add(now);
    }

    /// How many in the last minute.
    pub(super) fn of_minute(&self, further: Further, now: Moment) -> u64 {
        let tallies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tallies[further as usize].last_minute(now)
    }
}
