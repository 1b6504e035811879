//! Methods switched off on purpose, one by one or by level.

use std::error::Error as StdError;
use std::fmt;

use crate::governance::rules::{Rules, Setting};
use crate::status::{Code, Status};

/// Whether a method is switched off: its rules `degrade` and `optional`. The level of a process says how
/// far it has degraded itself: level 2 switches off what is `optional = 2` and below, 0 nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Degrade {
    /// It is, whatever the level.
    pub forced: bool,
    /// It is from this level on. Level 0 switches nothing off, so 0 is as 1.
    pub optional: Option<u8>,
}

impl Degrade {
    /// As the rules say.
    pub fn of(rules: &Rules) -> Self {
        Self {
            forced: matches!(rules.degrade, Some(Setting::On(()))),
            optional: rules.optional.as_ref().and_then(Setting::on).copied(),
        }
    }

    /// Whether the method is switched off at this level.
    pub fn is_forced(&self, level: u8) -> bool {
        self.check(level).is_err()
    }

    /// Lets a call pass.
    ///
    /// # Errors
    /// If the method is switched off: the fallback answers, or the caller gets this.
    pub fn check(&self, level: u8) -> Result<(), Degraded> {
        if self.forced {
            return Err(Degraded { level: None });
        }
        match self.optional {
            Some(optional) if level > 0 && optional <= level => {
                Err(Degraded { level: Some((optional, level)) })
            }
            _ => Ok(()),
        }
    }
}

/// The method is switched off on purpose; nothing was sent. It stays so until someone changes that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Degraded {
    /// What the method is optional from, and the level, if it is for that.
    level: Option<(u8, u8)>,
}

impl Degraded {
    /// The level of the process, if the method is switched off because of that; `None` if it is by its
    /// own rule.
    pub fn level(&self) -> Option<u8> {
        self.level.map(|(_, level)| level)
    }
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            None => f.write_str("switched off by its rule `degrade`, until that is changed"),
            Some((optional, level)) => write!(
                f,
                "switched off by level {level} of this process, as it is `optional = {optional}`, \
                 until the level is lowered"
            ),
        }
    }
}

impl StdError for Degraded {}

impl From<Degraded> for Status {
    fn from(degraded: Degraded) -> Self {
        Self::local(Code::Unavailable, degraded.to_string()).with_source(degraded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::outcome::Outcome;

    #[test]
    fn level_two_switches_off_what_is_optional_two_and_below() {
        let forced =
            |optional, level| Degrade { forced: false, optional: Some(optional) }.is_forced(level);
        assert!(forced(1, 2) && forced(2, 2) && !forced(3, 2));
        assert!(!Degrade::default().is_forced(u8::MAX), "what is not optional is never");
    }

    #[test]
    fn level_zero_switches_nothing_off() {
        let degrade = Degrade { forced: false, optional: Some(0) };
        assert!(!degrade.is_forced(0) && degrade.is_forced(1));
        assert!(Degrade { forced: true, optional: None }.is_forced(0), "but for the rule");
    }

    #[test]
    fn it_follows_the_rules() {
        let mut rules = Rules::NONE;
        assert_eq!(Degrade::of(&rules), Degrade::default());
        rules.degrade = Some(Setting::On(()));
        rules.optional = Some(Setting::On(2));
        assert_eq!(Degrade::of(&rules), Degrade { forced: true, optional: Some(2) });
        rules.degrade = Some(Setting::Off);
        rules.optional = Some(Setting::Off);
        assert_eq!(Degrade::of(&rules), Degrade::default());
    }

    #[test]
    fn a_refusal_says_who_and_asks_the_fallback() {
        let degrade = Degrade { forced: false, optional: Some(2) };
        let refused = degrade.check(3).expect_err("3 is above 2");
        assert_eq!(refused.level(), Some(3));
        let status: Status = refused.into();
        assert_eq!(
            status.to_string(),
            "unavailable: switched off by level 3 of this process, as it is `optional = 2`, until \
             the level is lowered"
        );
        assert!(status.is_safe_to_retry());
        let outcome = Outcome::of_status(&status);
        assert_eq!(outcome, Outcome::RefusedLocally);
        assert!(outcome.asks_fallback() && !outcome.is_retryable(&status));
    }
}
