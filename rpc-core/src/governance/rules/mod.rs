//! Rules: what is said of methods, by whom, and what of it is in force.
//!
//! A [`RuleSet`] is what one source says: a file, a registry, the console. It is read whole or not
//! at all, and what is wrong with it is told all at once ([`Mistakes`]), since a person who repairs
//! a file during an outage should have to do it once. [`resolve`] decides what holds for a method;
//! [`explain`] says so, and who said otherwise. Nothing here reads files or clocks.

mod document;
mod explain;
mod json;
mod keys;
mod mistake;
mod overrides;
mod parse;
mod resolve;
mod set;
mod suggest;
mod toml;
mod types;
mod units;
mod words;

pub use document::{MAX_BYTES, Syntax};
pub use explain::{Live, explain};
pub use keys::Side;
pub use mistake::{Mistake, Mistakes, Place};
pub use overrides::{Override, Overrides};
pub use parse::{Catalogue, MethodFacts};
pub(crate) use resolve::lesser;
pub use resolve::{Capped, Decision, Resolved, Said, resolve};
pub(crate) use set::in_words;
pub use set::{Entry, Origin, RuleSet, Section, Strength, Target};
pub(crate) use suggest::nearest;
pub use types::{
    BreakerKind, BreakerRule, ConcurrencyRule, FallbackRule, HedgeAfter, HedgeRule, Key, Keys,
    LimitKind, LimitRule, Rate, RetryRule, RuleKey, Rules, Setting, Share, Window,
};
pub(crate) use units::quoted;
pub use units::{Misread, parse_duration, parse_percentile, parse_rate, parse_share};
