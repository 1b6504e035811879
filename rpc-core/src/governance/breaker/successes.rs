//! The successes of a closed circuit: they change nothing but numbers, so they are counted in one word
//! beside the lock, until whoever needs the lock adds them to what it guards.

use std::time::Duration;

use crate::governance::Moment;
use crate::governance::moment::nanos;
use crate::governance::sync::atomic::{AtomicU64, Ordering};

/// Successes not added yet, and what makes a call one of them.
pub(super) struct Successes {
    /// The era in which every call passes without being counted yet, or 0; and how many of its calls
    /// have succeeded since whoever had the lock last looked.
    ///
    /// One word, so that a call which ends as its era does is either counted in it or not at all. The
    /// era may be out of date by the time it is used, which is as if the call had come a little
    /// earlier: eras are compared again when it ends.
    word: AtomicU64,
    /// When the part of the window is over to which they will be added, in nanoseconds.
    ends: AtomicU64,
    /// How long a call takes that is not one of them but a slow one, in nanoseconds.
    slow: AtomicU64,
}

/// When successes may be counted beside the lock.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// Of calls of this era; of none if it is 0.
    pub(super) era: u32,
    /// Before then.
    pub(super) ends: Moment,
    /// If they took less.
    pub(super) slow: Option<Duration>,
}

impl Successes {
    pub(super) fn new(terms: Terms) -> Self {
        let (word, ends, slow) = terms.words();
        Self { word: word.into(), ends: ends.into(), slow: slow.into() }
    }

    /// Whether this is an era in which every call passes.
    #[inline]
    pub(super) fn is_passing(&self) -> bool {
        era(self.word.load(Ordering::Acquire)) != 0
    }

    /// The era, if every call passes in it without being counted yet, and if it is not over now for all
    /// that is known here.
    #[inline]
    pub(super) fn passing(&self, now: Moment) -> Option<u32> {
        let era = era(self.word.load(Ordering::Acquire));
        // The end may be that of the next era already.
        (era != 0 && now.as_nanos() < self.ends.load(Ordering::Relaxed)).then_some(era)
    }

    /// Counts a call of `of` that succeeded; says whether it could.
    #[inline]
    pub(super) fn count(&self, of: u32, took: Duration, now: Moment) -> bool {
        if now.as_nanos() >= self.ends.load(Ordering::Relaxed)
            || nanos(took) >= self.slow.load(Ordering::Relaxed)
        {
            return false;
        }
        let mut word = self.word.load(Ordering::Relaxed);
        while era(word) == of && counted(word) != u32::MAX {
            match self.word.compare_exchange_weak(
                word,
                word + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
        false
    }

    /// Takes what was counted, to be added. For whoever has the lock.
    #[inline]
    pub(super) fn take(&self) -> u32 {
        if counted(self.word.load(Ordering::Relaxed)) == 0 {
            return 0; // nearly always, where much fails
        }
        counted(self.word.fetch_and(!COUNT, Ordering::AcqRel))
    }

    /// Counts on these terms from now on. For whoever has the lock and has taken what was counted: of
    /// an era that ends, what was counted in between came too late.
    #[inline]
    pub(super) fn go_on(&self, terms: Terms) {
        let (word, ends, slow) = terms.words();
        // Mostly unchanged, and a store would take the line from the other cores.
        let update = |of: &AtomicU64, to| {
            if of.load(Ordering::Relaxed) != to {
                of.store(to, Ordering::Relaxed);
            }
        };
        update(&self.ends, ends);
        update(&self.slow, slow);
        if era(self.word.load(Ordering::Relaxed)) != terms.era {
            self.word.store(word, Ordering::Release);
        }
    }
}

impl Terms {
    /// The word without any, the end and the slowness. Of no era there is no moment before the end.
    fn words(self) -> (u64, u64, u64) {
        let ends = if self.era == 0 { 0 } else { self.ends.as_nanos() };
        (u64::from(self.era) << ERA, ends, self.slow.map_or(u64::MAX, nanos))
    }
}

/// Where in the word the era begins; below that is the count.
const ERA: u32 = 32;
const COUNT: u64 = (1 << ERA) - 1;

fn era(word: u64) -> u32 {
    (word >> ERA) as u32
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
fn counted(word: u64) -> u32 {
    word as u32
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const END: Moment = Moment::from_nanos(100);
    const NOW: Moment = Moment::from_nanos(99);

    fn successes() -> Successes {
        Successes::new(Terms { era: 3, ends: END, slow: Some(MS) })
    }

    #[test]
    fn those_of_the_era_are_counted_until_they_are_taken() {
        let successes = successes();
        assert!(successes.count(3, Duration::ZERO, NOW) && successes.count(3, Duration::ZERO, NOW));
        assert_eq!((successes.take(), successes.take()), (2, 0));
        assert_eq!(successes.passing(NOW), Some(3));
    }

    #[test]
    fn what_would_change_more_than_a_number_is_left_to_the_lock() {
        let successes = successes();
        assert!(!successes.count(2, Duration::ZERO, NOW), "of another era");
        assert!(!successes.count(3, MS, NOW), "slow");
        assert!(!successes.count(3, Duration::ZERO, END), "of the next part of the window");
        assert_eq!(successes.take(), 0);
    }

    #[test]
    fn a_full_word_does_not_run_over_into_the_era() {
        let successes = successes();
        successes.word.fetch_or(COUNT, Ordering::Relaxed);
        assert!(!successes.count(3, Duration::ZERO, NOW));
        assert_eq!((successes.passing(NOW), successes.take()), (Some(3), u32::MAX));
    }

    #[test]
    fn between_two_eras_none_passes_though_the_end_of_the_next_is_known() {
        let successes = successes();
        successes.go_on(Terms { era: 0, ends: END, slow: None });
        successes.ends.store(END.as_nanos(), Ordering::Relaxed); // as another thread goes on with 4
        assert_eq!(successes.passing(NOW), None);
    }

    #[test]
    fn what_was_counted_stays_with_its_era() {
        let successes = successes();
        let terms = |era| Terms { era, ends: END, slow: None };
        successes.count(3, Duration::ZERO, NOW);
        successes.go_on(terms(3));
        assert_eq!(successes.take(), 1, "of the same one it is not lost");
        successes.count(3, Duration::ZERO, NOW);
        successes.go_on(terms(4));
        assert_eq!((successes.take(), successes.passing(NOW)), (0, Some(4)));
        successes.go_on(terms(0));
        assert!(!successes.is_passing() && successes.passing(NOW).is_none());
        assert!(!successes.count(0, Duration::ZERO, NOW));
    }
}
