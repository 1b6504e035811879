//! What is in force for a method and who says so, for a person at three in the morning.
//!
//! Pure text from pure data. What only the running machines know (a breaker's state, how many calls
//! were refused) is handed in as lines.

use std::fmt::Write as _;

use super::resolve::{Decision, Resolved, Said};
use super::set::Target;
use super::types::RuleKey;
use crate::governance::Moment;

/// What a running machine has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Live {
    /// In place of the key's value: `OPEN 3.2s ago, next probe in 1.8s: ..`.
    Instead(RuleKey, String),
    /// Behind who said it: `answered 214 calls since the breaker opened`.
    Note(RuleKey, String),
    /// A line of its own: `refused`, `31 by limit in the last minute`.
    Line(String, String),
}

/// A line: what it is about, what holds, who says so, and who said otherwise.
struct Row {
    label: String,
    value: String,
    whose: String,
    overruled: String,
}

/// What is in force for a method, a line per key.
///
/// ```text
/// shop.Inventory/price  client
///   timeout   200ms           attribute
///   limit     500/s burst 50  console, expires in 12 min  (rules.toml:8 says 2000/s burst 200)
/// ```
pub fn explain(resolved: &Resolved, now: Moment, live: &[Live]) -> String {
    let mut rows: Vec<Row> =
        resolved.decisions.iter().map(|decision| row(resolved, decision, now, live)).collect();
    rows.extend(unsaid(resolved, live));
    rows.extend(live.iter().filter_map(|live| match live {
        Live::Line(label, text) => Some(bare(label, text)),
        Live::Instead(..) | Live::Note(..) => None,
    }));
    let mut text = format!("{}  {}\n", resolved.path, resolved.side);
    if rows.is_empty() {
        text.push_str("  no rules\n");
    }
    let width = |width: fn(&Row) -> Option<&str>| {
        rows.iter().filter_map(width).map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let labels = width(|row| Some(&row.label)).max(8);
    let values = width(|row| (!row.whose.is_empty()).then_some(&*row.value));
    let whoses = width(|row| (!row.overruled.is_empty()).then_some(&*row.whose));
    for Row { label, value, whose, overruled } in &rows {
        let line = match whose.is_empty() {
            true => format!("  {label:labels$}  {value}  {overruled}"),
            false => format!("  {label:labels$}  {value:values$}  {whose:whoses$}  {overruled}"),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn bare(label: &str, text: &str) -> Row {
    let (label, value) = (label.to_owned(), text.to_owned());
    Row { label, value, whose: String::new(), overruled: String::new() }
}

fn row(resolved: &Resolved, decision: &Decision, now: Moment, live: &[Live]) -> Row {
    let key = decision.key;
    let others = |said: &mut dyn Iterator<Item = &Said>| {
        let said: Vec<String> = said.map(contradicts).collect();
        if said.is_empty() { String::new() } else { format!("({})", said.join("; ")) }
    };
    if let Some(text) = instead(key, live) {
        let overruled = others(&mut decision.said.iter().chain(&decision.overruled));
        let dark = if resolved.is_dark(key) { ", dark: only counts" } else { "" };
        return Row { overruled, ..bare(key.name(), &format!("{text}{dark}")) };
    }
    let overruled = others(&mut decision.overruled.iter());
    let mut whose = match (&decision.said, &decision.capped) {
        (Some(said), _) => whose(said),
        (None, Some(capped)) => format!("cap of {}", capped.origin),
        (None, None) => String::new(),
    };
    if let Some(said) = &decision.said {
        whose.push_str(&said.origin.expiry(now));
    }
    if let (Some(said), Some(capped)) = (&decision.said, &decision.capped) {
        whose.push_str(&format!(", which said {}, capped by {}", said.words, capped.origin));
    }
    if let Some(capped) = &decision.capped {
        whose.push_str(&capped.origin.expiry(now));
    }
    if resolved.is_dark(key) {
        whose.push_str(", dark: only counts");
    }
    if let (RuleKey::Optional, Some((level, origin))) = (key, &resolved.level) {
        let degrades = if resolved.is_degraded() { "degraded, " } else { "" };
        whose.push_str(&format!(", {degrades}level is {level} by {origin}"));
    }
    for live in live {
        if let Live::Note(about, note) = live
            && *about == key
        {
            whose.push_str(&format!(", {note}"));
        }
    }
    let value = resolved.rules.shown(key).unwrap_or_default();
    Row { label: key.name().to_owned(), value, whose, overruled }
}

/// What machines say of keys that nobody said anything about.
fn unsaid(resolved: &Resolved, live: &[Live]) -> impl Iterator<Item = Row> {
    live.iter().filter_map(|live| match live {
        Live::Instead(key, text) | Live::Note(key, text) if resolved.decision(*key).is_none() => {
            Some(bare(key.name(), text))
        }
        _ => None,
    })
}

fn instead(key: RuleKey, live: &[Live]) -> Option<&str> {
    live.iter().find_map(|live| match live {
        Live::Instead(about, text) if *about == key => Some(&**text),
        _ => None,
    })
}

/// Who says so, and of what, if it is not the method itself.
fn whose(said: &Said) -> String {
    match &said.target {
        Target::Method(_) => said.origin.to_string(),
        target => format!("{} for {target}", said.origin),
    }
}

fn contradicts(said: &Said) -> String {
    format!("{} says {}", whose(said), said.words)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::governance::rules::{
        Override, Overrides, RuleSet, Rules, Setting, Side, Strength, Syntax, resolve,
    };

    const FILE: &str = "\
[client.defaults]
concurrency = 256

[client.\"shop.Inventory/price\"]
limit    = { rate = \"2000/s\", burst = 200 }
breaker  = { failure_rate = \"50%\", min_calls = 10 }
fallback = { last_good = \"30s\" }
hedge    = { after = \"p95\" }
dark     = [\"hedge\"]

[client.caps]
retry = { attempts = 2 }
";

    #[test]
    fn it_reads_like_the_design() {
        let now = Moment::from_nanos(0);
        let file = RuleSet::parse(Strength::File, "rules.toml", Syntax::Toml, FILE, None)
            .expect("valid rules");
        let mut console = Overrides::default();
        let switch = Override {
            side: Side::Client,
            target: "shop.Inventory/price",
            key: "limit",
            value: "{ rate = \"500/s\", burst = 50 }",
            by: "",
            expires: now.plus(Duration::from_secs(11 * 60 + 30)),
        };
        console.set(switch, None).expect("a valid override");
        let attribute = Rules {
            timeout: Some(Setting::On(Duration::from_millis(200))),
            retry: Some(Setting::On(crate::governance::rules::RetryRule::DEFAULT)),
            ..Rules::NONE
        };
        let sets = [&file, console.as_set()];
        let resolved = resolve(Side::Client, "shop.Inventory/price", &attribute, &sets);
        let live = [
            Live::Instead(
                RuleKey::Breaker,
                "OPEN 3.2s ago, next probe in 1.8s: 14 of 20 calls in 10s failed".into(),
            ),
            Live::Note(RuleKey::Fallback, "answered 214 calls since the breaker opened".into()),
            Live::Line("refused".into(), "31 by limit in the last minute".into()),
        ];
        let expected = "\
shop.Inventory/price  client
  timeout      200ms           attribute
  retry        attempts 2      attribute, which said attempts 3, capped by rules.toml:12
  hedge        after p95       rules.toml:8, dark: only counts
  limit        500/s burst 50  console, expires in 12 min  (rules.toml:5 says 2000/s burst 200)
  concurrency  256             rules.toml:2 for defaults
  breaker      OPEN 3.2s ago, next probe in 1.8s: 14 of 20 calls in 10s failed  (rules.toml:6 says failure_rate 50% min_calls 10)
  fallback     last_good 30s   rules.toml:7, answered 214 calls since the breaker opened
  dark         hedge           rules.toml:9
  refused      31 by limit in the last minute
";
        assert_eq!(explain(&resolved, now, &live), expected);
    }

    #[test]
    fn a_method_without_rules_says_so() {
        let resolved = resolve(Side::Server, "a.B/c", &Rules::NONE, &[]);
        assert_eq!(explain(&resolved, Moment::default(), &[]), "a.B/c  server\n  no rules\n");
    }

    #[test]
    fn a_degradation_by_level_says_whose_level() {
        let text = "[client]\nlevel = 2\n[client.defaults]\noptional = 1";
        let file = RuleSet::parse(Strength::File, "r", Syntax::Toml, text, None).expect("valid");
        let resolved = resolve(Side::Client, "a.B/c", &Rules::NONE, &[&file]);
        let said = "a.B/c  client\n  optional  1  r:4 for defaults, degraded, level is 2 by r:2\n";
        assert_eq!(explain(&resolved, Moment::default(), &[]), said);
    }
}
