//! Tokens that threads share: under a lock, and in a word beside it while they are easy to count.
//!
//! A limit that limits nothing just now is full at nearly every call. What it lacks after one is a whole
//! number, and with a time that is all there is to know of it, which fits into one word: a permit is one
//! swap of that word. Parts of a token, debts, what is given back and what is changed do not fit. They
//! are for the lock, whose holder first takes over what the word says, and leaves it to the word again
//! after a permit that was taken from a full bucket. So a limit that is at its rate costs what the lock
//! costs, and one that refuses likewise.
//!
//! Nothing is counted otherwise than [`Tokens`] alone would count it, to the last bit, because the word
//! answers only where no fractions are needed: at the same moment nothing is gained, and after a time in
//! which it fills up without doubt it is full. What is between those is for the lock.

use super::ticket::{Taken, Ticket};
use super::token::Tokens;
use crate::governance::sync::atomic::{AtomicU64, Ordering};
use crate::governance::sync::{Mutex, MutexGuard, lock};

/// A state with tokens in it, behind a lock that most takes can do without.
#[derive(Debug)]
pub(super) struct Shared<S> {
    words: Words,
    /// The bits of the tokens' rate, for tickets; as `Words::terms`.
    rate: AtomicU64,
    state: Mutex<S>,
}

/// What a take by the word looks at. Together in one line of the cache, and not in one or two by chance, as
/// another thread may have it, and it is waited for.
#[derive(Debug)]
#[repr(align(32))]
struct Words {
    /// The tokens, [`packed`]: the generation of `terms`, the time when they were last counted, from
    /// `start` on, and how many were lacking then. Or else [`LOCKED`].
    ///
    /// It becomes `LOCKED`, or anything else again, only by who holds the lock.
    word: AtomicU64,
    /// Packed: the generation, and the most that may be lacking. With the two below, and the rate, it
    /// is what a word of that generation is read by.
    ///
    /// All four are written under the lock while the word is `LOCKED`, and with a new generation. So
    /// they are of the word's generation if `terms` is and the swap succeeds: who wrote one of them
    /// later has swapped the word before, which then is not the one that was read. Nor is one of them
    /// older, as `terms` is written last and read first. But a generation
    /// returns after 255 changes. A swap that takes so long succeeds if the word is the same again, to
    /// the nanosecond.
    ///
    /// A word of the same generation means the same whatever happened in between, so it is no harm that
    /// it was `LOCKED` meanwhile.
    terms: AtomicU64,
    /// From when on the word's times count.
    start: AtomicU64,
    /// In how many nanoseconds a token comes [for certain](every).
    every: AtomicU64,
}

/// A state in which there may be tokens.
pub(super) trait Counted {
    type Refusal;

    /// Takes `n` permits, if they may go within `max_wait`.
    fn take(&mut self, n: u32, max_wait: u64, now: u64) -> Result<Ticket, Self::Refusal>;

    /// The tokens, if that is what it counts just now.
    fn tokens(&mut self) -> Option<&mut Tokens>;
}

/// The tokens are under the lock. No word is of its generation.
const LOCKED: u64 = u64::MAX;

/// A million. It is reached by calls at the very same moment, or whose threads look at the clock late.
const LACKING_BITS: u32 = 20;
const LACKING: u64 = (1 << LACKING_BITS) - 1;
/// A minute, after which one call is for the lock.
const TIME_BITS: u32 = 36;
const TIME: u64 = (1 << TIME_BITS) - 1;
const GENERATION: u64 = u64::MAX << (TIME_BITS + LACKING_BITS);
const ONE_GENERATION: u64 = 1 << (TIME_BITS + LACKING_BITS);

/// Nanoseconds in a second, and a billionth more, where the roundings of [`Tokens`] and of [`every`]
/// amount to a few parts in 2^53.
const MORE_THAN_A_SECOND: f64 = 1_000_000_001.0;

impl<S: Counted> Shared<S> {
    pub(super) fn new(state: S) -> Self {
        Self {
            words: Words {
                word: AtomicU64::new(LOCKED),
                terms: AtomicU64::new(0),
                start: AtomicU64::new(0),
                every: AtomicU64::new(0),
            },
            rate: AtomicU64::new(0),
            state: Mutex::new(state),
        }
    }

    /// Takes `n` permits, by the word or under the lock.
    #[inline]
    pub(super) fn take(&self, n: u32, max_wait: u64, now: u64) -> Result<Ticket, S::Refusal> {
        match self.take_by_word::<true>(n, now) {
            Some(ticket) => Ok(ticket),
            None => self.take_under_lock(n, max_wait, now),
        }
    }

    /// Takes `n` permits that may go now, for good; says whether there were as many.
    #[inline]
    pub(super) fn allows(&self, n: u32, now: u64) -> bool {
        self.take_by_word::<false>(n, now).is_some() || self.take_under_lock(n, 0, now).is_ok()
    }

    /// The state, of which nobody else counts anything meanwhile.
    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, S> {
        let mut state = lock(&self.state);
        // Nobody else can make it anything but `LOCKED` now.
        if self.words.word.load(Ordering::Relaxed) != LOCKED {
            self.recall(&mut state);
        }
        state
    }

    /// The state as it stands. What is left to the word stays so.
    pub(super) fn copied(&self) -> S
    where
        S: Clone,
    {
        let state = lock(&self.state);
        let mut copy = state.clone();
        let word = self.words.word.load(Ordering::Relaxed);
        if word != LOCKED {
            self.put(word, &mut copy);
        }
        copy
    }

    /// `None` if it is for the lock to say. Who has no use for the ticket gets one without its rate.
    #[inline]
    fn take_by_word<const TICKET: bool>(&self, n: u32, now: u64) -> Option<Ticket> {
        let terms = self.words.terms.load(Ordering::Acquire);
        let start = self.words.start.load(Ordering::Relaxed);
        let every = self.words.every.load(Ordering::Relaxed);
        let rate = if TICKET { f64::from_bits(self.rate.load(Ordering::Relaxed)) } else { 0.0 };
        let since = now.wrapping_sub(start);
        if since > TIME {
            return None;
        }
        let full_now = packed(terms & GENERATION, since, 0);
        // Last, so that another thread has little time to take it meanwhile. While it is `LOCKED` it is of no
        // generation.
        let mut word = self.words.word.load(Ordering::Acquire);
        while (word ^ full_now) & GENERATION == 0 {
            // Is it later than the word, but not so late that it is full for certain? In one comparison,
            // as nobody can foretell which of two threads looked at the clock first. One that did so
            // earlier comes out as hours later.
            let later = full_now.wrapping_sub(word).wrapping_sub(1) >> LACKING_BITS;
            if later < lacking(word) * every {
                return None;
            }
            // If not, it is full now, or nothing was gained: whichever is the greater.
            let before = word.max(full_now);
            if lacking(before) + u64::from(n) > lacking(terms) {
                return None;
            }
            let left = before + u64::from(n);
            // Released for who takes the word over and then writes new terms: not before they were read.
            let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
            match self.words.word.compare_exchange_weak(word, left, release, relaxed) {
                Ok(_) => {
                    let (at, taken) = (start + time(left), Taken::Token { rate });
                    return Some(Ticket { at, wait: 0, permits: n, taken });
                }
                Err(found) => word = found,
            }
        }
        None
    }

    /// Not in line with the word, which is what has to be quick; that it is `cold` sees to that.
    #[cold]
    #[inline]
    fn take_under_lock(&self, n: u32, max_wait: u64, now: u64) -> Result<Ticket, S::Refusal> {
        let mut state = lock(&self.state);
        if self.words.word.load(Ordering::Relaxed) != LOCKED
            && let Some(ticket) = self.take_again(&mut state, n, now)
        {
            return Ok(ticket);
        }
        let ticket = state.take(n, max_wait, now)?;
        if let Some(tokens) = state.tokens()
            && tokens.were_full_before(n)
        {
            self.entrust(tokens, n);
        }
        // Before the ticket is written to where the caller wants it, for which nobody has to wait.
        drop(state);
        Ok(ticket)
    }

    /// Under the lock: takes by the word that who had the lock before has left it to, or takes it over.
    ///
    /// If everybody who waits for the lock took it over, those who come meanwhile would find it locked
    /// and wait as well, and so on for ever.
    #[cold]
    fn take_again(&self, state: &mut S, n: u32, now: u64) -> Option<Ticket> {
        let ticket = self.take_by_word::<true>(n, now);
        if ticket.is_none() {
            self.recall(state);
        }
        ticket
    }

    /// Under the lock: leaves the tokens to the word, of which so many are lacking, if they fit.
    #[cold]
    fn entrust(&self, tokens: &Tokens, lacking: u32) {
        let lacking = u64::from(lacking);
        if lacking > LACKING {
            return;
        }
        let (most, rate) = (tokens.burst().min(LACKING), tokens.rate());
        let (start, since) = (tokens.last() & !TIME, tokens.last() & TIME);
        let terms = self.words.terms.load(Ordering::Relaxed);
        let mut generation = terms & GENERATION;
        let are_same = terms == packed(generation, 0, most)
            && self.words.start.load(Ordering::Relaxed) == start
            && self.rate.load(Ordering::Relaxed) == rate.to_bits();
        if !are_same {
            generation = next(generation);
            self.words.start.store(start, Ordering::Relaxed);
            self.words.every.store(every(rate), Ordering::Relaxed);
            self.rate.store(rate.to_bits(), Ordering::Relaxed);
            // Who reads these terms reads no others beside them that are older.
            self.words.terms.store(packed(generation, 0, most), Ordering::Release);
        }
        self.words.word.store(packed(generation, since, lacking), Ordering::Release);
    }

    /// Under the lock: takes the tokens over from the word.
    #[cold]
    fn recall(&self, state: &mut S) {
        let word = self.words.word.swap(LOCKED, Ordering::Acquire);
        self.put(word, state);
    }

    /// Under the lock: puts into the state what the word says.
    fn put(&self, word: u64, state: &mut S) {
        let start = self.words.start.load(Ordering::Relaxed);
        if let Some(tokens) = state.tokens() {
            tokens.resume(lacking(word), start + time(word));
        }
    }
}

/// A time and what is lacking then. In one generation a full bucket is less than any of a later time, and
/// more than any of an earlier one.
fn packed(generation: u64, time: u64, lacking: u64) -> u64 {
    generation | time << LACKING_BITS | lacking
}

/// The generation after that one.
fn next(generation: u64) -> u64 {
    match generation.wrapping_add(ONE_GENERATION) {
        GENERATION => 0, // that of `LOCKED`
        next => next,
    }
}

fn time(packed: u64) -> u64 {
    (packed & !GENERATION) >> LACKING_BITS
}

fn lacking(packed: u64) -> u64 {
    packed & LACKING
}

/// The nanoseconds in which a token comes for certain: in as many times so long as tokens are lacking
/// [`Tokens`] counts at least as many.
#[expect(clippy::cast_possible_truncation, reason = "it is whole, and a cast saturates")]
fn every(rate: f64) -> u64 {
    // What is longer than the time that a word knows is never.
    ((MORE_THAN_A_SECOND / rate).ceil() as u64).min(TIME + 1)
}

#[cfg(all(test, not(model)))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::governance::limit::ticket::Exhausted;

    const SECOND: u64 = 1_000_000_000;
    /// As long after the beginning as real moments are.
    const BEGIN: u64 = (1 << 60) + 10 * SECOND;
    /// The length of what a word knows of time.
    const ERA: u64 = 1 << TIME_BITS;
    /// The most that may be lacking.
    const MOST: u32 = (1 << LACKING_BITS) - 1;

    fn shared(rate: f64, burst: u32, now: u64) -> Shared<Tokens> {
        Shared::new(Tokens::new(rate, burst, now))
    }

    impl<S> Shared<S> {
        fn is_locked(&self) -> bool {
            self.words.word.load(Ordering::Relaxed) == LOCKED
        }
    }

    /// A bucket that is shared and one that is not, to which the same is done.
    struct Both {
        shared: Shared<Tokens>,
        plain: Tokens,
        tickets: Vec<(Ticket, Ticket)>,
    }

    impl Both {
        fn new(rate: f64, burst: u32, now: u64) -> Self {
            let plain = Tokens::new(rate, burst, now);
            Self { shared: Shared::new(plain.clone()), plain, tickets: Vec::new() }
        }

        /// Takes from both, and says whether there was a ticket.
        #[track_caller]
        fn take(&mut self, n: u32, max_wait: u64, now: u64) -> bool {
            let shared = self.shared.take(n, max_wait, now);
            let plain = self.plain.take(n, max_wait, now);
            assert_eq!(format!("{shared:?}"), format!("{plain:?}"), "{n} at {now}");
            self.look();
            let tickets = shared.ok().zip(plain.ok());
            let is_taken = tickets.is_some();
            self.tickets.extend(tickets);
            is_taken
        }

        /// Looks at both, to the last bit.
        #[track_caller]
        fn look(&self) {
            assert_eq!(format!("{:?}", self.shared.copied()), format!("{:?}", self.plain));
        }
    }

    #[test]
    fn no_tokens_are_packed_as_locked() {
        let mut generation = 0;
        for _ in 0..255 {
            let word = packed(generation, TIME, LACKING);
            assert_ne!(word, LOCKED);
            assert_eq!((word & GENERATION, time(word), lacking(word)), (generation, TIME, LACKING));
            generation = next(generation);
        }
        assert_eq!(generation, 0, "all have been there");
    }

    #[test]
    fn the_word_counts_while_the_bucket_is_full_or_time_stands_still() {
        let mut both = Both::new(1_000.0, 10, BEGIN);
        assert!(both.shared.is_locked(), "until the first is taken");
        assert!(both.take(1, 0, BEGIN));
        for _ in 0..4 {
            assert!(both.take(1, 0, BEGIN) && both.take(1, 0, BEGIN - SECOND));
            assert!(!both.shared.is_locked());
        }
        assert!(both.take(0, 0, BEGIN) && !both.shared.is_locked());
        assert!(both.take(3, 0, BEGIN + SECOND) && !both.shared.is_locked(), "full again");
    }

    #[test]
    fn what_is_no_whole_number_is_counted_under_the_lock_until_it_is_full_again() {
        let mut both = Both::new(1.0, 10, BEGIN);
        assert!(both.take(2, 0, BEGIN) && !both.shared.is_locked());
        assert!(both.take(1, 0, BEGIN + SECOND / 3) && both.shared.is_locked());
        assert!(both.take(1, 0, BEGIN + SECOND) && both.shared.is_locked());
        assert!(both.take(1, 0, BEGIN + 9 * SECOND) && !both.shared.is_locked());
        assert!(!both.take(10, 0, BEGIN + 9 * SECOND) && both.shared.is_locked(), "it refused");
    }

    #[test]
    fn more_than_fits_is_counted_under_the_lock() {
        let mut both = Both::new(1.0, u32::MAX, BEGIN);
        assert!(both.take(MOST, 0, BEGIN) && !both.shared.is_locked(), "as many fit");
        assert!(both.take(1, 0, BEGIN) && both.shared.is_locked(), "one more does not");
        let mut both = Both::new(1.0, u32::MAX, BEGIN);
        assert!(both.take(MOST + 1, 0, BEGIN) && both.shared.is_locked());
        assert!(both.take(u32::MAX - MOST - 1, 0, BEGIN) && !both.take(1, 0, BEGIN));
        let mut both = Both::new(1.0, 3, BEGIN);
        assert!(both.take(3, 0, BEGIN) && !both.shared.is_locked());
        assert!(!both.take(1, 0, BEGIN) && !both.take(u32::MAX, u64::MAX, BEGIN));
    }

    #[test]
    fn a_time_that_does_not_fit_is_counted_under_the_lock_and_then_does() {
        for rate in [1.0, 1e-9, 1e9] {
            let mut both = Both::new(rate, 1_000, BEGIN);
            for now in [BEGIN, BEGIN + ERA - 1, BEGIN + ERA, BEGIN, BEGIN + 100 * ERA, 0, u64::MAX]
            {
                assert!(both.take(1, 0, now) && both.take(2, 0, now), "{rate} at {now}");
            }
        }
        let mut both = Both::new(1.0, 2, BEGIN);
        assert!(both.take(1, 0, BEGIN) && both.take(1, 0, BEGIN + 100 * ERA));
        assert!(!both.shared.is_locked());
    }

    #[test]
    fn a_generation_returns_after_all_others_and_is_never_that_of_locked() {
        let shared = shared(1.0, 1, BEGIN);
        let mut seen = Vec::new();
        for change in 0..600u32 {
            let now = BEGIN + u64::from(change) * SECOND;
            shared.lock().set_rate(f64::from(change + 1), now);
            assert!(shared.take(1, 0, now).is_ok());
            let word = shared.words.word.load(Ordering::Relaxed);
            assert_ne!(word, LOCKED);
            seen.push(word & GENERATION);
        }
        assert!(seen.windows(255).all(|some| !some[1..].contains(&some[0])));
        assert_eq!(seen[0], seen[255]);
    }

    #[test]
    fn the_same_terms_are_of_the_same_generation() {
        let shared = shared(1_000.0, 5, BEGIN);
        let generation = |now| {
            assert!(shared.take(1, 0, now).is_ok());
            shared.words.word.load(Ordering::Relaxed) & GENERATION
        };
        let first = generation(BEGIN);
        drop(shared.lock());
        assert!(shared.is_locked());
        assert_eq!(generation(BEGIN + SECOND), first);
        shared.lock().set_burst(6, BEGIN + SECOND);
        assert_ne!(generation(BEGIN + 2 * SECOND), first);
    }

    /// Two threads that had met at the lock met there at every call: each took over what the other had
    /// left to the word.
    #[test]
    fn who_had_to_wait_for_the_lock_leaves_to_the_word_what_is_left_to_it() {
        let shared = shared(1.0, 9, BEGIN);
        assert!(shared.take(1, 0, BEGIN).is_ok());
        assert!(shared.take_under_lock(1, 0, BEGIN).is_ok() && !shared.is_locked());
        assert!(shared.take_under_lock(8, 0, BEGIN).is_err() && shared.is_locked());
        assert_eq!(shared.lock().available(BEGIN), 7.0);
    }

    /// One thing that is done to a bucket.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Take { n: u32, max_wait: u64 },
        Cancel(prop::sample::Index),
        GiveBack(prop::sample::Index),
        SetRate(f64),
        SetBurst(u32),
        TakeOver,
    }

    fn steps() -> impl Strategy<Value = Vec<(u64, u64, Step)>> {
        let n = prop_oneof![
            20 => 0..4u32,
            1 => Just(MOST),
            1 => Just(u32::MAX),
        ];
        let max_wait = prop_oneof![4 => Just(0), 1 => 0..3 * SECOND, 1 => Just(u64::MAX)];
        let step = prop_oneof![
            30 => (n, max_wait).prop_map(|(n, max_wait)| Step::Take { n, max_wait }),
            2 => any::<prop::sample::Index>().prop_map(Step::Cancel),
            2 => any::<prop::sample::Index>().prop_map(Step::GiveBack),
            1 => rates().prop_map(Step::SetRate),
            1 => bursts().prop_map(Step::SetBurst),
            1 => Just(Step::TakeOver),
        ];
        let later = prop_oneof![
            10 => Just(0),
            10 => 0..2_000u64,
            5 => (0..2_000u64).prop_map(|millis| millis * 1_000_000),
            2 => (0..100u64).prop_map(|seconds| seconds * SECOND),
            1 => (0..80 * 3_600u64).prop_map(|seconds| seconds * SECOND),
        ];
        let back = prop_oneof![8 => Just(0), 1 => 0..2_000u64, 1 => 0..100 * SECOND];
        prop::collection::vec((later, back, step), 1..80)
    }

    fn rates() -> impl Strategy<Value = f64> {
        prop_oneof![
            prop::sample::select(&[0.0, 1e-9, 0.5, 1.0, 1e3, 1e6, 1e9, 1e15, f64::INFINITY][..]),
            0.1..2_000.0,
        ]
    }

    fn bursts() -> impl Strategy<Value = u32> {
        prop_oneof![6 => 0..6u32, 2 => Just(1_000), 1 => MOST - 1..MOST + 3, 1 => Just(u32::MAX)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn shared_tokens_are_those_that_are_not_to_the_last_bit(
            rate in rates(), burst in bursts(), steps in steps(),
        ) {
            let mut both = Both::new(rate, burst, BEGIN);
            let mut now = BEGIN + ERA - 11 * SECOND;
            for (later, back, step) in steps {
                now += later;
                let told = now - back;
                match step {
                    Step::Take { n, max_wait } => {
                        both.take(n, max_wait, told);
                    }
                    Step::Cancel(at) if !both.tickets.is_empty() => {
                        let (shared, plain) = both.tickets.swap_remove(at.index(both.tickets.len()));
                        both.shared.lock().cancel(&shared, told);
                        both.plain.cancel(&plain, told);
                    }
                    Step::GiveBack(at) if !both.tickets.is_empty() => {
                        let (shared, plain) = both.tickets.swap_remove(at.index(both.tickets.len()));
                        both.shared.lock().give_back(&shared, told);
                        both.plain.give_back(&plain, told);
                    }
                    Step::SetRate(rate) => {
                        both.shared.lock().set_rate(rate, told);
                        both.plain.set_rate(rate, told);
                    }
                    Step::SetBurst(burst) => {
                        both.shared.lock().set_burst(burst, told);
                        both.plain.set_burst(burst, told);
                    }
                    Step::TakeOver => drop(both.shared.lock()),
                    Step::Cancel(_) | Step::GiveBack(_) => {}
                }
                both.look();
            }
        }

        /// What the word says without counting is what would be counted.
        #[test]
        fn in_as_many_times_so_long_as_are_lacking_as_many_come(
            rate in prop_oneof![1e-3..1e3f64, 1e3..1e12f64], burst in 1..u32::MAX, lacking in 1..2_000u32,
        ) {
            let lacking = lacking.min(burst);
            let nanos = every(rate).saturating_mul(u64::from(lacking));
            let mut tokens = Tokens::new(rate, burst, BEGIN);
            prop_assert!(tokens.take(lacking, 0, BEGIN).is_ok());
            if every(rate) <= TIME {
                prop_assert!(tokens.is_full(BEGIN + nanos));
            }
        }
    }

    #[test]
    fn a_refusal_is_that_of_the_tokens() {
        let shared = shared(1.0, 1, BEGIN);
        assert!(shared.take(1, 0, BEGIN).is_ok());
        assert_eq!(shared.take(1, 0, BEGIN), Err(Exhausted::for_nanos(SECOND)));
        assert_eq!(shared.take(2, 0, BEGIN), Err(Exhausted::NEVER));
    }
}
