//! The attribute `#[service]` of `rpc-core`, which re-exports it: use it from there.
//!
//! A trait is *parsed* as it stands, *checked* into a model that cannot be wrong, and *expanded*
//! from that model. The expansion is a table of contents: it names what `rpc_core::__private` has
//! and holds no logic of its own. `tests/golden/` shows one, before and after.

mod checks;
mod duration;
mod expand;
mod measure;
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
///     #[rpc(idempotent, timeout = "200ms", retry(attempts = 3), limit(rate = "2000/s", burst = 200),
///           breaker(failure_rate = "50%", min_calls = 20, open = "5s"), fallback = last_known)]
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
///
/// async fn last_known(why: &Status, sku: String, day: Option<String>) -> Result<u64, Status> {
///     // ..
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
/// What a method is:
///
/// - `idempotent`: calling twice is as good as calling once. It may be retried after it ran, it may be
///   hedged, and its handler is dropped when its caller has gone.
/// - `oneway`: it is never answered, and returns `Result<(), Status>`. Its `timeout` is how long it may
///   wait to be sent; `per_try`, `retry`, `hedge` and `fallback` need an answer, and are refused.
/// - `classify = path`: a `fn(&Status) -> Option<Outcome>` that sees some failures of this method
///   differently than the table of `rpc_core::governance::outcome` does; `None` leaves one to the table.
///   It is asked about what the server said, not about lost connections or what the client refused.
///
/// Its rules. All of them are defaults: a file, a registry or the console can say otherwise while the
/// process runs. `"off"` in place of a value switches a key off, whatever is said of the whole service.
///
/// | key | settings | without it |
/// |---|---|---|
/// | `timeout` | how long a call may take, attempts and waits included | the channel's, 10 s unless set |
/// | `per_try` | how long each attempt may take, at most `timeout` | the call's |
/// | `retry(..)` | `attempts` in all, the first included, up to 100 (3); `backoff` before the second (`"10ms"`), growing to `max_backoff` (`"1s"`) | no retries, but for what has run nowhere |
/// | `hedge(..)` | a further attempt `after` a time or a percentile (`"p95"`), at most `max`, up to 10 (1); only where `idempotent` | none |
/// | `limit(..)` | `rate`, which has to be said; `burst`, of the kinds `"token"` (one second's worth) and `"leaky"` (none); `kind` (`"token"`, `"leaky"`, `"fixed"`, `"sliding"`); `wait` for one's turn (`"0ms"`); a limit each per `key`: `"caller"` or the name of metadata (one for all) | none |
/// | `concurrency` | how many at a time: a number, `"adaptive"`, or `concurrency(max, queue, wait)`: so many more may wait so long (nobody) | no limit |
/// | `breaker(..)` | opens at a `failure_rate` (`"50%"`), a `slow_rate` of calls that take longer than `slow` (`"1s"`), or `consecutive` failures: the default holds if none of the three is said; rates are of a `window`, a time or a number of calls (`"10s"`), of at least `min_calls` (20); stays `open` (`"5s"`), up to `max_open` (`"60s"`), then lets `probes` through (1); `kind` `"trip"` or `"throttle"` (`"trip"`); a breaker each per `key` (one for all) | none |
/// | `fallback` | the path of a function, `"default"`, or `fallback(last_good = "30s", max = 1000, vary = ["tenant"])`: see below | the call's failure |
/// | `optional` | 1 to 255: from this level of the process on the fallback answers at once | never |
/// | `priority` | `"critical"`, `"normal"`, `"sheddable"`, `"bulk"` | that of the call being served, or normal |
/// | `dark` | a list of keys that only count what they would do, as in `["hedge"]` | none |
///
/// Defaults are in parentheses; `retry()`, `hedge()` and `breaker()` take all of theirs. Durations are a
/// number and `us`, `ms`, `s`, `m` or `h`; rates a whole number per unit or time, `"100/s"` or `"5/10s"`;
/// shares `"50%"`. Where one of two settings is said, the other's default fits it (`backoff = "2s"` alone
/// has a `max_backoff` of 2 s); what contradicts itself is refused: a `per_try` or a `wait` longer than
/// `timeout`, an `after` that is not shorter, a `max_backoff` below `backoff`, a `max_open` below `open`, a
/// `min_calls` that a `window` never holds, a `queue` in which nobody waits. A breaker of kind
/// `"throttle"` has a `failure_rate`, `window`, `min_calls` and `key` only.
///
/// # Fallbacks
///
/// A call that fails otherwise than by a business error, and is not cancelled, can be answered by
///
/// - a function of the reason and the method's arguments, which returns what the method returns:
///   `async fn last_known(why: &Status, sku: String) -> Result<u64, Status>`;
/// - `"default"`: the `Default` of the answer;
/// - `last_good`: the last good answer to the same arguments and the metadata named by `vary`;
/// - what the caller has: `client.with_fallback(..)` takes any implementation of the trait, another
///   client too, and goes before the function and the default. `"off"` switches it off as well.
///
/// It runs in the caller's task once all permits are free again, and has no deadline of its own: after
/// a deadline there is no time left to give. Its answer, or an error of the method's own type from it,
/// is what the caller gets, marked as degraded in the call's report. If it fails with a `Status`, the
/// caller gets the status of the call, with the fallback's added to its message: a degraded answer never
/// hides an outage, nor does a failed one. To have no answer, return the reason: `Err(why.clone())`.
/// The arguments are decoded from what was sent, so a call that needs no fallback pays nothing for it.
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
