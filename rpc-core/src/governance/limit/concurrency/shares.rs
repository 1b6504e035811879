//! How much of a limit calls of each priority may use.

use rpc_codec::Priority;

/// How many priorities there are.
pub(super) const RANKS: usize = 4;

/// Rank 0 matters most.
pub(super) fn rank(priority: Priority) -> usize {
    match priority {
        Priority::Critical => 0,
        Priority::Normal => 1,
        Priority::Sheddable => 2,
        Priority::Bulk => 3,
    }
}

/// In percent, by rank. Wide apart, so that load that grows meets one after the other: bulk work is
/// refused when nothing is short yet, and what is sheddable before anybody waits.
const SHARES: [u64; RANKS] = [100, 100, 80, 60];

/// What normal calls may use while critical ones have been short of room.
const NORMAL_BESIDE_CRITICAL: u64 = 95;

/// How many calls may be under way for one more of each rank to be let in.
///
/// They never grow with the rank, so where there is no room for one rank there is none for those
/// below it. The smallest limit that lets anything in lets in every priority.
pub(super) fn room(max: u32, reserved: bool) -> [u32; RANKS] {
    let mut shares = SHARES;
    if reserved {
        shares[rank(Priority::Normal)] = NORMAL_BESIDE_CRITICAL;
    }
    shares.map(|percent| {
        let part = u64::from(max) * percent / 100;
        u32::try_from(part).unwrap_or(max).max(max.min(1))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_shares() {
        assert_eq!(room(100, false), [100, 100, 80, 60]);
        assert_eq!(room(100, true), [100, 95, 80, 60]);
        assert_eq!(room(20, true), [20, 19, 16, 12]);
        assert_eq!(room(2, true), [2, 1, 1, 1]);
        assert_eq!(room(1, true), [1, 1, 1, 1], "one place is for whoever comes");
        assert_eq!(room(0, false), [0; RANKS]);
        assert_eq!(room(u32::MAX, false)[0], u32::MAX);
    }

    proptest! {
        #[test]
        fn what_matters_less_never_has_more_room(max: u32, reserved: bool) {
            let room = room(max, reserved);
            prop_assert!(room.is_sorted_by(|more, less| more >= less));
            prop_assert_eq!(room[0], max);
        }
    }
}
