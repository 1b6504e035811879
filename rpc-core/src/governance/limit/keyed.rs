//! A machine each for so many keys, and no more.
//!
//! Keys come from outside: callers, tenants, shards. A map that keeps one machine for each of them for
//! ever is a way to fill a server's memory (governor's keyed limiter asks its user to sweep it), so
//! here whoever was not asked about for longest goes out. A caller that is busy stays, however many
//! names a flood makes up; one that goes out and comes back begins anew.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::governance::sync::{Mutex, lock};

/// At most so many machines of type `M`, one for each key.
#[derive(Debug)]
pub struct Keyed<M> {
    entries: Mutex<Entries<M>>,
    max: usize,
}

/// The machines in the order in which they were last asked for: a ring of numbered entries.
#[derive(Debug)]
struct Entries<M> {
    /// Keyed hashing, as the keys are chosen by others.
    numbers: HashMap<Arc<str>, usize>,
    entries: Vec<Entry<M>>,
    /// The entry that was asked for last; its `newer` is the one that was not for longest.
    newest: usize,
}

#[derive(Debug)]
struct Entry<M> {
    key: Arc<str>,
    machine: Arc<M>,
    newer: usize,
    older: usize,
}

/// Of a longer key only the beginning is kept, and a hash of it all: 10,000 keys may be written out,
/// but not 10,000 times the largest metadata.
const MAX_KEY_BYTES: usize = 256;

impl<M> Keyed<M> {
    /// How many are kept where nothing else is said.
    pub const DEFAULT_MAX: usize = 10_000;

    /// Keeps up to [`DEFAULT_MAX`](Self::DEFAULT_MAX).
    pub fn new() -> Self {
        Self::with_max(Self::DEFAULT_MAX)
    }

    /// Keeps up to `max`, at least one.
    pub fn with_max(max: usize) -> Self {
        let entries = Entries { numbers: HashMap::new(), entries: Vec::new(), newest: 0 };
        Self { entries: Mutex::new(entries), max: max.max(1) }
    }

    /// The machine of this key, made if there is none; then the one that was not asked for longest
    /// goes out, if there are too many.
    ///
    /// There is never a second one for a key, so `make` runs under the lock: it must be quick and
    /// not come back here.
    pub fn get_or_insert_with(&self, key: &str, make: impl FnOnce() -> M) -> Arc<M> {
        let mut entries = lock(&self.entries);
        let key = entries.bounded(key);
        if let Some(&number) = entries.numbers.get(&*key) {
            entries.renew(number);
            return Arc::clone(&entries.entries[number].machine);
        }
        let machine = Arc::new(make());
        entries.insert(Arc::from(key), Arc::clone(&machine), self.max);
        machine
    }

    /// Does something with each, for example to change its settings. Those that are made meanwhile
    /// may be missed unless what they are made from has been changed before.
    pub fn for_each(&self, mut act: impl FnMut(&str, &M)) {
        let all: Vec<_> = {
            let entries = lock(&self.entries);
            let of = |entry: &Entry<M>| (Arc::clone(&entry.key), Arc::clone(&entry.machine));
            entries.entries.iter().map(of).collect()
        };
        for (key, machine) in all {
            act(&key, &machine);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        lock(&self.entries).entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<M> Default for Keyed<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> Entries<M> {
    /// A key as it is kept.
    fn bounded<'key>(&self, key: &'key str) -> Cow<'key, str> {
        if key.len() <= MAX_KEY_BYTES {
            return Cow::Borrowed(key);
        }
        let hash = self.numbers.hasher().hash_one(key);
        let mut beginning = MAX_KEY_BYTES - "~".len() - 16;
        while !key.is_char_boundary(beginning) {
            beginning -= 1;
        }
        Cow::Owned(format!("{}~{hash:016x}", &key[..beginning]))
    }

    /// Adds a key that is not there, in the place of the oldest if there are `max`.
    fn insert(&mut self, key: Arc<str>, machine: Arc<M>, max: usize) {
        if self.entries.len() < max {
            let number = self.entries.len();
            let entry = Entry { key: Arc::clone(&key), machine, newer: number, older: number };
            self.entries.push(entry);
            if number > 0 {
                self.link(number);
            }
            self.newest = number;
            self.numbers.insert(key, number);
            return;
        }
        let oldest = self.entries[self.newest].newer;
        let entry = &mut self.entries[oldest];
        self.numbers.remove(&entry.key);
        entry.key = Arc::clone(&key);
        entry.machine = machine;
        self.newest = oldest; // the ring stays as it is: it only begins elsewhere
        self.numbers.insert(key, oldest);
    }

    /// Makes an entry the newest.
    fn renew(&mut self, number: usize) {
        if number == self.newest {
            return;
        }
        let Entry { newer, older, .. } = self.entries[number];
        self.entries[newer].older = older;
        self.entries[older].newer = newer;
        self.link(number);
        self.newest = number;
    }

    /// Puts an entry between the newest and the oldest.
    fn link(&mut self, number: usize) {
        let oldest = self.entries[self.newest].newer;
        self.entries[number].older = self.newest;
        self.entries[number].newer = oldest;
        self.entries[self.newest].newer = number;
        self.entries[oldest].older = number;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys<M>(keyed: &Keyed<M>) -> Vec<String> {
        let mut keys = Vec::new();
        keyed.for_each(|key, _| keys.push(key.to_owned()));
        keys.sort();
        keys
    }

    /// governor#171: a keyed limiter that keeps each key for ever is a way to fill the memory.
    #[test]
    fn a_flood_of_keys_stays_within_the_bound_and_a_busy_key_survives_it() {
        let keyed = Keyed::with_max(100);
        let busy = keyed.get_or_insert_with("busy", || 0);
        for number in 1..100_000 {
            keyed.get_or_insert_with(&format!("flood {number}"), || number);
            if number % 90 == 0 {
                let again = keyed.get_or_insert_with("busy", || number);
                assert!(Arc::ptr_eq(&busy, &again), "it begins anew after {number}");
            }
        }
        assert_eq!(keyed.len(), 100);
    }

    #[test]
    fn a_key_that_went_out_begins_anew_and_who_still_has_its_machine_keeps_it() {
        let keyed = Keyed::with_max(1);
        let first = keyed.get_or_insert_with("a", || 1);
        keyed.get_or_insert_with("b", || 2);
        assert_eq!(*keyed.get_or_insert_with("a", || 3), 3);
        assert_eq!(*first, 1);
        assert_eq!(Keyed::<u8>::with_max(0).max, 1);
    }

    #[test]
    fn a_huge_key_is_told_apart_but_not_kept() {
        let keyed = Keyed::new();
        let (a, b) = ("ä".repeat(100_000), "ä".repeat(100_001));
        let first = keyed.get_or_insert_with(&a, || 1);
        assert_eq!(*keyed.get_or_insert_with(&b, || 2), 2);
        assert!(Arc::ptr_eq(&first, &keyed.get_or_insert_with(&a, || 3)));
        assert!(keys(&keyed).iter().all(|key| key.len() <= MAX_KEY_BYTES));
    }

    #[test]
    fn all_can_be_changed_while_others_come() {
        let keyed = Keyed::new();
        for key in ["a", "b", "c"] {
            keyed.get_or_insert_with(key, || key.to_owned());
        }
        let mut seen = 0;
        keyed.for_each(|key, machine| {
            assert_eq!(key, machine);
            keyed.get_or_insert_with("d", || "d".to_owned());
            seen += 1;
        });
        assert_eq!((seen, keyed.len(), keyed.is_empty()), (3, 4, false));
    }

    proptest! {
        /// Against a list whose first is the one not asked for longest.
        #[test]
        fn the_one_not_asked_for_longest_goes_out(
            max in 1..6usize, asked in prop::collection::vec(0..9u8, 0..60),
        ) {
            let keyed = Keyed::with_max(max);
            let mut model: Vec<String> = Vec::new();
            for key in asked {
                let key = key.to_string();
                let known = model.iter().position(|kept| *kept == key);
                let mut made = false;
                keyed.get_or_insert_with(&key, || made = true);
                prop_assert_eq!(made, known.is_none());
                if let Some(known) = known {
                    model.remove(known);
                } else if model.len() == max {
                    model.remove(0);
                }
                model.push(key);
                let mut kept = model.clone();
                kept.sort();
                prop_assert_eq!(keys(&keyed), kept);
            }
        }
    }
}
