//! Shares, percentiles and rates as people write them in an attribute: `50%`, `p95`, `100/s`.

use std::time::Duration;

use crate::duration;

/// All of it, in millionths.
const ALL: u32 = 1_000_000;

/// Decimals a percentage may have: with more, it would be finer than a millionth.
const MAX_DECIMALS: usize = 4;

/// So many per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) permits: u32,
    pub(crate) per: Duration,
}

/// Reads a share above zero, in millionths.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub(crate) fn share(text: &str) -> Result<u32, String> {
    match text.strip_suffix('%').and_then(percent) {
        None => Err(format!(
            "{text:?} is no share: expected a number up to 100 and `%`, as in \"50%\" or \"99.9%\""
        )),
        Some(0) => Err(format!("{text:?} is always reached: expected more than \"0%\"")),
        Some(millionths) if millionths > ALL => {
            Err(format!("{text:?} is never reached: expected at most \"100%\""))
        }
        Some(millionths) => Ok(millionths),
    }
}

/// Reads a percentile between the lowest and the highest, in millionths.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub(crate) fn percentile(text: &str) -> Result<u32, String> {
    text.strip_prefix('p')
        .and_then(percent)
        .filter(|millionths| (1..ALL).contains(millionths))
        .ok_or_else(|| {
            format!(
                "{text:?} is no percentile: expected `p` and a number between 0 and 100, as in \
                 \"p95\" or \"p99.9\""
            )
        })
}

/// Reads a rate of at least one per time.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    let expected = || {
        format!(
            "{text:?} is no rate: expected a whole number, `/` and a time, as in \"100/s\" or \
             \"5/10s\""
        )
    };
    let (permits, per) = text.split_once('/').ok_or_else(expected)?;
    if !is_digits(permits) {
        return Err(expected());
    }
    let permits = permits
        .parse::<u32>()
        .map_err(|_| format!("{text:?} is too much for a rate: expected at most {}", u32::MAX))?;
    let per = match duration::unit(per) {
        Some(unit) => unit,
        None => duration::parse_some(per).map_err(|_| expected())?,
    };
    if permits == 0 {
        return Err(format!("{text:?} lets nothing through: expected at least one, as in \"1/m\""));
    }
    Ok(Rate { permits, per })
}

/// A percentage in millionths.
fn percent(number: &str) -> Option<u32> {
    let (whole, decimals) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let is_number = is_digits(whole)
        && decimals.bytes().all(|byte| byte.is_ascii_digit())
        && decimals.len() <= MAX_DECIMALS;
    if !is_number {
        return None;
    }
    format!("{whole}{decimals:0<MAX_DECIMALS$}").parse().ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_shares() {
        for (text, millionths) in [
            ("50%", 500_000),
            ("100%", 1_000_000),
            ("100.0%", 1_000_000),
            ("99.9%", 999_000),
            ("0.0001%", 1),
            ("007%", 70_000),
        ] {
            assert_eq!(share(text), Ok(millionths), "{text}");
        }
        for (text, refusal) in [
            ("", "no share"),
            ("%", "no share"),
            ("50", "no share"),
            ("0.5", "no share"),
            ("50 %", "no share"),
            ("-5%", "no share"),
            ("5.%", "no share"),
            (".5%", "no share"),
            ("1.00001%", "no share"),
            ("99999999999%", "no share"),
            ("٥%", "no share"),
            ("0%", "always reached"),
            ("0.0%", "always reached"),
            ("100.0001%", "never reached"),
            ("101%", "never reached"),
        ] {
            let found = share(text).expect_err(text);
            assert!(found.contains(refusal), "{found}");
        }
    }

    #[test]
    fn reads_percentiles() {
        assert_eq!(percentile("p95"), Ok(950_000));
        assert_eq!(percentile("p99.9"), Ok(999_000));
        for text in ["", "p", "95", "P95", "p0", "p100", "p101", "p-5", "p95%", "p9.", "q95"] {
            let found = percentile(text).expect_err(text);
            assert!(found.contains("no percentile"), "{found}");
        }
    }

    #[test]
    fn reads_rates() {
        let rate_of = |permits, per| Ok(Rate { permits, per });
        for (text, permits, per) in [
            ("100/s", 100, Duration::from_secs(1)),
            ("2000/s", 2000, Duration::from_secs(1)),
            ("5/min", 5, Duration::from_secs(60)),
            ("5/m", 5, Duration::from_secs(60)),
            ("1/h", 1, Duration::from_secs(3600)),
            ("5/10s", 5, Duration::from_secs(10)),
            ("1/1.5ms", 1, Duration::from_micros(1500)),
            ("4294967295/us", u32::MAX, Duration::from_micros(1)),
        ] {
            assert_eq!(rate(text), rate_of(permits, per), "{text}");
        }
        for (text, refusal) in [
            ("", "no rate"),
            ("100", "no rate"),
            ("/s", "no rate"),
            ("100/", "no rate"),
            ("100/sec", "no rate"),
            ("100 / s", "no rate"),
            ("1.5/s", "no rate"),
            ("-1/s", "no rate"),
            ("1/0s", "no rate"),
            ("1/s/s", "no rate"),
            ("0/s", "nothing through"),
            ("4294967296/s", "too much"),
        ] {
            let found = rate(text).expect_err(text);
            assert!(found.contains(refusal), "{text}: {found}");
        }
    }
}
