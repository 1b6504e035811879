//! Rules: what is said of methods, by whom, and what of it is in force.

mod types;

pub use types::{
    BreakerKind, BreakerRule, ConcurrencyRule, FallbackRule, HedgeAfter, HedgeRule, Key, Keys,
    LimitKind, LimitRule, Rate, RetryRule, RuleKey, Rules, Setting, Share, Window,
};
