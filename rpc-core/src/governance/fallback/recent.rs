//! A map that knows which of its entries was used longest ago: a hash table into a list that is
//! linked by indices.

use std::collections::HashMap;
use std::hash::Hash;

/// No entry.
const NONE: usize = usize::MAX;

#[derive(Debug)]
pub(super) struct Recent<K, V> {
    /// With the standard library's keyed hash: whoever calls chooses the keys.
    places: HashMap<K, usize>,
    entries: Vec<Entry<K, V>>,
    /// Used last, and used longest ago.
    first: usize,
    last: usize,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    before: usize,
    after: usize,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    pub(super) fn new() -> Self {
        Self { places: HashMap::new(), entries: Vec::new(), first: NONE, last: NONE }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The value of `key`, which is now the one used last.
    pub(super) fn touch(&mut self, key: &K) -> Option<&mut V> {
        let place = *self.places.get(key)?;
        if self.first != place {
            self.unlink(place);
            self.link_first(place);
        }
        Some(&mut self.entries[place].value)
    }

    /// Puts in what is not there yet, as the one used last.
    pub(super) fn insert(&mut self, key: K, value: V) {
        let place = self.entries.len();
        let earlier = self.places.insert(key.clone(), place);
        debug_assert!(earlier.is_none(), "touched before it is inserted");
        self.entries.push(Entry { key, value, before: NONE, after: NONE });
        self.link_first(place);
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.places.remove(key)?;
        Some(self.take(place))
    }

    /// Takes out the one used longest ago.
    pub(super) fn pop_oldest(&mut self) -> Option<V> {
        let place = self.last;
        let key = &self.entries.get(place)?.key;
        self.places.remove(key);
        Some(self.take(place))
    }

    /// What is no longer in `places`; the last of `entries` moves into its place.
    fn take(&mut self, place: usize) -> V {
        self.unlink(place);
        let taken = self.entries.swap_remove(place);
        if let Some(moved) = self.entries.get(place) {
            let (before, after) = (moved.before, moved.after);
            if let Some(known) = self.places.get_mut(&moved.key) {
                *known = place;
            }
            self.set_after(before, place);
            self.set_before(after, place);
        }
        taken.value
    }

    fn unlink(&mut self, place: usize) {
        let Entry { before, after, .. } = self.entries[place];
        self.set_after(before, after);
        self.set_before(after, before);
    }

    fn link_first(&mut self, place: usize) {
        let first = self.first;
        self.entries[place].before = NONE;
        self.entries[place].after = first;
        self.set_before(first, place);
        self.first = place;
    }

    /// What comes after `place`, or first if there is none.
    fn set_after(&mut self, place: usize, after: usize) {
        match self.entries.get_mut(place) {
            Some(entry) => entry.after = after,
            None => self.first = after,
        }
    }

    /// What comes before `place`, or last if there is none.
    fn set_before(&mut self, place: usize, before: usize) {
        match self.entries.get_mut(place) {
            Some(entry) => entry.before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_what_a_list_does_that_is_searched(
            steps in proptest::collection::vec((0..4, 0..8_u8), 0..200),
        ) {
            let mut recent = Recent::new();
            let mut list: Vec<(u8, usize)> = Vec::new();
            for (index, (step, key)) in steps.into_iter().enumerate() {
                let place = list.iter().position(|(other, _)| *other == key);
                match (step, place) {
                    (0, None) => {
                        recent.insert(key, index);
                        list.insert(0, (key, index));
                    }
                    (1, _) => {
                        let expected = place.map(|place| list.remove(place).1);
                        prop_assert_eq!(recent.remove(&key), expected);
                    }
                    (2, _) => {
                        prop_assert_eq!(recent.pop_oldest(), list.pop().map(|(_, value)| value));
                    }
                    _ => {
                        let expected = place.map(|place| list.remove(place));
                        prop_assert_eq!(recent.touch(&key).copied(), expected.map(|(_, value)| value));
                        list.splice(0..0, expected);
                    }
                }
                prop_assert_eq!(recent.len(), list.len());
            }
            while let Some((_, value)) = list.pop() {
                prop_assert_eq!(recent.pop_oldest(), Some(value));
            }
            prop_assert_eq!(recent.pop_oldest(), None);
        }
    }
}
