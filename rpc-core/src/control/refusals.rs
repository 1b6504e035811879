//! What has been refused lately, and why: for people, so that only what is refused pays for it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::tally::Tally;
use crate::governance::Moment;
use crate::governance::rules::RuleKey;
use crate::status::Status;

/// Refusals that are kept word for word.
const KEPT: usize = 32;
/// Letters that are kept of what a server says.
const HEARD: usize = 300;
/// One for each rule, and one for what no rule has refused.
const TALLIES: usize = RuleKey::ALL.len() + 1;

/// The refusals of one method: of its own rules, or of the servers that it is called at.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    last: VecDeque<Refused>,
    refused: [Tally; TALLIES],
    /// What dark rules would have refused.
    dark: [Tally; TALLIES],
}

/// One refusal.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) at: Moment,
    /// Which rule refused; none for a server that is full or is going.
    pub(super) by: Option<RuleKey>,
    /// It was only counted.
    pub(super) is_dark: bool,
    /// What the caller was told, or would have been.
    pub(super) why: Status,
}

impl Refusals {
    /// A rule has refused a call, or would have. The call goes on if the rule is dark.
    ///
    /// # Errors
    /// The refusal, if it is in earnest.
    pub(super) fn refuse(
        &self,
        by: RuleKey,
        is_dark: bool,
        why: Status,
        now: Moment,
    ) -> Result<(), Status> {
        self.note(Some(by), is_dark, &why, now);
        if is_dark { Ok(()) } else { Err(why) }
    }

    /// Somebody else refused, in words of their own: of those only as much is kept as a person reads.
    pub(super) fn hear(&self, why: &Status, now: Moment) {
        let message = shortened(why.message());
        self.note(why.refused_by(), false, &Status::refused(why.code(), message), now);
    }

    fn note(&self, by: Option<RuleKey>, is_dark: bool, why: &Status, now: Moment) {
        let mut log = self.lock();
        let tallies = if is_dark { &mut log.dark } else { &mut log.refused };
        tallies[place(by)].add(now);
        if log.last.len() == KEPT {
            log.last.pop_front();
        }
        log.last.push_back(Refused { at: now, by, is_dark, why: why.clone() });
    }

    /// How many calls each has refused in the last minute, or would have if it were not dark.
    pub(super) fn of_minute(&self, is_dark: bool, now: Moment) -> Vec<(Option<RuleKey>, u64)> {
        let log = self.lock();
        let tallies = if is_dark { &log.dark } else { &log.refused };
        let all = RuleKey::ALL.into_iter().map(Some).chain([None]);
        let counts = all.map(|by| (by, tallies[place(by)].last_minute(now)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// The last refusals, the latest first.
    pub(super) fn last(&self) -> Vec<Refused> {
        self.lock().last.iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What somebody else says, as far as a person reads it.
pub(super) fn shortened(words: &str) -> String {
    let letters = words.chars().take(HEARD);
    letters.fold(String::new(), |said, letter| match letter.is_control() {
        true => said + &letter.escape_default().to_string(),
        false => said + letter.encode_utf8(&mut [0; 4]),
    })
}

fn place(by: Option<RuleKey>) -> usize {
    by.map_or(TALLIES - 1, |by| by as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Code;

    const NOW: Moment = Moment::from_nanos(5);

    #[test]
    fn a_flood_of_refusals_is_counted_and_only_the_last_are_kept() {
        let refusals = Refusals::default();
        let why = Status::local(Code::ResourceExhausted, "full");
        for _ in 0..10_000 {
            refusals.note(Some(RuleKey::Limit), false, &why, NOW);
            refusals.note(None, false, &why, NOW);
        }
        let counted = refusals.of_minute(false, NOW);
        assert_eq!(counted, [(Some(RuleKey::Limit), 10_000), (None, 10_000)]);
        assert_eq!(refusals.last().len(), KEPT);
    }

    #[test]
    fn a_server_that_says_too_much_is_cut_short_and_its_control_characters_are_not_printed() {
        let refusals = Refusals::default();
        let long = format!("\x1b[2J\nshop.Inventory/price  client{}", "!".repeat(100_000));
        let why = Status::refused(Code::Unavailable, long).with_detail("x", vec![0; 1_000]);
        refusals.hear(&why, NOW);
        let kept = refusals.last()[0].why.clone();
        assert!(kept.message().starts_with("\\u{1b}[2J\\nshop.Inventory"), "{kept}");
        assert!(kept.message().len() < 400 && kept.details().is_empty());
        assert_eq!(refusals.of_minute(false, NOW), [(None, 1)]);
    }

    #[test]
    fn what_is_dark_is_counted_apart() {
        let refusals = Refusals::default();
        let why = Status::local(Code::Unavailable, "open");
        refusals.note(Some(RuleKey::Breaker), true, &why, NOW);
        assert_eq!(refusals.of_minute(false, NOW), []);
        assert_eq!(refusals.of_minute(true, NOW), [(Some(RuleKey::Breaker), 1)]);
        assert!(refusals.last()[0].is_dark);
    }
}
