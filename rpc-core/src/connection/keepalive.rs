//! Is the peer still there? Any byte proves life; after a silence it is asked, and if it does not
//! answer the connection is dead, whatever the operating system believes.

use std::time::Duration;

use tokio::time::Instant;

use super::Limits;

/// While no calls are in flight a dead peer hurts nobody yet: ask this many times less often.
const IDLE_FACTOR: u32 = 6;

#[derive(Debug)]
pub(super) struct Keepalive {
    interval: Duration,
    timeout: Duration,
    heard: Instant,
    asked: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Alive,
    Ask,
    Dead,
}

impl Keepalive {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            interval: limits.keepalive_interval,
            timeout: limits.keepalive_timeout,
            heard: now,
            asked: None,
        }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// When to look again.
    pub(super) fn due(&self, busy: bool) -> Option<Instant> {
        match self.asked {
            Some(asked) => asked.checked_add(self.timeout),
            None => self.heard.checked_add(self.silence(busy)),
        }
    }

    pub(super) fn check(&mut self, busy: bool, now: Instant) -> Verdict {
        match self.due(busy) {
            Some(due) if now >= due => {}
            _ => return Verdict::Alive,
        }
        if self.asked.is_some() {
            return Verdict::Dead;
        }
        self.asked = Some(now);
        Verdict::Ask
    }

    fn silence(&self, busy: bool) -> Duration {
        if busy { self.interval } else { self.interval.saturating_mul(IDLE_FACTOR) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn silence_is_asked_and_then_dead() {
        let now = Instant::now();
        let mut keepalive = Keepalive::new(&Limits::default(), now);
        assert_eq!(keepalive.check(true, now + seconds(9)), Verdict::Alive);
        assert_eq!(keepalive.check(true, now + seconds(10)), Verdict::Ask);
        assert_eq!(keepalive.check(true, now + seconds(14)), Verdict::Alive);
        assert_eq!(keepalive.check(true, now + seconds(15)), Verdict::Dead);
    }

    #[test]
    fn any_byte_proves_life() {
        let now = Instant::now();
        let mut keepalive = Keepalive::new(&Limits::default(), now);
        assert_eq!(keepalive.check(true, now + seconds(10)), Verdict::Ask);
        keepalive.heard(now + seconds(14));
        assert_eq!(keepalive.check(true, now + seconds(15)), Verdict::Alive);
        assert_eq!(keepalive.due(true), Some(now + seconds(24)));
    }

    #[test]
    fn an_idle_peer_is_asked_less_often() {
        let now = Instant::now();
        let keepalive = Keepalive::new(&Limits::default(), now);
        assert_eq!(keepalive.due(false), Some(now + seconds(60)));
    }

    #[test]
    fn an_endless_interval_never_comes_due() {
        let limits = Limits { keepalive_interval: Duration::MAX, ..Limits::default() };
        assert_eq!(Keepalive::new(&limits, Instant::now()).due(true), None);
    }
}
