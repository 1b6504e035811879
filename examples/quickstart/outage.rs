//! A bank whose database goes down when somebody says so: one more implementation of the trait, in
//! front of the real one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use examples::rates::{Amount, Bank, Conversion, Currency, Date, Rates, RatesError, Seen};
use rpc_core::{Error, Status, service};

/// Makes and ends outages. A server offers it beside its rates.
#[service(name = "quickstart.Outage")]
pub(crate) trait Outage {
    /// From now on no conversion can be made.
    async fn begin(&self) -> Result<(), Status>;
    /// It is over.
    async fn end(&self) -> Result<(), Status>;
}

/// Whether the database is down. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Database(Arc<AtomicBool>);

impl Outage for Database {
    async fn begin(&self) -> Result<(), Status> {
        self.0.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn end(&self) -> Result<(), Status> {
        self.0.store(false, Ordering::SeqCst);
        Ok(())
    }
}

/// A bank that needs its database to convert.
pub(crate) struct Fragile {
    pub(crate) bank: Bank,
    pub(crate) database: Database,
}

impl Rates for Fragile {
    async fn convert(
        &self,
        amount: Amount,
        from: String,
        to: String,
        date: Date,
    ) -> Result<Amount, Error<RatesError>> {
        if self.database.0.load(Ordering::SeqCst) {
            return Err(Status::unavailable("the database is down").into());
        }
        self.bank.convert(amount, from, to, date).await
    }

    async fn convert_all(&self, lines: Vec<Conversion>) -> Result<Vec<Amount>, Error<RatesError>> {
        self.bank.convert_all(lines).await
    }

    async fn currencies(&self) -> Result<Vec<Currency>, Status> {
        self.bank.currencies().await
    }

    async fn viewed(&self, currency: String) -> Result<(), Status> {
        self.bank.viewed(currency).await
    }

    async fn seen(&self) -> Result<Seen, Status> {
        self.bank.seen().await
    }
}
