//! Money and rates as whole numbers of small units, so that what is added up is what was written.
//!
//! A `f64` can't hold 0.1, and a client in another language may round it in its own way; an
//! [`Amount`] travels as text, `"92.2678"`, and is the same everywhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Digits behind the point of an amount: enough for a hundredth of a cent.
const AMOUNT_DIGITS: usize = 4;
/// One whole unit of a currency.
const AMOUNT_UNIT: u64 = 10_000;
/// Digits behind the point of a rate: the central bank publishes up to five.
const RATE_DIGITS: usize = 6;

/// An amount of money in some currency, in ten-thousandths.
///
/// ```
/// use examples::rates::Amount;
///
/// let amount: Amount = "100.5".parse()?;
/// assert_eq!(amount.to_string(), "100.5000");
/// # Ok::<(), examples::rates::BadAmount>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(i64);

/// Units of a currency for one euro, in millionths; never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u64);

impl Amount {
    /// The largest there is.
    pub const MAX: Self = Self(i64::MAX);

    /// What it is worth at another rate, rounded to the nearest unit and halves away from zero;
    /// `None` if that is too large.
    pub fn exchange(self, from: Rate, to: Rate) -> Option<Self> {
        // 63 and 64 bits make 127 at most, so that this can't overflow.
        let exact = i128::from(self.0) * i128::from(to.0);
        let divisor = i128::from(from.0);
        let half = divisor / 2 * exact.signum();
        // The least `i64` has no counterpart, and so no text that could be read back.
        i64::try_from((exact + half) / divisor).ok().filter(|units| *units > i64::MIN).map(Self)
    }
}

impl Rate {
    /// The euro's own.
    pub const EURO: Self = Self(1_000_000);
}

impl FromStr for Amount {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let units = whole_units(digits, AMOUNT_DIGITS)
            .and_then(|units| i64::try_from(units).ok())
            .ok_or_else(|| BadAmount::new(text))?;
        Ok(Self(if negative { -units } else { units }))
    }
}

impl FromStr for Rate {
    type Err = BadAmount;

    fn from_str(text: &str) -> Result<Self, BadAmount> {
        match whole_units(text, RATE_DIGITS) {
            Some(units) if units > 0 => Ok(Self(units)),
            _ => Err(BadAmount::new(text)),
        }
    }
}

/// `12.5` with two digits is 1250; `None` if it is not digits, a point and up to that many digits,
/// or too large.
fn whole_units(text: &str, digits: usize) -> Option<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > digits || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<digits$}").parse().ok()
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let units = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:0AMOUNT_DIGITS$}", units / AMOUNT_UNIT, units % AMOUNT_UNIT)
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

impl TryFrom<String> for Amount {
    type Error = BadAmount;

    fn try_from(text: String) -> Result<Self, BadAmount> {
        text.parse()
    }
}

/// Text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no amount, expected digits as in `12` or `12.3456`, at most {max}", max = Amount::MAX)]
pub struct BadAmount(String);

impl BadAmount {
    fn new(text: &str) -> Self {
        // It may come from a peer: what is shown of it is bounded.
        Self(text.chars().take(40).flat_map(char::escape_debug).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    #[test]
    fn text_and_back() {
        for (text, shown) in [
            ("0", "0.0000"),
            ("100", "100.0000"),
            ("0.1", "0.1000"),
            ("-3.25", "-3.2500"),
            ("-0.0001", "-0.0001"),
            ("922337203685477.5807", "922337203685477.5807"),
        ] {
            assert_eq!(amount(text).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "1e3",
            "+1",
            "--1",
            "1.23456",
            "1,5",
            " 1",
            "NaN",
            "٣",
            "922337203685477.5808",
            "99999999999999999999999",
        ] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
        assert!("0".parse::<Rate>().is_err() && "-1".parse::<Rate>().is_err());
    }

    #[test]
    fn exchange_rounds_halves_away_from_zero() {
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        let half = |text: &str| amount(text).exchange(rate("2"), rate("1")).unwrap().to_string();
        assert_eq!(half("0.0001"), "0.0001");
        assert_eq!(half("-0.0001"), "-0.0001");
        assert_eq!(half("0.0002"), "0.0001");
        assert_eq!(amount("100").exchange(Rate::EURO, rate("1.0813")).unwrap(), amount("108.13"));
        assert_eq!(Amount::MAX.exchange(rate("1"), rate("1.000001")), None);
        assert_eq!(Amount::MAX.exchange(Rate(1), Rate(u64::MAX)), None);
    }
}
