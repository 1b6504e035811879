//! The rules that a builder was given.

use super::client::facts_of;
use super::slips;
use crate::governance::rules::{Mistakes, RuleSet, Side, Strength, Syntax};
use crate::method::Method;
use crate::status::{Code, Status};

/// What messages call the rules that a builder was given.
pub(crate) const BUILDER: &str = "builder";

/// The rules that a builder was given, for these methods, or for whichever there will be.
///
/// # Errors
/// *Invalid argument*, with all that is wrong with them.
pub(crate) fn rules_of_builder<'m>(
    side: Side,
    toml: &str,
    methods: Option<impl Iterator<Item = &'m Method>>,
) -> Result<RuleSet, Status> {
    let refused = |mistakes: Mistakes| {
        Status::local(Code::InvalidArgument, mistakes.to_string()).with_source(mistakes)
    };
    let methods: Option<Vec<_>> = methods.map(Iterator::collect);
    let facts = |path: &str| {
        let method = methods.iter().flatten().find(|method| method.path() == path)?;
        Some(facts_of(method))
    };
    let rules = RuleSet::parse(Strength::Attribute, BUILDER, Syntax::Toml, toml, Some(&facts))
        .map_err(refused)?;
    let other = match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    };
    if let Some((target, _)) = rules.side(other).entries().next() {
        let lost = format!("{BUILDER}: [{other}.{target}] is of no use to a {side}");
        return Err(Status::local(Code::InvalidArgument, lost));
    }
    if let Some(methods) = methods {
        let paths: Vec<_> = methods.iter().map(|method| method.path().to_owned()).collect();
        slips::of_builder(&rules, side, &paths).map_or(Ok(()), |slips| Err(refused(slips)))?;
    }
    Ok(rules)
}
