//! The probes of a half-open circuit: places that are leased, so that one that never reports holds
//! its place for a while and not for ever.

use std::time::Duration;

use crate::governance::Moment;

/// Probes under way.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// In the order in which they were let pass.
    out: Vec<Lease>,
    /// How many were let pass; the number of the last one.
    passed: u64,
    lost: u32,
}

#[derive(Debug)]
struct Lease {
    number: u64,
    until: Moment,
}

impl Probes {
    /// How many are under way.
    pub(super) fn out(&self) -> u32 {
        u32::try_from(self.out.len()).unwrap_or(u32::MAX)
    }

    /// Gives up those whose lease is over.
    pub(super) fn expire(&mut self, now: Moment) {
        let before = self.out.len();
        self.out.retain(|lease| lease.until > now);
        let lost = u32::try_from(before - self.out.len()).unwrap_or(u32::MAX);
        self.lost = self.lost.saturating_add(lost);
    }

    /// Lets one pass, and says its number.
    pub(super) fn lease(&mut self, time: Duration, now: Moment) -> u64 {
        // Doubled for each one lost, else calls that take longer than the lease would all be
        // presumed lost and nobody ever decide.
        let time = time.saturating_mul(1 << self.lost.min(20));
        self.passed += 1;
        self.out.push(Lease { number: self.passed, until: now.plus(time) });
        self.passed
    }

    /// One reports. Whether it was not given up: else it has no say any more.
    pub(super) fn release(&mut self, number: u64) -> bool {
        let place = self.out.iter().position(|lease| lease.number == number);
        place.map(|place| self.out.remove(place)).is_some()
    }
}
