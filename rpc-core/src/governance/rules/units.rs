//! Durations, rates and shares as people write them: `200ms`, `100/s`, `50%`, `p95`.
//!
//! The attribute reads durations with the same grammar (`rpc-macros/src/duration.rs`), which can't
//! be shared since a macro can't depend on the crate that it expands into. Keep both alike:
//! `tests/rules/durations.txt` lists what each of them takes and refuses.

use std::fmt;
use std::time::Duration;

use super::types::{Rate, Share};

/// Why a text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// What is wrong with it.
    pub problem: String,
    /// What was meant, probably.
    pub meant: Option<String>,
    /// What would be right.
    pub expected: &'static str,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        match &self.meant {
            Some(meant) => write!(f, "; did you mean {meant}? expected {}", self.expected),
            None => write!(f, "; expected {}", self.expected),
        }
    }
}

impl std::error::Error for Misread {}

pub(crate) const A_DURATION: &str =
    "a number and `us`, `ms`, `s`, `m` or `h`, as in \"200ms\" or \"1.5s\"";
pub(crate) const A_RATE: &str = "so many per time, as in \"100/s\", \"5/min\" or \"10/100ms\"";
pub(crate) const A_SHARE: &str = "a share of calls, as in \"50%\" or \"0.5%\"";
pub(crate) const A_HEDGE_DELAY: &str = "a time or a percentile, as in \"20ms\" or \"p95\"";

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Each unit with its length in nanoseconds. Longer suffixes come first: `ms` also ends in `s`.
const UNITS: [(&str, u64); 5] =
    [("us", 1_000), ("ms", 1_000_000), ("s", SECOND), ("m", MINUTE), ("h", HOUR)];

/// What people write that is no unit here.
const OTHER_UNITS: [(&str, u64); 22] = [
    ("µs", 1_000),
    ("usec", 1_000),
    ("micros", 1_000),
    ("msec", 1_000_000),
    ("msecs", 1_000_000),
    ("millis", 1_000_000),
    ("millisecond", 1_000_000),
    ("milliseconds", 1_000_000),
    ("sec", SECOND),
    ("secs", SECOND),
    ("second", SECOND),
    ("seconds", SECOND),
    ("min", MINUTE),
    ("mins", MINUTE),
    ("minute", MINUTE),
    ("minutes", MINUTE),
    ("hr", HOUR),
    ("hour", HOUR),
    ("hours", HOUR),
    ("d", 24 * HOUR),
    ("day", 24 * HOUR),
    ("days", 24 * HOUR),
];

/// Decimals a number may have: with more, `1.…s` would be finer than a nanosecond.
const MAX_DECIMALS: usize = 9;

/// Reads a duration, which may be zero.
///
/// # Errors
/// What is wrong with it, and what was meant.
pub fn parse_duration(text: &str) -> Result<Duration, Misread> {
    let is_none = || Misread {
        problem: format!("{} is no duration", quoted(text)),
        meant: match compact(text).and_then(|digits| digits.parse().ok()) {
            Some(number) => Some(guess_unit(number)),
            None => guess_duration(text).map(|guess| format!("\"{}\"", Written(guess))),
        },
        expected: A_DURATION,
    };
    let (number, unit) = split(text).ok_or_else(is_none)?;
    nanos(number, unit).map(Duration::from_nanos).ok_or_else(|| Misread {
        problem: format!("{} is too long for a duration", quoted(text)),
        meant: None,
        expected: "at most 584 years",
    })
}

/// The number's digits before and behind its point, and the unit's length.
fn split(text: &str) -> Option<((&str, &str), u64)> {
    let (number, length) =
        UNITS.iter().find_map(|(unit, length)| Some((text.strip_suffix(unit)?, *length)))?;
    Some((decimal(number)?, length))
}

/// `1.5` as `("1", "5")`.
fn decimal(number: &str) -> Option<(&str, &str)> {
    let (whole, decimals) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = !whole.is_empty() && digits(whole) && digits(decimals);
    (is_number && decimals.len() <= MAX_DECIMALS).then_some((whole, decimals))
}

/// That many units of so many nanoseconds, or of anything else.
fn nanos((whole, decimals): (&str, &str), unit: u64) -> Option<u64> {
    let unit = u128::from(unit);
    let whole = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    let decimals = format!("{decimals:0<MAX_DECIMALS$}").parse::<u128>().ok()?;
    // Nine decimals and a day's nanoseconds stay far below 128 bits.
    u64::try_from(whole.checked_add(decimals * unit / 1_000_000_000)?).ok()
}

/// What a number was meant to be: milliseconds, or as likely seconds if it is a small one.
pub(crate) fn guess_unit(number: u64) -> String {
    match number {
        1..=60 => format!("\"{number}ms\" or \"{number}s\""),
        _ => format!("\"{number}ms\""),
    }
}

/// What `200 ms`, `200msec` or `1m30s` were meant to be.
fn guess_duration(text: &str) -> Option<Duration> {
    let text = compact(text)?;
    let (mut rest, mut sum) = (&text[..], 0_u64);
    while !rest.is_empty() {
        let number_ends = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, behind) = rest.split_at(number_ends);
        let unit_ends = behind.find(|letter: char| letter.is_ascii_digit() || letter == '.');
        let (unit, next) = behind.split_at(unit_ends.unwrap_or(behind.len()));
        let number = if number.starts_with('.') { format!("0{number}") } else { number.to_owned() };
        let length = unit_named(unit)?;
        sum = sum.checked_add(nanos(decimal(number.trim_end_matches('.'))?, length)?)?;
        rest = next;
    }
    (sum > 0).then_some(Duration::from_nanos(sum))
}

fn unit_named(word: &str) -> Option<u64> {
    UNITS.iter().chain(&OTHER_UNITS).find(|(unit, _)| *unit == word).map(|(_, length)| *length)
}

/// In lower case, without blanks and separators of thousands; nothing, if it is longer than any
/// slip of the pen.
fn compact(text: &str) -> Option<String> {
    let kept = |letter: &char| !letter.is_whitespace() && !['_', ','].contains(letter);
    let short = !text.is_empty() && text.len() <= 40;
    short.then(|| text.chars().filter(kept).flat_map(char::to_lowercase).collect())
}

/// Reads a rate: a count above zero, `/`, and a unit (`s`, `min`, `h`) or a duration.
///
/// # Errors
/// What is wrong with it, and what was meant.
pub fn parse_rate(text: &str) -> Result<Rate, Misread> {
    let is_none = || Misread {
        problem: format!("{} is no rate", quoted(text)),
        meant: guess_rate(text).map(|guess| format!("\"{guess}\"")),
        expected: A_RATE,
    };
    let (count, per) = text.split_once('/').ok_or_else(is_none)?;
    let per = match per {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" | "min" => Duration::from_nanos(MINUTE),
        "h" => Duration::from_nanos(HOUR),
        _ if per.starts_with(|letter: char| letter.is_ascii_digit()) => {
            parse_duration(per).map_err(|_| is_none())?
        }
        _ => return Err(is_none()),
    };
    if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(is_none());
    }
    let refuse = |problem: String| Misread { problem, meant: None, expected: A_RATE };
    let permits = count
        .parse::<u32>()
        .map_err(|_| refuse(format!("{} is more than {} at a time", quoted(text), u32::MAX)))?;
    if permits == 0 {
        return Err(refuse(format!("{} lets nothing through", quoted(text))));
    }
    if per.is_zero() {
        return Err(refuse(format!("{} is so many in no time", quoted(text))));
    }
    Ok(Rate { permits, per })
}

/// What `2000`, `100 / sec`, `2k/s`, `0.5/s` or `300rps` were meant to be.
fn guess_rate(text: &str) -> Option<Rate> {
    let text = compact(text)?.replace("per", "/");
    let text = match text.strip_suffix("rps").or(text.strip_suffix("qps")) {
        Some(count) => format!("{count}/s"),
        None => text,
    };
    let (count, per) = text.split_once('/').unwrap_or((&text, "s"));
    let (count, times) = match count.strip_suffix('k') {
        Some(count) => (count, 1_000),
        None => (count.trim_end_matches(|letter: char| letter.is_ascii_lowercase()), 1),
    };
    let per = unit_named(per).or_else(|| u64::try_from(guess_duration(per)?.as_nanos()).ok())?;
    // Nine decimals are kept, then the fraction is shortened: 0.5/s is 1/2s.
    let billionths = nanos(decimal(count)?, times * 1_000_000_000)?;
    let (mut permits, mut stretch) = (billionths, 1_000_000_000);
    let common = gcd(permits, stretch);
    permits /= common.max(1);
    stretch /= common.max(1);
    let permits = u32::try_from(permits).ok().filter(|permits| *permits > 0)?;
    Some(Rate { permits, per: Duration::from_nanos(per.checked_mul(stretch)?) })
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Reads a share: a percentage with up to four decimals.
///
/// # Errors
/// What is wrong with it, and what was meant.
pub fn parse_share(text: &str) -> Result<Share, Misread> {
    let is_none = || Misread {
        problem: format!("{} is no share", quoted(text)),
        meant: guess_share(text).map(|guess| format!("\"{guess}\"")),
        expected: A_SHARE,
    };
    let number = text.strip_suffix('%').ok_or_else(is_none)?;
    percent(number).ok_or_else(is_none)?.map_err(|problem| Misread {
        problem: format!("{} {problem}", quoted(text)),
        meant: None,
        expected: A_SHARE,
    })
}

/// So many percent, or why there can't be so many; nothing if it is no number.
fn percent(number: &str) -> Option<Result<Share, &'static str>> {
    let (whole, decimals) = decimal(number)?;
    if decimals.len() > 4 {
        return Some(Err("is finer than a millionth"));
    }
    let millionths = nanos((whole, decimals), 10_000).and_then(|it| u32::try_from(it).ok());
    Some(match millionths {
        Some(millionths @ 0..=1_000_000) => Ok(Share::from_millionths(millionths)),
        _ => Err("is more than all calls"),
    })
}

/// What `50`, `50 %` or `0.5` were meant to be.
fn guess_share(text: &str) -> Option<Share> {
    let text = compact(text)?;
    let text = text.trim_end_matches("percent").trim_end_matches("pct");
    let number = text.strip_suffix('%').unwrap_or(text);
    let is_fraction = !text.ends_with('%') && number.starts_with("0.");
    let share = if is_fraction {
        u32::try_from(nanos(decimal(number)?, 1_000_000)?).ok().map(Share::from_millionths)
    } else {
        percent(number)?.ok()
    };
    share.filter(|share| *share > Share::ZERO)
}

/// Reads a percentile: `p95`, `p99.9`.
///
/// # Errors
/// What is wrong with it, and what was meant.
pub fn parse_percentile(text: &str) -> Result<Share, Misread> {
    let inside = |share: &Share| *share > Share::ZERO && *share < Share::ONE;
    let share = text.strip_prefix('p').and_then(percent).and_then(Result::ok);
    share.filter(inside).ok_or_else(|| {
        let number = text.trim_start_matches(['p', 'P']).trim_end_matches('%').trim();
        let number = number.trim_end_matches("th");
        let guess = percent(number).and_then(Result::ok).filter(inside);
        let meant = guess.map(|share| format!("\"p{}\"", percentage(share)));
        Misread {
            problem: format!("{} is no percentile", quoted(text)),
            meant,
            expected: A_HEDGE_DELAY,
        }
    })
}

/// A duration as it is written: in the unit that makes its number short.
pub(crate) struct Written(pub(crate) Duration);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = crate::governance::moment::nanos(self.0);
        let (unit, length, decimals) = match nanos {
            0 => ("ms", 1_000_000, 6),
            _ if nanos.is_multiple_of(HOUR) => ("h", HOUR, 0),
            _ if nanos.is_multiple_of(MINUTE) => ("m", MINUTE, 0),
            SECOND.. => ("s", SECOND, 9),
            1_000_000.. => ("ms", 1_000_000, 6),
            _ => ("us", 1_000, 3),
        };
        write!(f, "{}", nanos / length)?;
        let rest = format!("{:0>decimals$}", nanos % length);
        let rest = rest.trim_end_matches('0');
        match rest {
            "" => f.write_str(unit),
            _ => write!(f, ".{rest}{unit}"),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.permits)?;
        match u64::try_from(self.per.as_nanos()) {
            Ok(SECOND) => f.write_str("s"),
            Ok(MINUTE) => f.write_str("min"),
            Ok(HOUR) => f.write_str("h"),
            _ => Written(self.per).fmt(f),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", percentage(*self))
    }
}

/// `99.9` of 999,000 millionths.
pub(crate) fn percentage(share: Share) -> String {
    let millionths = share.as_millionths();
    let (whole, rest) = (millionths / 10_000, format!("{:04}", millionths % 10_000));
    match rest.trim_end_matches('0') {
        "" => whole.to_string(),
        rest => format!("{whole}.{rest}"),
    }
}

/// A text in quotes, cut if it is long: a message is to be read.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}..", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn meant<T>(read: Result<T, Misread>) -> String {
        read.err().and_then(|misread| misread.meant).unwrap_or_default()
    }

    #[test]
    fn the_table_of_durations_holds() {
        let table = include_str!("../../../tests/rules/durations.txt");
        let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let (text, means) = line.split_once(" = ").expect("text = meaning");
            let text: String = serde_json::from_str(text).expect("a text in quotes");
            let read = parse_duration(&text).ok().filter(|read| !read.is_zero());
            match means.strip_suffix(" ns") {
                Some(nanos) => {
                    assert_eq!(read, nanos.parse().ok().map(Duration::from_nanos), "{text}")
                }
                None => assert_eq!((read, means), (None, "refused"), "{text}"),
            }
        }
    }

    #[test]
    fn says_which_duration_was_meant() {
        for (text, guess) in [
            ("200 ms", "\"200ms\""),
            ("200msec", "\"200ms\""),
            ("200", "\"200ms\""),
            ("5", "\"5ms\" or \"5s\""),
            ("200MS", "\"200ms\""),
            ("5 seconds", "\"5s\""),
            ("5min", "\"5m\""),
            (".5s", "\"500ms\""),
            ("1.s", "\"1s\""),
            ("1m30s", "\"90s\""),
            ("1_000ms", "\"1s\""),
            ("1 day", "\"24h\""),
            ("-1s", ""),
            ("soon", ""),
            ("", ""),
        ] {
            assert_eq!(meant(parse_duration(text)), guess, "{text}");
        }
    }

    #[test]
    fn reads_rates() {
        for (text, permits, per) in [
            ("100/s", 100, SECOND),
            ("5/min", 5, MINUTE),
            ("5/m", 5, MINUTE),
            ("1000/h", 1000, HOUR),
            ("10/100ms", 10, 100_000_000),
            ("1/2s", 1, 2 * SECOND),
        ] {
            let rate = Rate { permits, per: Duration::from_nanos(per) };
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in
            ["", "/s", "100/", "100", "+1/s", "1/-1s", "0/s", "1/0s", "4294967296/s", "1/s/s"]
        {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn says_which_rate_was_meant() {
        for (text, guess) in [
            ("2000", "\"2000/s\""),
            ("100 / s", "\"100/s\""),
            ("100/sec", "\"100/s\""),
            ("100/second", "\"100/s\""),
            ("100 per minute", "\"100/min\""),
            ("10/5min", "\"10/5m\""),
            ("300rps", "\"300/s\""),
            ("100req/s", "\"100/s\""),
            ("2k/s", "\"2000/s\""),
            ("1,000/s", "\"1000/s\""),
            ("0.5/s", "\"1/2s\""),
            ("many", ""),
            ("-5/s", ""),
        ] {
            assert_eq!(meant(parse_rate(text)), guess, "{text}");
        }
    }

    #[test]
    fn reads_shares_and_percentiles() {
        for (text, millionths) in [
            ("50%", 500_000),
            ("0.5%", 5_000),
            ("99.9999%", 999_999),
            ("100%", 1_000_000),
            ("0%", 0),
        ] {
            assert_eq!(parse_share(text), Ok(Share::from_millionths(millionths)), "{text}");
        }
        for (text, guess) in
            [("50", "\"50%\""), ("50 %", "\"50%\""), ("0.5", "\"50%\""), ("150%", ""), ("half", "")]
        {
            assert_eq!(meant(parse_share(text)), guess, "{text}");
        }
        assert_eq!(parse_percentile("p99.9"), Ok(Share::from_millionths(999_000)));
        for (text, guess) in
            [("95", "\"p95\""), ("95%", "\"p95\""), ("P95", "\"p95\""), ("p100", "")]
        {
            assert_eq!(meant(parse_percentile(text)), guess, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            nanos in any::<u64>(), shift in 0_u32..64, permits in 1_u32.., share in 0_u32..=1_000_000,
        ) {
            let duration = Duration::from_nanos(nanos >> shift);
            prop_assert_eq!(parse_duration(&Written(duration).to_string()), Ok(duration));
            let rate = Rate { permits, per: duration.max(Duration::from_nanos(1)) };
            prop_assert_eq!(parse_rate(&rate.to_string()), Ok(rate));
            let share = Share::from_millionths(share);
            prop_assert_eq!(parse_share(&share.to_string()), Ok(share));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,24}|[0-9.]{0,40}[a-z/%]{0,6}") {
            let _ = (parse_duration(&text), parse_rate(&text));
            let _ = (parse_share(&text), parse_percentile(&text));
        }
    }
}
