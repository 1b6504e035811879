//! A server's side of [`Rates`]: the table, and a count of what happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rpc_core::{Context, Error, MetadataError, Status};

use super::{Amount, Conversion, Currency, Date, Rates, RatesError, Seen, Table};

/// Answers from a [`Table`].
#[derive(Debug)]
pub struct Bank {
    name: String,
    table: Table,
    delay: Duration,
    running: AtomicU64,
    finished: AtomicU64,
    given_up: AtomicU64,
    /// Known currencies only: what a caller makes up takes no memory.
    views: Mutex<BTreeMap<String, u64>>,
}

impl Bank {
    /// A bank with the rates of the European Central Bank.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            table: Table::of_the_central_bank(),
            delay: Duration::ZERO,
            running: AtomicU64::default(),
            finished: AtomicU64::default(),
            given_up: AtomicU64::default(),
            views: Mutex::default(),
        }
    }

    /// Takes this long for every conversion, as a bank with a slow database would.
    #[must_use]
    pub fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Says beside the answer who gave it, and to which request, if the caller gave that an id.
    fn sign(&self) -> Result<(), Status> {
        let context = Context::current();
        let too_much = |error: MetadataError| Status::invalid_argument(error.to_string());
        context.set_reply_metadata("server", self.name.clone()).map_err(too_much)?;
        if let Some(id) = context.metadata().get_bytes("request-id") {
            context.set_reply_metadata("request-id", id.clone()).map_err(too_much)?;
        }
        Ok(())
    }
}

impl Rates for Bank {
    async fn convert(
        &self,
        amount: Amount,
        from: String,
        to: String,
        date: Date,
    ) -> Result<Amount, Error<RatesError>> {
        let conversion = Running::begin(self);
        self.sign()?;
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        let result = self.table.convert(&Conversion { amount, from, to, date });
        conversion.finish();
        Ok(result?)
    }

    async fn convert_all(&self, lines: Vec<Conversion>) -> Result<Vec<Amount>, Error<RatesError>> {
        self.sign()?;
        let amounts: Result<Vec<Amount>, RatesError> =
            lines.iter().map(|line| self.table.convert(line)).collect();
        Ok(amounts?)
    }

    async fn currencies(&self) -> Result<Vec<Currency>, Status> {
        self.sign()?;
        Ok(self.table.currencies())
    }

    async fn viewed(&self, currency: String) -> Result<(), Status> {
        if !self.table.knows(&currency) {
            return Err(Status::invalid_argument("unknown currency"));
        }
        *self.views.lock().unwrap_or_else(PoisonError::into_inner).entry(currency).or_default() +=
            1;
        Ok(())
    }

    async fn seen(&self) -> Result<Seen, Status> {
        self.sign()?;
        Ok(Seen {
            server: self.name.clone(),
            running: self.running.load(Ordering::SeqCst),
            finished: self.finished.load(Ordering::SeqCst),
            given_up: self.given_up.load(Ordering::SeqCst),
            views: self.views.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        })
    }
}

/// A conversion being made. `convert` is idempotent, so that its handler is dropped when nobody
/// waits for it any more: this is how the bank notices.
struct Running<'a> {
    bank: &'a Bank,
    finished: bool,
}

impl<'a> Running<'a> {
    fn begin(bank: &'a Bank) -> Self {
        bank.running.fetch_add(1, Ordering::SeqCst);
        Self { bank, finished: false }
    }

    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let ended = if self.finished { &self.bank.finished } else { &self.bank.given_up };
        ended.fetch_add(1, Ordering::SeqCst);
        self.bank.running.fetch_sub(1, Ordering::SeqCst);
    }
}
