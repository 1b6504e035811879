//! What a fallback's path may lead to, and what may stand by.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use rpc_core::{Error, Status, service};

/// An answer that may be missing, under a name of its own.
pub type Answer = Result<Option<u64>, Status>;

/// Every way to say it.
#[service]
pub trait Prices {
    /// A function beside the trait.
    #[rpc(fallback = beside)]
    async fn beside(&self, sku: String, day: u32) -> Result<u64, Status>;

    /// One that is found from here.
    #[rpc(fallback = self::elsewhere::price)]
    async fn elsewhere(&self, sku: String) -> Result<u64, Status>;

    /// A type's, and it is not `async` itself.
    #[rpc(fallback = Shelf::price)]
    async fn of_a_type(&self, sku: String) -> Result<u64, Status>;

    /// One with parameters.
    #[rpc(fallback = any::<u64>)]
    async fn generic(&self) -> Result<u64, Status>;

    /// The default, through an alias.
    #[rpc(fallback = "default")]
    async fn aliased(&self, r#type: String) -> Answer;

    /// With an error of its own.
    #[rpc(fallback = typed)]
    async fn typed(&self, __why: String) -> Result<(), Error<Never>>;

    /// Its last good answer; not for now, as long as there was none.
    #[rpc(fallback(last_good = "30s", max = 10, vary = []))]
    async fn kept(&self) -> Result<u64, Status>;
}

/// Takes its only argument as it is.
#[service(formats(Raw))]
pub trait Echo {
    /// The same.
    #[rpc(fallback = echo)]
    async fn echo(&self, body: Bytes) -> Result<Bytes, Status>;
}

/// Not used.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Never;

impl std::fmt::Display for Never {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("never")
    }
}

impl std::error::Error for Never {}
impl rpc_core::AppError for Never {}

async fn beside(_: &Status, sku: String, day: u32) -> Result<u64, Status> {
    Ok(sku.len() as u64 + u64::from(day))
}

mod elsewhere {
    use rpc_core::Status;

    pub(crate) async fn price(why: &Status, _: String) -> Result<u64, Status> {
        tokio::task::yield_now().await;
        Ok(why.code() as u64)
    }
}

struct Shelf;

impl Shelf {
    fn price(_: &Status, sku: String) -> impl Future<Output = Result<u64, Status>> + use<> {
        async move { Ok(sku.len() as u64) }
    }
}

async fn any<T: Default>(_: &Status) -> Result<T, Status> {
    Ok(T::default())
}

async fn typed(_: &Status, _: String) -> Result<(), Error<Never>> {
    Ok(())
}

async fn echo(_: &Status, body: Bytes) -> Result<Bytes, Status> {
    Ok(body)
}

impl Prices for Shelf {
    async fn beside(&self, _: String, _: u32) -> Result<u64, Status> {
        Ok(1)
    }

    async fn elsewhere(&self, _: String) -> Result<u64, Status> {
        Ok(2)
    }

    async fn of_a_type(&self, _: String) -> Result<u64, Status> {
        Ok(3)
    }

    async fn generic(&self) -> Result<u64, Status> {
        Ok(4)
    }

    async fn aliased(&self, _: String) -> Answer {
        Ok(Some(5))
    }

    async fn typed(&self, _: String) -> Result<(), Error<Never>> {
        Ok(())
    }

    async fn kept(&self) -> Result<u64, Status> {
        Ok(6)
    }
}

/// Nobody listens where these clients call.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Status> {
    let prices = PricesClient::connect("mem://nobody-at-all").await?;
    assert_eq!(prices.beside("A-17".to_owned(), 3).await?, 7);
    assert_eq!(prices.elsewhere("A-17".to_owned()).await?, 14, "unavailable");
    assert_eq!(prices.of_a_type("A-17".to_owned()).await?, 4);
    assert_eq!(prices.generic().await?, 0);
    assert_eq!(prices.aliased("A-17".to_owned()).await?, None);
    assert!(prices.typed("A-17".to_owned()).await.is_ok());
    assert!(prices.kept().await.is_err());

    let shelf: Arc<dyn prices::Dyn> = Arc::new(Shelf);
    let prices = prices.with_fallback(shelf);
    assert_eq!(prices.beside("A-17".to_owned(), 3).await?, 1);
    assert_eq!(prices.aliased("A-17".to_owned()).await?, Some(5));
    assert_eq!(prices.kept().await?, 6);

    let echo = EchoClient::connect("mem://nobody-at-all").await?;
    assert_eq!(echo.echo(Bytes::from_static(b"x")).await?, "x");
    Ok(())
}
