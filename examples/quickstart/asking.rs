//! What the client asks, how its questions are checked, and how it waits: never for ever.

use std::time::Duration;

use examples::rates::{Amount, Conversion, Rates, RatesClient, RatesError, Seen};
use rpc_core::{CallReport, Error};
use tokio::time::{Instant, sleep};

use super::PATIENCE;

pub(crate) type Result<T> = std::result::Result<T, String>;

/// The file that the servers read too; what they answer is worked out from it once more, in another
/// way, by [`by_hand`].
const FILE: &str = include_str!("../data/eurofxref.csv");

/// Amounts, currencies, days: three for each server.
pub(crate) const CONVERSIONS: [(&str, &str, &str, &str); 9] = [
    ("100", "USD", "EUR", "2024-03-01"),
    ("2500", "EUR", "JPY", "2020-03-19"),
    ("19.99", "GBP", "USD", "2022-09-28"),
    ("1000000", "IDR", "CHF", "2026-10-30"),
    ("0.01", "EUR", "HUF", "2020-01-02"),
    ("750.5", "HRK", "EUR", "2022-12-30"),
    ("12345.6789", "SEK", "NOK", "2023-08-15"),
    ("88", "RUB", "TRY", "2022-02-28"),
    ("3", "EUR", "EUR", "2025-07-01"),
];

pub(crate) async fn connect(address: &str) -> Result<RatesClient> {
    let client = RatesClient::builder().name("quickstart").connect(address).await;
    client.map_err(|status| status.to_string())
}

/// An answer, and who gave it.
pub(crate) struct Converted {
    pub(crate) amount: Amount,
    pub(crate) server: String,
    pub(crate) took: Duration,
}

impl Converted {
    pub(crate) fn new(
        result: std::result::Result<Amount, Error<RatesError>>,
        report: &CallReport,
    ) -> Result<Self> {
        let amount = result.map_err(|error| error.to_string())?;
        let server = report.metadata().get("server").unwrap_or("?").to_owned();
        Ok(Self { amount, server, took: report.elapsed() })
    }
}

pub(crate) async fn converted(rates: &RatesClient, wanted: &Conversion) -> Result<Converted> {
    let report = CallReport::new();
    let result = call(&rates.with_report(&report), wanted).await;
    Converted::new(result, &report)
}

pub(crate) async fn call(
    rates: &RatesClient,
    wanted: &Conversion,
) -> std::result::Result<Amount, Error<RatesError>> {
    let Conversion { amount, from, to, date } = wanted.clone();
    rates.convert(amount, from, to, date).await
}

pub(crate) async fn seen(rates: &RatesClient) -> Result<Seen> {
    rates.seen().await.map_err(|status| status.to_string())
}

/// Asks a server until what it has seen is as it should be; whether it ever was.
pub(crate) async fn eventually(rates: &RatesClient, holds: impl Fn(&Seen) -> bool) -> Result<bool> {
    let until = Instant::now() + PATIENCE / 2;
    while Instant::now() < until {
        if holds(&seen(rates).await?) {
            return Ok(true);
        }
        sleep(Duration::from_millis(2)).await;
    }
    Ok(false)
}

pub(crate) fn check(held: bool, what: &str) {
    println!("{}\t{what}", if held { "held" } else { "failed" });
}

pub(crate) fn conversion((amount, from, to, date): (&str, &str, &str, &str)) -> Result<Conversion> {
    Ok(Conversion {
        amount: amount.parse().map_err(|error| format!("{error}"))?,
        from: from.to_owned(),
        to: to.to_owned(),
        date: date.parse().map_err(|error| format!("{error}"))?,
    })
}

/// Whether the answer is the amount worked out by hand, but for rounding to four digits.
pub(crate) fn is_right(answer: Amount, line: (&str, &str, &str, &str)) -> Result<bool> {
    let expected = by_hand(line).ok_or_else(|| format!("{line:?} is not in the file"))?;
    let answer: f64 = answer.to_string().parse().map_err(|error| format!("{error}"))?;
    Ok((answer - expected).abs() <= 0.00005 + expected.abs() * 1e-12)
}

/// The amount in the plainest way: two cells of the file, as floating-point numbers.
fn by_hand((amount, from, to, date): (&str, &str, &str, &str)) -> Option<f64> {
    let names: Vec<&str> = FILE.lines().next()?.split(',').collect();
    let row: Vec<&str> = FILE.lines().find(|line| line.starts_with(date))?.split(',').collect();
    let rate = |currency: &str| match currency {
        "EUR" => Some(1.0),
        _ => row.get(names.iter().position(|name| *name == currency)?)?.parse::<f64>().ok(),
    };
    Some(amount.parse::<f64>().ok()? / rate(from)? * rate(to)?)
}
