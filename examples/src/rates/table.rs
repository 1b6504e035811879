//! The reference rates: a file of the European Central Bank, read once, and looked up in.

use std::collections::BTreeMap;

use super::{Amount, Conversion, Currency, Date, Rate, RatesError};

/// The file this crate comes with; `data/README.md` names its source.
const FILE: &str = include_str!("../../data/eurofxref.csv");

/// What stands where no rate was published.
const NONE: &str = "N/A";

/// Names are three letters; of a longer one no more than this is shown.
const SHOWN_LETTERS: usize = 16;

/// Rates by currency and day.
#[derive(Clone, Debug)]
pub struct Table {
    /// Business days, in order.
    days: Vec<Date>,
    /// By currency, a rate for each of the `days`.
    rates: BTreeMap<String, Vec<Option<Rate>>>,
}

impl Table {
    /// The rates from 2020-01-02 to 2026-10-30.
    ///
    /// # Panics
    /// Never: a test reads the same file.
    pub fn of_the_central_bank() -> Self {
        Self::parse(FILE).expect("the file that comes with this crate is a table")
    }

    /// Reads a file: a line `Date,USD,..`, and below it one a day, newest first.
    ///
    /// # Errors
    /// Which line is not as expected.
    pub fn parse(file: &str) -> Result<Self, BadTable> {
        let mut lines = (1..).zip(file.lines());
        let header = lines.next().and_then(|(_, line)| line.strip_prefix("Date,"));
        let names = header.ok_or_else(|| BadTable::new(1, "a line that begins with `Date,`"))?;
        let names: Vec<&str> = names.split(',').collect();

        let mut rows = Vec::new();
        for (number, line) in lines {
            rows.push(row(line, names.len()).map_err(|expected| BadTable::new(number, expected))?);
        }
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));

        let column = |index: usize| rows.iter().map(|(_, rates)| rates[index]).collect();
        let mut rates: BTreeMap<String, Vec<Option<Rate>>> = names
            .iter()
            .enumerate()
            .map(|(index, name)| ((*name).to_owned(), column(index)))
            .collect();
        rates.insert("EUR".to_owned(), vec![Some(Rate::EURO); rows.len()]);
        Ok(Self { days: rows.into_iter().map(|(day, _)| day).collect(), rates })
    }

    /// Makes a conversion.
    ///
    /// # Errors
    /// If a currency is not known or has no rate that day, or the result is too large.
    pub fn convert(&self, wanted: &Conversion) -> Result<Amount, RatesError> {
        let from = self.rate(&wanted.from, &wanted.date)?;
        let to = self.rate(&wanted.to, &wanted.date)?;
        wanted.amount.exchange(from, to).ok_or(RatesError::TooLarge)
    }

    /// The currencies that have rates.
    pub fn currencies(&self) -> Vec<Currency> {
        let described = self.rates.iter().filter_map(|(name, rates)| {
            let first = rates.iter().position(Option::is_some)?;
            let last = rates.iter().rposition(Option::is_some)?;
            let (first, last) = (self.days[first].clone(), self.days[last].clone());
            Some(Currency { name: name.clone(), first, last })
        });
        described.collect()
    }

    /// Whether there is such a currency.
    pub fn knows(&self, currency: &str) -> bool {
        self.rates.contains_key(currency)
    }

    fn rate(&self, currency: &str, date: &Date) -> Result<Rate, RatesError> {
        let rates = self.rates.get(currency).ok_or_else(|| self.unknown(currency))?;
        // Where the day is, or would be.
        let (known, at) = match self.days.binary_search(date) {
            Ok(at) => (rates[at], at),
            Err(at) => (None, at),
        };
        known.ok_or_else(|| RatesError::NoRate {
            currency: currency.to_owned(),
            date: date.clone(),
            before: rates[..at].iter().rposition(Option::is_some).map(|day| self.days[day].clone()),
            after: rates[at..]
                .iter()
                .position(Option::is_some)
                .map(|day| self.days[at + day].clone()),
        })
    }

    fn unknown(&self, name: &str) -> RatesError {
        RatesError::UnknownCurrency {
            name: name.chars().take(SHOWN_LETTERS).collect(),
            nearest: self.nearest(name),
        }
    }

    /// Up to three names that take the fewest changed, missing or added letters to become, and not
    /// more than one.
    fn nearest(&self, name: &str) -> Vec<String> {
        if name.len() > SHOWN_LETTERS {
            return Vec::new();
        }
        let name = name.trim().to_ascii_uppercase();
        let near =
            |max: usize| self.rates.keys().filter(move |known| distance(&name, known) <= max);
        let same_letters: Vec<String> = near.clone()(0).cloned().collect();
        if same_letters.is_empty() { near(1).take(3).cloned().collect() } else { same_letters }
    }
}

/// The day and the rates of a line, or what was expected instead.
fn row(line: &str, columns: usize) -> Result<(Date, Vec<Option<Rate>>), String> {
    let mut cells = line.split(',');
    let day = cells.next().unwrap_or_default();
    let day = day.parse::<Date>().map_err(|error| error.to_string())?;
    let rates: Vec<Option<Rate>> = cells
        .map(|cell| match cell {
            NONE => Ok(None),
            rate => rate.parse().map(Some).map_err(|_| format!("a rate or {NONE}, not `{rate}`")),
        })
        .collect::<Result<_, _>>()?;
    if rates.len() != columns {
        return Err(format!("{columns} rates, not {}", rates.len()));
    }
    Ok((day, rates))
}

/// How many letters have to be changed, added or taken away (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, other_letter) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other_letter);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

/// A file that is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}")]
pub struct BadTable {
    line: usize,
    expected: String,
}

impl BadTable {
    fn new(line: usize, expected: impl Into<String>) -> Self {
        Self { line, expected: expected.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(amount: &str, from: &str, to: &str, date: &str) -> Result<String, RatesError> {
        let wanted = Conversion {
            amount: amount.parse().unwrap(),
            from: from.into(),
            to: to.into(),
            date: date.parse().unwrap(),
        };
        Table::of_the_central_bank().convert(&wanted).map(|amount| amount.to_string())
    }

    #[test]
    fn conversions_worked_out_by_hand() {
        // The file's line of 2024-03-01: USD 1.0813, JPY 162.82, GBP 0.85588.
        assert_eq!(convert("100", "EUR", "USD", "2024-03-01").unwrap(), "108.1300");
        assert_eq!(convert("100", "USD", "EUR", "2024-03-01").unwrap(), "92.4813");
        assert_eq!(convert("-2.5", "GBP", "JPY", "2024-03-01").unwrap(), "-475.5924");
        assert_eq!(convert("7", "CHF", "CHF", "2024-03-01").unwrap(), "7.0000");
    }

    #[test]
    fn a_weekend_names_the_days_around_it() {
        let error = convert("1", "USD", "EUR", "2024-03-02").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no rate of USD on 2024-03-02; the nearest are of 2024-03-01 and 2024-03-04"
        );
    }

    #[test]
    fn days_around_are_those_with_a_rate_of_that_currency() {
        let error = convert("1", "EUR", "HRK", "2024-03-01").unwrap_err();
        assert_eq!(error.to_string(), "no rate of HRK on 2024-03-01; the last is of 2022-12-30");
        let error = convert("1", "USD", "EUR", "1999-12-31").unwrap_err();
        assert_eq!(error.to_string(), "no rate of USD on 1999-12-31; the first is of 2020-01-02");
    }

    #[test]
    fn a_misspelt_currency_names_what_may_be_meant() {
        for (name, says) in [
            ("US", "unknown currency `US`; did you mean USD?"),
            ("usd", "unknown currency `usd`; did you mean USD?"),
            ("AUX", "unknown currency `AUX`; did you mean AUD?"),
            ("XYZW", "unknown currency `XYZW`"),
        ] {
            assert_eq!(convert("1", name, "EUR", "2024-03-01").unwrap_err().to_string(), says);
        }
        let long = convert("1", &"U".repeat(1_000_000), "EUR", "2024-03-01").unwrap_err();
        assert_eq!(long.to_string(), "unknown currency `UUUUUUUUUUUUUUUU`");
    }

    #[test]
    fn currencies_say_from_when_to_when() {
        let all = Table::of_the_central_bank().currencies();
        assert_eq!(all.len(), 33);
        let kuna = all.iter().find(|currency| currency.name == "HRK").unwrap();
        assert_eq!(
            (kuna.first.to_string().as_str(), kuna.last.to_string().as_str()),
            ("2020-01-02", "2022-12-30")
        );
    }

    #[test]
    fn a_bad_file_says_where() {
        for (file, says) in [
            ("", "line 1: expected a line that begins with `Date,`"),
            ("Date,USD\n2024-03-01,1.1,2", "line 2: expected 1 rates, not 2"),
            ("Date,USD\n2024-03-01,1.1\n2024-03-04,x", "line 3: expected a rate or N/A, not `x`"),
        ] {
            assert_eq!(Table::parse(file).unwrap_err().to_string(), says);
        }
    }
}
