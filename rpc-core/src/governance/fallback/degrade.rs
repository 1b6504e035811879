//! Methods switched off on purpose, one by one or by level.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::governance::rules::{RuleKey, Rules, Setting, in_words};
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
            return Err(Degraded { level: None, said: None });
        }
        match self.optional {
            Some(optional) if level > 0 && optional <= level => {
                Err(Degraded { level: Some((optional, level)), said: None })
            }
            _ => Ok(()),
        }
    }
}

/// The method is switched off on purpose; nothing was sent. It stays so until someone changes that, or what
/// was said for a while expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degraded {
    /// What the method is optional from, and the level, if it is for that.
    level: Option<(u8, u8)>,
    /// Who says so, and for how long yet.
    said: Option<(Arc<str>, Option<Duration>)>,
}

impl Degraded {
    /// The same, as `by` says, who says it for so long yet; for good if that is `None`.
    #[must_use]
    pub fn said_by(self, by: Arc<str>, left: Option<Duration>) -> Self {
        Self { said: Some((by, left)), ..self }
    }

    /// Who says so, as `rules.toml:8` or `console (anna)`, where that is known.
    pub fn by(&self) -> Option<&str> {
        self.said.as_ref().map(|(by, _)| &**by)
    }

    /// For how long yet, where that is known and has an end.
    pub fn left(&self) -> Option<Duration> {
        self.said.as_ref().and_then(|(_, left)| *left)
    }

    /// The level of the process, if the method is switched off because of that; `None` if it is by its
    /// own rule.
    pub fn level(&self) -> Option<u8> {
        self.level.map(|(_, level)| level)
    }
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            None => f.write_str("switched off by its rule `degrade`")?,
            Some((optional, level)) => write!(
                f,
                "switched off by level {level} of this process, as it is `optional = {optional}`"
            )?,
        }
        match (self.by(), self.left()) {
            (None, _) => Ok(()),
            (Some(by), None) => write!(f, ", says {by}"),
            (Some(by), Some(left)) => write!(f, ", says {by} for another {}", in_words(left)),
        }
    }
}

impl StdError for Degraded {}

impl From<Degraded> for Status {
    fn from(degraded: Degraded) -> Self {
        // `optional` only says when `degrade` is in force.
        Self::local(Code::Unavailable, degraded.to_string())
            .refused_by_rule(RuleKey::Degrade)
            .with_source(degraded)
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
            "unavailable: switched off by level 3 of this process, as it is `optional = 2`"
        );
        assert_eq!(status.refused_by(), Some(RuleKey::Degrade));
        assert!(status.is_safe_to_retry());
        let outcome = Outcome::of_status(&status);
        assert_eq!(outcome, Outcome::RefusedLocally);
        assert!(outcome.asks_fallback() && !outcome.is_retryable(&status));
    }

    #[test]
    fn a_switch_says_whose_it_is_and_for_how_long_yet() {
        let refused = Degrade { forced: true, optional: None }.check(0).expect_err("forced");
        let by_file = refused.clone().said_by("rules.toml:8".into(), None);
        assert_eq!(by_file.to_string(), "switched off by its rule `degrade`, says rules.toml:8");
        let by_anna = refused.said_by("console (anna)".into(), Some(Duration::from_secs(700)));
        let status: Status = by_anna.into();
        assert_eq!(
            status.message(),
            "switched off by its rule `degrade`, says console (anna) for another 12 min"
        );
        assert_eq!(status.refused_by(), Some(RuleKey::Degrade));
    }
}
