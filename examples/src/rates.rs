//! Currency conversion at the reference rates of the European Central Bank: the trait that client
//! and server share, and what travels.

mod amount;
mod bank;
mod date;
mod table;

use std::collections::BTreeMap;

use rpc_core::{AppError, Code, Error, Status, service};
use serde::{Deserialize, Serialize};

pub use amount::{Amount, BadAmount, Rate};
pub use bank::Bank;
pub use date::{BadDate, Date};
pub use table::{BadTable, Table};

/// Converts amounts at the rates of a day.
///
/// Every answer says in its metadata which server gave it: `server`, a name. A caller's `request-id`
/// comes back beside it.
#[service(name = "bank.Rates")]
pub trait Rates {
    /// What `amount` of the currency `from` was worth in the currency `to` on `date`.
    #[rpc(idempotent, timeout = "2s")]
    async fn convert(
        &self,
        amount: Amount,
        from: String,
        to: String,
        date: Date,
    ) -> Result<Amount, Error<RatesError>>;

    /// The same for many; the first that can't be converted fails them all.
    #[rpc(idempotent)]
    async fn convert_all(&self, lines: Vec<Conversion>) -> Result<Vec<Amount>, Error<RatesError>>;

    /// The currencies there are, and since and until when.
    #[rpc(idempotent)]
    async fn currencies(&self) -> Result<Vec<Currency>, Status>;

    /// Somebody looked at a currency.
    #[rpc(oneway)]
    async fn viewed(&self, currency: String) -> Result<(), Status>;

    /// What this server has seen so far.
    #[rpc(idempotent)]
    async fn seen(&self) -> Result<Seen, Status>;
}

/// The arguments of one conversion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// How much.
    pub amount: Amount,
    /// In which currency it is.
    pub from: String,
    /// In which it is to be.
    pub to: String,
    /// On which day.
    pub date: Date,
}

/// A currency, and the days between which there are rates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Currency {
    /// Its three letters.
    pub name: String,
    /// The first day with a rate.
    pub first: Date,
    /// The last day with a rate.
    pub last: Date,
}

/// What a server has seen since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The server's name.
    pub server: String,
    /// Conversions that are being made.
    pub running: u64,
    /// Conversions that were made, or refused with an error of their own.
    pub finished: u64,
    /// Conversions that were dropped, because their caller went away or its time was over.
    pub given_up: u64,
    /// How often each currency was viewed.
    pub views: BTreeMap<String, u64>,
}

/// Why a conversion can't be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RatesError {
    /// There is no such currency.
    #[error("unknown currency `{name}`{}", or_maybe(nearest))]
    UnknownCurrency {
        /// What was asked for.
        name: String,
        /// Those that are spelled almost like it.
        nearest: Vec<String>,
    },
    /// No rate was published for that day.
    #[error("no rate of {currency} on {date}{}", around(before.as_ref(), after.as_ref()))]
    NoRate {
        /// The currency that has none.
        currency: String,
        /// The day asked for.
        date: Date,
        /// The last day before it that has one.
        before: Option<Date>,
        /// The first day after it that has one.
        after: Option<Date>,
    },
    /// The result is too large.
    #[error("the result is too large: amounts go up to {}", Amount::MAX)]
    TooLarge,
}

impl AppError for RatesError {
    fn code(&self) -> Code {
        match self {
            Self::UnknownCurrency { .. } => Code::InvalidArgument,
            Self::NoRate { .. } => Code::NotFound,
            Self::TooLarge => Code::OutOfRange,
        }
    }
}

fn or_maybe(nearest: &[String]) -> String {
    match nearest {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(" or ")),
    }
}

fn around(before: Option<&Date>, after: Option<&Date>) -> String {
    match (before, after) {
        (Some(before), Some(after)) => format!("; the nearest are of {before} and {after}"),
        (Some(last), None) => format!("; the last is of {last}"),
        (None, Some(first)) => format!("; the first is of {first}"),
        (None, None) => String::new(),
    }
}
