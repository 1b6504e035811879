//! The locks and atomics that machines are made of: the standard library's or, to have every
//! interleaving tried, those of a model checker (`--cfg model`).

#[cfg(not(model))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(model)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

/// Locks, also after a panic under the lock: machines leave nothing half done where they could
/// panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn a_poisoned_lock_is_taken_all_the_same() {
        let counted = Mutex::new(1);
        let panicked = std::thread::scope(|scope| {
            let holder = scope.spawn(|| {
                let _held = lock(&counted);
                panic!("on purpose");
            });
            holder.join().is_err()
        });
        assert!(panicked && counted.is_poisoned());
        *lock(&counted) += 1;
        assert_eq!(*lock(&counted), 2);
    }
}
