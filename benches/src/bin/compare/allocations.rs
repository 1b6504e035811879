//! Counts heap allocations of this thread, while it is asked to; at other times counting costs a look at
//! a flag.

use std::alloc::System;

use mockalloc::{Mockalloc, record_allocs};

#[global_allocator]
static ALLOCATOR: Mockalloc<System> = Mockalloc(System);

/// Runs it, and counts how often it allocated or grew an allocation, on this thread.
pub(crate) fn of(run: impl FnOnce()) -> u64 {
    record_allocs(run).num_allocs()
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    #[test]
    fn boxes_are_counted_and_numbers_are_not() {
        assert_eq!(super::of(|| drop(black_box(Box::new(1)))), 1);
        assert_eq!(super::of(|| _ = black_box(1)), 0);
    }
}
