//! A user's names mean what they mean elsewhere, though the expansion has variables and types of
//! its own.

use rpc_core::{Server, Status, service};
use serde::{Deserialize, Serialize};

/// Named like what could stand in an expansion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dyn(u8);

/// Named like what could stand in an expansion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PriceArgs {
    amount: u8,
}

/// Named like what could stand in an expansion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Formats;

/// Named like what could stand in an expansion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct S;

/// Every argument is added to the answer.
#[service]
pub trait Clashes {
    /// Arguments named like variables.
    #[allow(clippy::too_many_arguments)]
    async fn variables(
        &self,
        stub: u8,
        self_: u8,
        service: u8,
        args: u8,
        method: u8,
        implementation: u8,
        f: u8,
    ) -> Result<u8, Status>;

    /// Types named like generated ones.
    async fn price(
        &self,
        dynamic: Dyn,
        args: PriceArgs,
        formats: Formats,
        s: S,
    ) -> Result<(Dyn, PriceArgs, Formats, S), Status>;

    /// Its arguments travel in a struct ..
    async fn foo_bar(&self, a: u8) -> Result<u8, Status>;

    /// .. that is not the one of these.
    #[allow(non_snake_case)]
    async fn fooBar(&self, a: u8, b: u8) -> Result<u8, Status>;

    /// Named like what generated types have.
    #[allow(clippy::wrong_self_convention)]
    async fn into_service(&self) -> Result<u8, Status>;

    /// Named like what generated types have.
    #[allow(clippy::wrong_self_convention)]
    async fn from_arc(&self) -> Result<u8, Status>;

    /// Named like what generated types have.
    #[allow(clippy::wrong_self_convention)]
    async fn from_stub(&self) -> Result<u8, Status>;

    /// Named like what generated types have.
    async fn fmt(&self) -> Result<u8, Status>;
}

/// A trait that is called like what stands in its companion's module.
pub mod companions {
    use rpc_core::{Status, service};

    /// Its module can't be called `dyn`.
    #[service]
    pub trait Dyn {
        /// Nothing.
        async fn nothing(&self) -> Result<(), Status>;
    }
}

struct Sum;

impl Clashes for Sum {
    async fn variables(
        &self,
        stub: u8,
        self_: u8,
        service: u8,
        args: u8,
        method: u8,
        implementation: u8,
        f: u8,
    ) -> Result<u8, Status> {
        Ok(stub + self_ + service + args + method + implementation + f)
    }

    async fn price(
        &self,
        dynamic: Dyn,
        args: PriceArgs,
        formats: Formats,
        s: S,
    ) -> Result<(Dyn, PriceArgs, Formats, S), Status> {
        Ok((dynamic, args, formats, s))
    }

    async fn foo_bar(&self, a: u8) -> Result<u8, Status> {
        Ok(a)
    }

    async fn fooBar(&self, a: u8, b: u8) -> Result<u8, Status> {
        Ok(a + b)
    }

    async fn into_service(&self) -> Result<u8, Status> {
        Ok(1)
    }

    async fn from_arc(&self) -> Result<u8, Status> {
        Ok(2)
    }

    async fn from_stub(&self) -> Result<u8, Status> {
        Ok(3)
    }

    async fn fmt(&self) -> Result<u8, Status> {
        Ok(4)
    }
}

impl companions::Dyn for Sum {
    async fn nothing(&self) -> Result<(), Status> {
        Ok(())
    }
}

/// Calls all of it.
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> Result<(), Status> {
    let server = Server::builder()
        .add(ClashesServer::new(Sum))
        .add(companions::DynServer::new(Sum))
        .listen("mem://names_that_could_clash")
        .await?;
    let sum = ClashesClient::connect(&server.address().to_string()).await?;
    assert_eq!(sum.variables(1, 2, 4, 8, 16, 32, 64).await?, 127);
    let values = (Dyn(1), PriceArgs { amount: 2 }, Formats, S);
    assert_eq!(sum.price(values.0, values.1, values.2, values.3).await?, values);
    assert_eq!((sum.foo_bar(1).await?, sum.fooBar(1, 2).await?), (1, 3));
    assert_eq!((sum.into_service().await?, sum.from_arc().await?), (1, 2));
    assert_eq!((sum.from_stub().await?, Clashes::fmt(&sum).await?), (3, 4));

    let sum: std::sync::Arc<dyn clashes::Dyn> = std::sync::Arc::new(sum);
    assert_eq!(sum.variables(1, 2, 4, 8, 16, 32, 64).await?, 127);

    use companions::Dyn as _;
    let nothing = companions::DynClient::connect(&server.address().to_string()).await?;
    let nothing: std::sync::Arc<dyn companions::dyn_::Dyn> = std::sync::Arc::new(nothing);
    nothing.nothing().await
}
