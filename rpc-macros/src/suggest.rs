//! What a list of known words is good for: showing it, and guessing which one was meant.

/// "`name` or `formats`".
pub(crate) fn listed(known: &[&str]) -> String {
    match known {
        [] => "nothing".to_owned(),
        [only] => format!("`{only}`"),
        [first @ .., last] => format!("`{}` or `{last}`", first.join("`, `")),
    }
}

/// What to say of a key that is not among `known`.
pub(crate) fn unknown_key(word: &str, known: &[&str]) -> String {
    if word == "degrade" && known.contains(&"optional") {
        let file = "`degrade` is for whoever runs the process, in a file or by a switch";
        return format!("{file}: say `optional` here, and from which level on");
    }
    match meant(word, known) {
        Some(near) => {
            format!("unknown key `{word}`, did you mean `{near}`? expected {}", listed(known))
        }
        None => format!("unknown key `{word}`: expected {}", listed(known)),
    }
}

/// What others call it, where that is not close to what we do.
const ELSEWHERE: [(&str, &str); 10] = [
    ("retries", "retry"),
    ("rate", "limit"),
    ("rate_limit", "limit"),
    ("ratelimit", "limit"),
    ("throttle", "limit"),
    ("bulkhead", "concurrency"),
    ("max_concurrency", "concurrency"),
    ("circuit_breaker", "breaker"),
    ("deadline", "timeout"),
    ("per_try_timeout", "per_try"),
];

/// The one of `known` that is meant by this word: the closest, or what others call so.
pub(crate) fn meant<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let elsewhere = ELSEWHERE.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours);
    let ours = known.iter().find(|known| elsewhere == Some(**known)).copied();
    ours.or_else(|| nearest(word, known))
}

/// The closest of `known`, if it is close: a third of its letters may differ, and at least one.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, near) = known.iter().map(|known| (distance(word, known), *known)).min()?;
    (distance <= (near.len() / 3).max(1)).then_some(near)
}

/// The optimal string alignment distance: insertions, deletions, substitutions and swaps of
/// neighbours, in any case of letters.
fn distance(a: &str, b: &str) -> usize {
    let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<_>>();
    let (a, b) = (letters(a), letters(b));
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            let mut least =
                (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + differs);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_call_it_is_known() {
        let known = ["retry", "limit", "concurrency", "breaker", "timeout", "per_try"];
        for (theirs, ours) in ELSEWHERE {
            assert_eq!(meant(theirs, &known), Some(ours));
        }
        assert_eq!(meant("rate", &["rates"]), Some("rates"), "only if it may stand there");
        assert_eq!(meant("timeuot", &known), Some("timeout"));
    }

    #[test]
    fn lists() {
        assert_eq!(listed(&[]), "nothing");
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b"]), "`a` or `b`");
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` or `c`");
    }

    #[test]
    fn counts_edits() {
        for (a, b, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("timeout", "timeout", 0),
            ("timeuot", "timeout", 1),
            ("time_out", "timeout", 1),
            ("Timeout", "timeout", 0),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
            assert_eq!(distance(b, a), edits, "{b} {a}");
        }
    }

    #[test]
    fn suggests_what_is_close_only() {
        let known = ["idempotent", "timeout", "oneway"];
        for (word, near) in [
            ("idempotant", Some("idempotent")),
            ("Idempotent", Some("idempotent")),
            ("one_way", Some("oneway")),
            ("timeouts", Some("timeout")),
            ("retry", None),
            ("fallback", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, &known), near, "{word}");
        }
        assert_eq!(nearest("anything", &[]), None);
        assert_eq!(
            unknown_key("Timeout", &known),
            "unknown key `Timeout`, did you mean `timeout`? expected `idempotent`, `timeout` or `oneway`"
        );
        assert_eq!(
            unknown_key("retry", &known),
            "unknown key `retry`: expected `idempotent`, `timeout` or `oneway`"
        );
    }
}
