//! The last good answers, as many as there is room for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::key::Key;
use super::recent::Recent;
use crate::governance::Moment;
use crate::governance::outcome::Outcome;
use crate::governance::sync::{Mutex, lock};

/// What an entry takes beside its question and its answer, about.
const OVERHEAD: usize = 160;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastGoodSettings {
    /// How old an answer may be.
    pub ttl: Duration,
    /// How many are kept.
    pub max: u32,
    /// How many bytes they and their questions may take together.
    pub max_bytes: usize,
    /// And one of them; larger ones are not kept.
    pub max_entry_bytes: usize,
}

impl LastGoodSettings {
    /// As many as `max` and 64 MiB allow, none above 1 MiB: an answer that large is a download, and a
    /// few of them would leave no room for the rest.
    pub const fn new(ttl: Duration, max: u32) -> Self {
        Self { ttl, max, max_bytes: 64 << 20, max_entry_bytes: 1 << 20 }
    }
}

/// An answer that may be kept: the method's own, and a success.
///
/// This is the only way into [`LastGood`], so that a degraded answer is never kept as a good one,
/// whether this process or one further down made it.
#[derive(Clone, Debug)]
pub struct Good<V>(V);

impl<V> Good<V> {
    /// `answer`, if it is one.
    pub fn new(outcome: Outcome, is_degraded: bool, answer: V) -> Option<Self> {
        (outcome == Outcome::Success && !is_degraded).then_some(Self(answer))
    }
}

/// The last good answers of this process, for a while; the one used longest ago makes room.
///
/// It holds what it is given: who gives it a slice of a larger buffer keeps all of that, so a
/// small answer is better copied first. Answers are handed out shared and never cloned or dropped
/// under the lock.
pub struct LastGood<V> {
    size: fn(&V) -> usize,
    kept: Mutex<Kept<V>>,
}

struct Kept<V> {
    settings: LastGoodSettings,
    now: Moment,
    bytes: usize,
    answers: Recent<Key, Answer<V>>,
}

struct Answer<V> {
    value: Arc<V>,
    at: Moment,
    bytes: usize,
}

/// An answer and how old it is.
type Aged<V> = (Arc<V>, Duration);

/// What was replaced, and what had to make room.
type Dropped<V> = (Option<Answer<V>>, Vec<Answer<V>>);

impl<V> LastGood<V> {
    /// Nothing yet; `size` is how many bytes an answer takes.
    pub fn new(settings: LastGoodSettings, size: fn(&V) -> usize) -> Self {
        let kept = Kept { settings, now: Moment::default(), bytes: 0, answers: Recent::new() };
        Self { size, kept: Mutex::new(kept) }
    }

    /// Keeps an answer in place of an earlier one to the same question. One that is too large is not
    /// kept, and the earlier one stays.
    pub fn keep(&self, key: &Key, good: Good<V>, now: Moment) {
        let bytes = (self.size)(&good.0).saturating_add(key.byte_len()).saturating_add(OVERHEAD);
        let answer = Answer { value: Arc::new(good.0), at: now, bytes };
        let dropped = lock(&self.kept).keep(key, answer, now);
        drop(dropped);
    }

    /// The last good answer to the same question, and how old it is.
    pub fn get(&self, key: &Key, now: Moment) -> Option<(Arc<V>, Duration)> {
        let (found, dropped) = lock(&self.kept).get(key, now);
        drop(dropped);
        found
    }

    /// How many there are, those included that are too old and have not been asked for since.
    pub fn len(&self) -> usize {
        lock(&self.kept).answers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes they and their questions take, about.
    pub fn bytes(&self) -> usize {
        lock(&self.kept).bytes
    }

    /// From now on keeps by other settings; what they leave no room for goes.
    pub fn reconfigure(&self, settings: LastGoodSettings) {
        let mut kept = lock(&self.kept);
        kept.settings = settings;
        let dropped = kept.make_room();
        drop(kept);
        drop(dropped);
    }
}

impl<V> Kept<V> {
    /// What it returns is to be dropped when the lock is free.
    fn keep(&mut self, key: &Key, mut answer: Answer<V>, now: Moment) -> Dropped<V> {
        self.now = self.now.max(now);
        answer.at = self.now;
        if answer.bytes > self.settings.max_entry_bytes {
            return (Some(answer), Vec::new());
        }
        self.bytes += answer.bytes;
        let replaced = match self.answers.touch(key) {
            Some(earlier) => {
                let earlier = std::mem::replace(earlier, answer);
                self.bytes -= earlier.bytes;
                Some(earlier)
            }
            None => {
                self.answers.insert(key.clone(), answer);
                None
            }
        };
        (replaced, self.make_room())
    }

    /// What to answer, and what to drop when the lock is free.
    fn get(&mut self, key: &Key, now: Moment) -> (Option<Aged<V>>, Option<Answer<V>>) {
        self.now = self.now.max(now);
        let Some(answer) = self.answers.touch(key) else { return (None, None) };
        let age = self.now.since(answer.at);
        if age < self.settings.ttl {
            return (Some((answer.value.clone(), age)), None);
        }
        let dropped = self.answers.remove(key);
        self.bytes -= dropped.as_ref().map_or(0, |answer| answer.bytes);
        (None, dropped)
    }

    fn make_room(&mut self) -> Vec<Answer<V>> {
        let mut dropped = Vec::new();
        while self.answers.len() > self.settings.max as usize
            || self.bytes > self.settings.max_bytes
        {
            let Some(oldest) = self.answers.pop_oldest() else { break };
            self.bytes -= oldest.bytes;
            dropped.push(oldest);
        }
        dropped
    }
}

impl<V> fmt::Debug for LastGood<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = lock(&self.kept);
        f.debug_struct("LastGood")
            .field("settings", &kept.settings)
            .field("len", &kept.answers.len())
            .field("bytes", &kept.bytes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use rpc_codec::Metadata;

    use super::*;

    const TTL: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> Moment {
        Moment::default().plus(Duration::from_secs(seconds))
    }

    fn key(arguments: &str) -> Key {
        Key::new("shop.Inventory/price", "json", arguments.as_bytes(), &Metadata::new(), &[])
    }

    fn good(answer: &str) -> Good<String> {
        Good::new(Outcome::Success, false, answer.to_owned()).expect("a good one")
    }

    fn kept(settings: LastGoodSettings) -> LastGood<String> {
        LastGood::new(settings, String::len)
    }

    fn answer(kept: &LastGood<String>, arguments: &str, now: Moment) -> Option<String> {
        kept.get(&key(arguments), now).map(|(answer, _)| answer.to_string())
    }

    #[test]
    fn the_last_good_answer_to_the_same_question_until_it_is_too_old() {
        let kept = kept(LastGoodSettings::new(TTL, 10));
        kept.keep(&key("a"), good("1"), at(0));
        kept.keep(&key("a"), good("2"), at(10));
        assert_eq!(answer(&kept, "b", at(10)), None);
        let (found, age) = kept.get(&key("a"), at(39)).expect("29 s old");
        assert_eq!((found.as_str(), age), ("2", Duration::from_secs(29)));
        assert_eq!(answer(&kept, "a", at(40)), None);
        assert!(kept.is_empty() && kept.bytes() == 0, "what is too old goes when asked for");
    }

    #[test]
    fn degraded_answers_are_never_kept_as_good() {
        assert!(Good::new(Outcome::Success, true, "of yesterday").is_none());
        for outcome in Outcome::ALL {
            let is_good = Good::new(outcome, false, "x").is_some();
            assert_eq!(is_good, outcome == Outcome::Success, "{outcome:?}");
        }
    }

    #[test]
    fn the_one_used_longest_ago_makes_room() {
        let kept = kept(LastGoodSettings::new(TTL, 2));
        kept.keep(&key("a"), good("1"), at(0));
        kept.keep(&key("b"), good("2"), at(0));
        assert!(answer(&kept, "a", at(1)).is_some());
        kept.keep(&key("c"), good("3"), at(2));
        assert_eq!(answer(&kept, "b", at(2)), None);
        assert!(answer(&kept, "a", at(2)).is_some() && answer(&kept, "c", at(2)).is_some());
    }

    #[test]
    fn bytes_are_bounded_in_all_and_for_one() {
        let settings = LastGoodSettings {
            max_bytes: 10_000,
            max_entry_bytes: 2_000,
            ..LastGoodSettings::new(TTL, 1_000)
        };
        let kept = kept(settings);
        for index in 0..1_000 {
            kept.keep(&key(&index.to_string()), good(&"x".repeat(1_000)), at(0));
            assert!(kept.bytes() <= 10_000);
        }
        assert!((7..=9).contains(&kept.len()), "{}", kept.len());
        kept.keep(&key("999"), good(&"y".repeat(2_000)), at(0));
        let earlier = answer(&kept, "999", at(0)).expect("the earlier one stays");
        assert!(earlier.starts_with('x'));
    }

    #[test]
    fn none_are_kept_where_there_is_no_room_or_time() {
        let none = kept(LastGoodSettings::new(TTL, 0));
        none.keep(&key("a"), good("1"), at(0));
        assert!(none.is_empty() && none.bytes() == 0);
        let no_time = kept(LastGoodSettings::new(Duration::ZERO, 10));
        no_time.keep(&key("a"), good("1"), at(0));
        assert_eq!(answer(&no_time, "a", at(0)), None);
    }

    #[test]
    fn a_change_keeps_what_there_is_room_for() {
        let kept = kept(LastGoodSettings::new(TTL, 3));
        for name in ["a", "b", "c"] {
            kept.keep(&key(name), good(name), at(0));
        }
        kept.reconfigure(LastGoodSettings::new(2 * TTL, 1));
        assert_eq!(kept.len(), 1);
        assert_eq!(answer(&kept, "c", at(59)), Some("c".to_owned()), "by the new time");
    }

    #[test]
    fn a_clock_going_back_makes_nothing_younger() {
        let kept = kept(LastGoodSettings::new(TTL, 3));
        kept.keep(&key("a"), good("a"), at(100));
        kept.keep(&key("b"), good("b"), at(0));
        assert!(answer(&kept, "b", at(129)).is_some());
        assert_eq!(answer(&kept, "a", at(130)), None);
        assert_eq!(answer(&kept, "b", at(0)), None, "it is 130 already");
    }
}
