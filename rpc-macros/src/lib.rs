//! The attribute `#[service]` of `rpc-core`, which re-exports it: use it from there.
//!
//! A trait is *parsed* as it stands, *checked* into a model that cannot be wrong, and *expanded*
//! from that model. The expansion is a table of contents: it names what `rpc_core::__private` has
//! and holds no logic of its own. `tests/golden/` shows one, before and after.

mod checks;
mod duration;
mod expand;
mod mistakes;
mod model;
mod names;
mod parse;
mod suggest;
mod types;

#[cfg(test)]
mod golden;

use proc_macro::TokenStream;

/// Makes a service of a trait.
///
/// ```ignore
/// use rpc_core::{Status, service};
///
/// /// What is in stock.
/// #[service(name = "shop.Inventory", formats(MessagePack, Json))]
/// pub trait Inventory {
///     /// Price of an article in cents.
///     #[rpc(idempotent, timeout = "200ms")]
///     async fn price(&self, sku: String, #[serde(default)] day: Option<String>)
///     -> Result<u64, Status>;
///
///     /// Somebody looked at an article.
///     #[rpc(oneway)]
///     async fn viewed(&self, sku: String) -> Result<(), Status>;
///
///     /// For implementations that do not have it.
///     async fn currency(&self) -> Result<String, Status> {
///         Ok("EUR".into())
///     }
/// }
/// ```
///
/// # What it makes
///
/// | item | what it is for |
/// |---|---|
/// | `Inventory` | the trait, for `Send + Sync + 'static` types, with `Send` futures |
/// | `InventoryClient` | calls a server; implements `Inventory`, so that a caller can't tell it from a mock or from the real thing |
/// | `InventoryServer` | what a server adds: `Server::builder().add(InventoryServer::new(Shop::new()))` |
/// | `inventory::Dyn` | the trait's object-safe companion: `Arc<dyn inventory::Dyn>` implements `Inventory` |
///
/// They are as visible as the trait. The companion stands in a module of its own, for beside the
/// trait its methods would be ambiguous; that module sees the types of the trait's module, not of a
/// function's body: **declare a service at module level**. (A documentation example without a
/// `fn main` is a function's body.)
///
/// # `#[service(..)]`
///
/// - `name = "shop.Inventory"`: the name on the wire. Without it, the trait's.
/// - `formats(MessagePack, Json)`: what its arguments and answers may travel in; a client that does
///   not choose takes the first. `MessagePack`, `Json`, `Cbor`, `Postcard`, `Protobuf` and `Raw` are
///   `rpc_core`'s own; any other path is a marker type of yours (one that has such a name is written
///   `self::Json`). Without it, `MessagePack` and `Json`.
///
/// # `#[rpc(..)]` on a method
///
/// - `idempotent`: calling twice is as good as calling once. It may be retried, and its handler is
///   dropped when its caller has gone.
/// - `timeout = "200ms"`: how long a call may take where the caller does not say (`us`, `ms`, `s`,
///   `m`, `h`).
/// - `oneway`: it is never answered, and returns `Result<(), Status>`.
///
/// # Methods
///
/// They are `async`, take `&self` and return `Result<T, Status>` or `Result<T, rpc_core::Error<E>>`.
/// Arguments are named and owned; they travel as a struct with those names, so one that is added
/// later is an `Option` or carries `#[serde(default)]` (any `#[serde(..)]` of a field will do).
/// Methods of a service that speaks `Protobuf` or `Raw` take exactly one argument, which is the body.
/// A default body answers where an implementation has none, so that adding a method breaks no
/// implementation when it is compiled anew. A server that was built before the method was added still
/// answers *unimplemented*: upgrade servers before the clients that call it. A one-way call of it is
/// lost there without a word, as every one-way call that fails on its way is: its `Ok` says only that
/// it was queued to be sent.
#[proc_macro_attribute]
pub fn service(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::service(args.into(), item.into()).into()
}
