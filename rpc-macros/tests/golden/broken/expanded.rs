// From `input.rs`; `BLESS=1 cargo test -p rpc-macros` writes this file.

use rpc_core::{Status, service};
::core::compile_error! {
    "unknown key `nmae`, did you mean `name`? expected `name` or `formats`"
}
::core::compile_error! {
    "unknown key `retires`: expected `idempotent`, `oneway`, `timeout`, `per_try`, `retry`, `hedge`, `limit`, `concurrency`, `breaker`, `fallback`, `optional`, `priority`, `dark` or `classify`"
}
::core::compile_error! {
    "take `String` instead of `&str`: what travels is owned where it arrives"
}
::core::compile_error! {
    "write `async fn viewed`: an answer takes its time"
}
::core::compile_error! {
    "take `&self`: one implementation answers many calls at once, so what changes is kept behind a lock"
}
::core::compile_error! {
    "return `Result<(), Status>`: a call can fail on its way"
}
trait Inventory: ::core::marker::Send + ::core::marker::Sync + 'static {
    fn price(
        &self,
        sku: &str,
    ) -> impl ::core::future::Future<
        Output = Result<u64, Status>,
    > + ::core::marker::Send;
    fn viewed(&mut self, sku: String);
}
///Calls [`Inventory`] on a server.
///
/// It is cheap to clone, and all clones share their connections. A future borrows the client
/// it was made by, so a task that is spawned needs a clone of its own: `let client =
/// client.clone();` and then `async move { client. .. .await }`.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
struct InventoryClient {
    stub: ::rpc_core::__private::Stub,
    standby: ::rpc_core::__private::Standby<()>,
}
::rpc_core::__client_methods! {
    InventoryClient
}
impl InventoryClient {
    /// The same client, which asks `fallback` where a call fails for another reason than the
    /// method's own, before any fallback that the service names. Its answers are marked as
    /// degraded. One-way calls have none.
    #[must_use]
    pub fn with_fallback(&self, _fallback: impl Inventory) -> Self {
        ::core::unreachable!()
    }
}
///Serves an implementation of [`Inventory`]: `Server::builder().add(InventoryServer::new(..))`.
struct InventoryServer<__S: ?::core::marker::Sized> {
    implementation: ::std::sync::Arc<__S>,
}
impl<__S: Inventory> InventoryServer<__S> {
    /// Serves `implementation`.
    pub fn new(implementation: __S) -> Self {
        Self {
            implementation: ::std::sync::Arc::new(implementation),
        }
    }
}
impl<__S: Inventory + ?::core::marker::Sized> InventoryServer<__S> {
    /// Serves an implementation that others hold as well.
    pub fn from_arc(implementation: ::std::sync::Arc<__S>) -> Self {
        Self { implementation }
    }
}
impl<__S: ?::core::marker::Sized> ::core::clone::Clone for InventoryServer<__S> {
    fn clone(&self) -> Self {
        Self {
            implementation: ::std::sync::Arc::clone(&self.implementation),
        }
    }
}
impl<__S: ?::core::marker::Sized> ::core::fmt::Debug for InventoryServer<__S> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str("InventoryServer")
    }
}
impl ::rpc_core::__private::Client for InventoryClient {
    const SERVICE: &'static str = "Inventory";
    const METHODS: &'static [::rpc_core::__private::Method] = &[];
    fn from_stub(stub: ::rpc_core::__private::Stub) -> Self {
        Self {
            stub,
            standby: ::rpc_core::__private::Standby::NOBODY,
        }
    }
}
impl Inventory for InventoryClient {
    fn price(
        &self,
        _: &str,
    ) -> impl ::core::future::Future<
        Output = Result<u64, Status>,
    > + ::core::marker::Send {
        async move { ::core::unreachable!() }
    }
    fn viewed(&mut self, _: String) {
        ::core::unreachable!()
    }
}
impl<__S: Inventory + ?::core::marker::Sized> ::rpc_core::__private::Serve
for InventoryServer<__S> {
    fn into_service(self) -> ::rpc_core::__private::Service {
        ::core::unreachable!()
    }
}
