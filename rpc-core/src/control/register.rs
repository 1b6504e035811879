//! Things that exist as long as somebody uses them, found by a key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

/// See the module.
pub(super) struct Register<K, V> {
    pub(super) things: HashMap<K, Weak<V>>,
    /// When so many are there, those that are gone are swept out.
    sweep_at: usize,
}

impl<K, V> Default for Register<K, V> {
    fn default() -> Self {
        Self { things: HashMap::new(), sweep_at: 64 }
    }
}

impl<K: Eq + Hash, V> Register<K, V> {
    /// The thing of this key, and whether it is new.
    pub(super) fn get_or_insert(&mut self, key: K, make: impl FnOnce() -> V) -> (Arc<V>, bool) {
        if let Some(thing) = self.things.get(&key).and_then(Weak::upgrade) {
            return (thing, false);
        }
        if self.things.len() >= self.sweep_at {
            self.things.retain(|_, thing| thing.strong_count() > 0);
            self.sweep_at = (self.things.len() * 2).max(64);
        }
        let thing = Arc::new(make());
        self.things.insert(key, Arc::downgrade(&thing));
        (thing, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_of_things_that_are_gone_stays_small() {
        let mut register = Register::<usize, usize>::default();
        let kept: Vec<_> = (0..100).map(|key| register.get_or_insert(key, || key).0).collect();
        for key in 0..100_000 {
            register.get_or_insert(1_000 + key, || key);
            assert!(register.things.len() <= 300, "{} after {key}", register.things.len());
        }
        for (key, thing) in kept.iter().enumerate() {
            let (again, is_new) = register.get_or_insert(key, || 0);
            assert!(!is_new && Arc::ptr_eq(thing, &again));
        }
    }
}
