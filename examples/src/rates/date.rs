//! A day, as text that can't be wrong.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A day of the calendar, `2024-03-01`. Written so, days compare as their text does.
///
/// ```
/// use examples::rates::Date;
///
/// let day: Date = "2024-02-29".parse()?;
/// assert!(day < "2024-03-01".parse()?);
/// assert!("2023-02-29".parse::<Date>().is_err());
/// # Ok::<(), examples::rates::BadDate>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date(String);

impl TryFrom<String> for Date {
    type Error = BadDate;

    fn try_from(text: String) -> Result<Self, BadDate> {
        match parts(&text) {
            Some((year, month, day)) if (1..=days(year, month)).contains(&day) => Ok(Self(text)),
            // It may come from a peer: what is shown of it is bounded.
            _ => Err(BadDate(text.chars().take(20).flat_map(char::escape_debug).collect())),
        }
    }
}

/// Year, month and day of `YYYY-MM-DD`.
fn parts(text: &str) -> Option<(u32, u32, u32)> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *bytes else { return None };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    Some((number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?))
}

/// How many days a month has; none if there is no such month.
fn days(year: u32, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 0,
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

impl FromStr for Date {
    type Err = BadDate;

    fn from_str(text: &str) -> Result<Self, BadDate> {
        text.to_owned().try_into()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.0
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is no day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no day, expected one as in `2024-03-01`")]
pub struct BadDate(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_there_are() {
        for good in ["2024-02-29", "2000-02-29", "2026-12-31", "0001-01-01"] {
            assert_eq!(good.parse::<Date>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "2024-3-1",
            "2024-02-30",
            "2023-02-29",
            "1900-02-29",
            "2024-00-10",
            "2024-13-01",
            "2024-01-00",
            "2024-01-32",
            "2024/01/01",
            "2024-01-0x",
            "+024-01-01",
            "２０24-1",
        ] {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
    }
}
