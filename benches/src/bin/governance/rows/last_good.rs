//! Last good answers: to keep one in place of an earlier one, and to find one.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rpc_core::Metadata;
use rpc_core::governance::fallback::{Good, Key, LastGood, LastGoodSettings};
use rpc_core::governance::outcome::Outcome;

use super::turns::Turns;
use crate::suite::{Clock, Suite};

const KEPT: u32 = 1_000;

pub(super) fn rows(suite: &mut Suite) {
    let keys: Arc<[Key]> = (0..KEPT).map(key).collect();
    let answer = Bytes::from_static(&[7; 100]);
    let settings = LastGoodSettings::new(Duration::MAX, KEPT);
    let kept = Arc::new(LastGood::new(settings, Bytes::len));

    let mut turns = Turns::of(&keys);
    let (keep, answers) = (Arc::clone(&kept), answer.clone());
    suite.bench("last good, key", "ours", Clock::Needless, |_| {
        black_box(key(black_box(7)));
    });
    suite.bench("last good, keep", "ours", Clock::Told, move |now| {
        let good = Good::new(Outcome::Success, false, answers.clone()).expect("it is good");
        keep.keep(turns.next(), good, now);
    });
    for key in keys.iter() {
        let good = Good::new(Outcome::Success, false, answer.clone()).expect("it is good");
        kept.keep(key, good, suite.now());
    }
    let mut turns = Turns::of(&keys);
    suite.bench("last good, get", "ours", Clock::Told, move |now| {
        drop(black_box(kept.get(turns.next(), now).expect("it is kept")));
    });
}

fn key(number: u32) -> Key {
    Key::new("shop.Inventory/price", "msgpack", &number.to_le_bytes(), &Metadata::new(), &[])
}
