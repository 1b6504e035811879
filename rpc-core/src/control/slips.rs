//! Rules about nothing: entries that name a method or a service almost as one that there is.

use std::collections::BTreeSet;

use super::given::BUILDER;
use super::governance::Governance;
use crate::governance::rules::{
    Entry, Mistake, Mistakes, Origin, Overrides, RuleKey, RuleSet, Side, Strength, Target, quoted,
};

/// Entries of files and switches that are slips, probably: about no method that this process calls or
/// serves, but of a service that it does, or of one that is called nearly so. A file may well have
/// entries for other processes; a switch is thrown in this one.
pub(super) fn all(governance: &Governance) -> Vec<String> {
    let known = [Side::Client, Side::Server].map(|side| (side, governance.paths(side)));
    governance.with_sets(|sets| {
        let mut found = Vec::new();
        for set in sets {
            for (side, paths) in &known {
                for (target, entry) in set.side(*side).entries() {
                    let meant = target.meant(paths).map(|it| format!("; did you mean \"{it}\"?"));
                    let is_here = set.strength() == Strength::Console;
                    if meant.is_none() && (!is_here || target.is_about_any(paths)) {
                        continue;
                    }
                    let place = place(entry).map(|place| format!("{place}: ")).unwrap_or_default();
                    let meant = meant.unwrap_or_default();
                    found.push(format!("{place}{side}.{target} is about nothing here{meant}"));
                }
            }
        }
        found
    })
}

/// What a builder says about none of the methods of these paths, which are all it is for.
pub(super) fn of_builder(rules: &RuleSet, side: Side, paths: &[String]) -> Option<Mistakes> {
    let lost = rules.side(side).entries().filter(|(target, _)| !target.is_about_any(paths));
    let whose = match side {
        Side::Client => "this client has no such method",
        Side::Server => "this server has no such method",
    };
    let services = paths.iter().filter_map(|path| path.split_once('/'));
    let services: BTreeSet<_> = services.map(|(service, _)| quoted(service)).collect();
    let services = services.into_iter().collect::<Vec<_>>().join(", ");
    let mistakes = lost.map(|(target, entry)| {
        let mut mistake = mistake(BUILDER, side, target, whose, paths);
        mistake.place = place(entry).and_then(|origin| origin.place);
        if mistake.meant.is_none() && !services.is_empty() {
            mistake.expected = format!("{services} or a method of it");
        }
        mistake
    });
    Mistakes::found(mistakes.collect())
}

/// Refuses a switch about a method that there is not, of a service that is known in full.
pub(super) fn refuse(governance: &Governance, side: Side, target: &Target) -> Result<(), Mistakes> {
    let paths = governance.known_paths(side);
    match target.meant(&paths) {
        Some(_) => Err(of_switch(side, target, &paths)),
        None => Ok(()),
    }
}

/// Refuses a switch for many methods each of which has somebody who says otherwise and wins. It would do
/// nothing.
pub(super) fn refuse_overruled(
    governance: &Governance,
    side: Side,
    target: &Target,
    key: RuleKey,
    trial: &Overrides,
) -> Result<(), Mistakes> {
    let Target::Service(service) = target else { return Ok(()) };
    let decided = governance.decisions_with(side, service, key, trial);
    let mut said = decided.iter().filter_map(|decision| decision.said.as_ref());
    let Some(other) = said.clone().find(|said| said.target != *target) else { return Ok(()) };
    if said.any(|said| said.target == *target) {
        return Ok(());
    }
    let why = format!("{} says otherwise of each method, and the more specific wins", other.origin);
    let mut mistake = mistake(&Overrides::source(""), side, target, &why, &[]);
    mistake.field.push_str(&format!(".{}", key.name()));
    mistake.meant = Some(format!("\"{service}/*\""));
    Err(Mistakes::only(mistake))
}

/// A switch is about none of the methods of these paths.
pub(super) fn of_switch(side: Side, target: &Target, paths: &[String]) -> Mistakes {
    let why = match side {
        Side::Client => "nobody in this process calls that",
        Side::Server => "nobody in this process serves that",
    };
    Mistakes::only(mistake(&Overrides::source(""), side, target, why, paths))
}

/// A breaker is to be held of more than a method, or of none.
pub(super) fn not_a_method(target: &Target, paths: &[String]) -> Mistakes {
    let why = "breakers are held method by method";
    let method = paths.iter().find(|path| target.is_about_any(std::slice::from_ref(path)));
    let method = method.map_or("shop.Inventory/price", |path| path);
    let mistake = mistake(&Overrides::source(""), Side::Client, target, why, &[]);
    Mistakes::only(Mistake { expected: format!("one method, as in \"{method}\""), ..mistake })
}

/// A breaker is to be held where there is none.
pub(super) fn without_breaker(target: &Target) -> Mistakes {
    let why = "it has no breaker that could be held";
    Mistakes::only(mistake(&Overrides::source(""), Side::Client, target, why, &[]))
}

fn mistake(source: &str, side: Side, target: &Target, why: &str, paths: &[String]) -> Mistake {
    Mistake {
        source: source.into(),
        place: None,
        field: format!("{side}.{target}"),
        problem: why.to_owned(),
        meant: target.meant(paths).map(|meant| format!("\"{meant}\"")),
        expected: String::new(),
    }
}

/// Where an entry stands.
fn place(entry: &Entry) -> Option<&Origin> {
    entry.rules().keys().find_map(|key| entry.origin(key))
}
