//! Durations as people write them in an attribute: `200ms`, `1.5s`, `2m`.

use std::time::Duration;

/// Each unit with its length in nanoseconds. Longer suffixes come first: `ms` also ends in `s`.
const UNITS: [(&str, u64); 5] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// Decimals a number may have: with more, `1.…s` would be finer than a nanosecond.
const MAX_DECIMALS: usize = 9;

/// Reads a duration.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let Some((number, unit)) = split(text) else {
        return Err(format!(
            "{text:?} is no duration: expected a number and `us`, `ms`, `s`, `m` \
             or `h`, as in \"200ms\" or \"1.5s\""
        ));
    };
    let nanos = nanos(number, unit).and_then(|nanos| u64::try_from(nanos).ok());
    nanos.map(Duration::from_nanos).ok_or_else(|| format!("{text:?} is too long for a duration"))
}

/// Reads a duration above zero.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub(crate) fn parse_some(text: &str) -> Result<Duration, String> {
    let duration = parse(text)?;
    if duration.is_zero() {
        return Err(format!(
            "{text:?} is no time at all: expected more than zero, as in \"200ms\""
        ));
    }
    Ok(duration)
}

/// What a rate is per: a unit alone, as in `100/s` or `5/min`.
pub(crate) fn unit(text: &str) -> Option<Duration> {
    let text = if text == "min" { "m" } else { text };
    let (_, nanos) = UNITS.iter().find(|(unit, _)| *unit == text)?;
    Some(Duration::from_nanos(*nanos))
}

/// The number's digits before and behind its point, and the unit's length.
fn split(text: &str) -> Option<((&str, &str), u64)> {
    let (number, length) =
        UNITS.iter().find_map(|(unit, length)| Some((text.strip_suffix(unit)?, *length)))?;
    let (whole, decimals) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = !whole.is_empty() && digits(whole) && digits(decimals);
    (is_number && decimals.len() <= MAX_DECIMALS).then_some(((whole, decimals), length))
}

fn nanos((whole, decimals): (&str, &str), unit: u64) -> Option<u128> {
    let unit = u128::from(unit);
    let whole = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    let decimals = format!("{decimals:0<MAX_DECIMALS$}").parse::<u128>().ok()?;
    // Nine decimals and an hour's nanoseconds stay far below 128 bits.
    whole.checked_add(decimals * unit / 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit() {
        for (text, nanos) in [
            ("1us", 1_000),
            ("500us", 500_000),
            ("200ms", 200_000_000),
            ("1s", 1_000_000_000),
            ("1.5s", 1_500_000_000),
            ("0.25ms", 250_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("1.000000001s", 1_000_000_001),
            ("007ms", 7_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in [
            "",
            "ms",
            "200",
            "200 ms",
            " 200ms",
            "200MS",
            "2d",
            "-1s",
            "+1s",
            "1.s",
            ".5s",
            "1..5s",
            "1.5.5s",
            "1e3s",
            "1_000ms",
            "0x1s",
            "١s",
            "ns",
            "1m30s",
            "1.0000000001s",
        ] {
            let refusal = parse(text).expect_err(text);
            assert!(refusal.contains("expected a number"), "{refusal}");
            assert!(refusal.starts_with(&format!("{text:?}")), "{refusal}");
        }
    }

    #[test]
    fn refuses_no_time_at_all() {
        for text in ["0s", "0ms", "0.0s", "0.0001us"] {
            assert_eq!(parse(text), Ok(Duration::ZERO));
            let refusal = parse_some(text).expect_err(text);
            assert!(refusal.contains("no time at all"), "{refusal}");
        }
        assert_eq!(parse_some("1us"), Ok(Duration::from_micros(1)));
        assert!(parse_some("soon").is_err());
    }

    #[test]
    fn refuses_what_does_not_fit() {
        for text in
            ["99999999h", "340282366920938463463374607431768211456s", "99999999999999999999m"]
        {
            let refusal = parse(text).expect_err(text);
            assert!(refusal.contains("too long"), "{refusal}");
        }
    }
}
