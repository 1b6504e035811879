//! Where each key may stand: on which side, in `dark`, in `caps`.

use std::fmt;

use super::types::RuleKey;

/// Which end of a call a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Who calls.
    Client,
    /// Who is called.
    Server,
}

impl Side {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl RuleKey {
    /// The key of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// Whether it means anything on that side.
    pub const fn is_for(self, side: Side) -> bool {
        match self {
            Self::Limit | Self::Concurrency | Self::Priority | Self::Dark => true,
            Self::Timeout
            | Self::PerTry
            | Self::Retry
            | Self::Hedge
            | Self::Breaker
            | Self::Fallback
            | Self::Degrade
            | Self::Optional => matches!(side, Side::Client),
        }
    }

    /// Whether it does something that could be counted instead of done. `optional` only says when
    /// `degrade` is in force, and `priority` is a word for others to act on.
    pub const fn can_be_dark(self) -> bool {
        !matches!(self, Self::Optional | Self::Priority | Self::Dark)
    }

    /// Whether it has a more and a less, so that a cap can bound it.
    pub const fn can_be_capped(self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::PerTry
                | Self::Retry
                | Self::Hedge
                | Self::Limit
                | Self::Concurrency
                | Self::Priority
        )
    }
}

/// The names of the keys that pass.
pub(crate) fn names(passes: impl Fn(RuleKey) -> bool) -> Vec<&'static str> {
    RuleKey::ALL.into_iter().filter(|key| passes(*key)).map(RuleKey::name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_takes_what_it_can_enforce_before_it_decodes() {
        let keys = names(|key| key.is_for(Side::Server));
        assert_eq!(keys, ["limit", "concurrency", "priority", "dark"]);
        assert_eq!(names(|key| key.is_for(Side::Client)).len(), RuleKey::ALL.len());
    }

    #[test]
    fn keys_are_found_by_name() {
        for key in RuleKey::ALL {
            assert_eq!(RuleKey::named(key.name()), Some(key));
        }
        assert_eq!(RuleKey::named("Timeout"), None);
    }
}
