//! A method's own error arrives as what it was, and can't be mistaken for a failure of the call.

use rpc_core::{AppError, Code, Error, Server, Status, service};
use serde::{Deserialize, Serialize};

#[service(name = "shop.Stock")]
trait Stock {
    /// Puts articles aside; returns how many are left.
    async fn reserve(&self, sku: String, count: u32) -> Result<u32, Error<ReserveError>>;
}

/// Why nothing was put aside.
#[derive(Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
enum ReserveError {
    /// There are fewer than that.
    #[error("out of stock, {left} left")]
    OutOfStock {
        /// How many there are.
        left: u32,
    },
}

/// The code is what a client sees that does not know the type; *failed precondition* by default.
impl AppError for ReserveError {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }
}

struct Shelf;

/// A function of the business, which knows nothing of RPC.
fn take(left: u32, count: u32) -> Result<u32, ReserveError> {
    left.checked_sub(count).ok_or(ReserveError::OutOfStock { left })
}

/// Something downstream that fails with a status.
fn look_up(sku: &str) -> Result<u32, Status> {
    match sku {
        "A-17" => Ok(2),
        _ => Err(Status::not_found(format!("no article `{sku}`"))),
    }
}

impl Stock for Shelf {
    async fn reserve(&self, sku: String, count: u32) -> Result<u32, Error<ReserveError>> {
        let left = look_up(&sku)?; // a Status ..
        Ok(take(left, count)?) // .. and an error of its own, both by `?`
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().add(StockServer::new(Shelf)).listen("127.0.0.1:0").await?;
    let stock = StockClient::connect(&server.address().to_string()).await?;

    for (sku, count) in [("A-17", 1), ("A-17", 5), ("B-99", 1)] {
        match stock.reserve(sku.into(), count).await {
            Ok(left) => {
                println!("{count} of {sku}: done, {left} left");
                assert_eq!((sku, count, left), ("A-17", 1, 1));
            }
            Err(Error::App(ReserveError::OutOfStock { left })) => {
                println!("{count} of {sku}: there are only {left}");
                assert_eq!((sku, left), ("A-17", 2));
            }
            Err(Error::Status(status)) => {
                println!("{count} of {sku}: {status}");
                assert_eq!((sku, status.code()), ("B-99", Code::NotFound));
            }
        }
    }
    Ok(())
}
