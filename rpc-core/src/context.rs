//! The call a task is working on: its deadline, metadata, peer and cancellation, without a
//! parameter for it.
//!
//! A handler runs with its context in place, so that a call made from inside inherits what is left
//! of the time, the trace, the priority and the baggage. It survives `.await`; a task of one's own
//! takes it along with [`spawn`](crate::spawn) or [`Context::scope`].

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use rpc_codec::{Metadata, MetadataError, Priority};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The metadata key that a downstream call inherits (W3C baggage).
pub(crate) const BAGGAGE: &str = "baggage";

/// What is known of the call being served. Outside of one it is empty: no deadline, no metadata.
///
/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Context(Option<Arc<Call>>);

/// The facts of one call on a server.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Cow<'static, str>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) metadata: Metadata,
    pub(crate) peer: Peer,
    pub(crate) priority: Priority,
    pub(crate) attempt: u32,
    pub(crate) retried_upstream: bool,
    pub(crate) trace: Option<Arc<Trace>>,
    pub(crate) reply: OnceLock<Mutex<Metadata>>,
    pub(crate) cancel: Cancel,
    /// What became of the calls that the handler made.
    pub(crate) flags: AtomicU8,
}

impl Call {
    /// A call by this peer of which nothing else is known yet.
    pub(crate) fn by(peer: Peer) -> Self {
        Self {
            method: Cow::Borrowed(""),
            deadline: None,
            metadata: Metadata::new(),
            peer,
            priority: Priority::default(),
            attempt: 0,
            retried_upstream: false,
            trace: None,
            reply: OnceLock::new(),
            cancel: Cancel::default(),
            flags: AtomicU8::new(0),
        }
    }
}

impl Default for Call {
    fn default() -> Self {
        Self::by(Peer::default())
    }
}

const DEGRADED: u8 = 1;
const SILENCED: u8 = 2;

/// A W3C trace context, as it came.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) parent: String,
    pub(crate) state: String,
}

impl Trace {
    /// What a head says; `None` if it says nothing.
    pub(crate) fn of(parent: &str, state: &str) -> Option<Arc<Self>> {
        let said = !parent.is_empty() || !state.is_empty();
        said.then(|| Arc::new(Self { parent: parent.to_owned(), state: state.to_owned() }))
    }
}

/// Who calls. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer(Arc<Caller>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Caller {
    name: String,
    address: Arc<str>,
}

impl Peer {
    pub(crate) fn new(name: String, address: Arc<str>) -> Self {
        Self(Arc::new(Caller { name, address }))
    }

    /// The name it gave itself, for quotas and logs: nobody has checked it. Empty if it gave none.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// What quotas know it by: its name, else where it comes from.
    pub(crate) fn caller(&self) -> &str {
        if self.0.name.is_empty() { host(&self.0.address) } else { &self.0.name }
    }

    /// Where its connection comes from.
    pub fn address(&self) -> &str {
        &self.0.address
    }
}

/// An address without its port: what a peer can't make up more of.
pub(crate) fn host(address: &str) -> &str {
    match address.rsplit_once([':', '#']) {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => address,
    }
}

/// Set once, when the caller went away or its deadline passed.
#[derive(Debug, Default)]
pub(crate) struct Cancel {
    cancelled: AtomicBool,
    changed: Notify,
}

impl Cancel {
    pub(crate) fn set(&self) {
        self.cancelled.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    fn is_set(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    async fn wait(&self) {
        let mut changed = std::pin::pin!(self.changed.notified());
        // Registered before the flag is read, so that a `set` in between is not missed.
        changed.as_mut().enable();
        if !self.is_set() {
            changed.await;
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Context> = const { RefCell::new(Context(None)) };
}

impl Context {
    /// The context of the call being served, empty outside of one.
    pub fn current() -> Self {
        CURRENT.with_borrow(Clone::clone)
    }

    pub(crate) fn new(call: Call) -> Self {
        Self(Some(Arc::new(call)))
    }

    /// Becomes the context of the next call of the same peer, which `facts` fills in. It is put where
    /// this one is, unless somebody has kept that.
    pub(crate) fn renew(&mut self, facts: impl FnOnce(&mut Call)) {
        if let Some(call) = self.0.as_mut().and_then(Arc::get_mut) {
            call.reply.take();
            *call.cancel.cancelled.get_mut() = false;
            *call.flags.get_mut() = 0;
            facts(call);
            return;
        }
        let peer = self.peer();
        let mut call = Call::by(peer);
        facts(&mut call);
        *self = Self::new(call);
    }

    /// Runs `future` inside this context.
    ///
    /// # Cancel safety
    /// As that of `future`; dropping it leaves nothing behind.
    pub fn scope<F: Future>(self, future: F) -> Scope<F> {
        Scope { context: self, future }
    }

    /// The method being served, `shop.Inventory/price`; empty outside of a call.
    pub fn method(&self) -> &str {
        self.0.as_ref().map_or("", |call| &call.method)
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.as_ref()?.deadline
    }

    /// How long the caller still waits; zero when that is over.
    pub fn time_left(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(Instant::now()))
    }

    /// What the caller sent beside the arguments.
    pub fn metadata(&self) -> &Metadata {
        static EMPTY: Metadata = Metadata::new();
        self.0.as_ref().map_or(&EMPTY, |call| &call.metadata)
    }

    /// Who calls.
    pub fn peer(&self) -> Peer {
        self.0.as_ref().map(|call| call.peer.clone()).unwrap_or_default()
    }

    /// How much the call matters.
    pub fn priority(&self) -> Priority {
        self.0.as_ref().map_or(Priority::Normal, |call| call.priority)
    }

    /// Whether this call, or one further up, is a second try.
    pub fn is_retry(&self) -> bool {
        self.0.as_ref().is_some_and(|call| call.attempt > 0 || call.retried_upstream)
    }

    /// Says something to the caller beside the answer; an earlier value of `key` is replaced.
    /// Outside of a call it does nothing.
    ///
    /// # Errors
    /// If the key is not one, or there is more than metadata may hold.
    pub fn set_reply_metadata(
        &self,
        key: &str,
        value: impl Into<bytes::Bytes>,
    ) -> Result<(), MetadataError> {
        match &self.0 {
            Some(call) => {
                let reply = call.reply.get_or_init(Mutex::default);
                reply.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value)
            }
            None => Ok(()),
        }
    }

    /// Whether the caller went away or its deadline passed.
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|call| call.cancel.is_set())
    }

    /// Waits until the caller went away or its deadline passed; for ever outside of a call.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn cancelled(&self) {
        match &self.0 {
            Some(call) => call.cancel.wait().await,
            None => std::future::pending().await,
        }
    }

    /// A fallback gave an answer that the handler's own may rest on.
    pub(crate) fn set_degraded(&self) {
        self.flag(DEGRADED);
    }

    /// There is nothing left to pay retries from, so that callers should not try again either.
    pub(crate) fn silence_retries(&self) {
        self.flag(SILENCED);
    }

    pub(crate) fn is_degraded(&self) -> bool {
        self.has_flag(DEGRADED)
    }

    pub(crate) fn is_silenced(&self) -> bool {
        self.has_flag(SILENCED)
    }

    fn flag(&self, flag: u8) {
        if let Some(call) = &self.0 {
            call.flags.fetch_or(flag, Ordering::Relaxed);
        }
    }

    fn has_flag(&self, flag: u8) -> bool {
        self.0.as_ref().is_some_and(|call| call.flags.load(Ordering::Relaxed) & flag != 0)
    }

    /// Who calls, as far as is known: its name, else its address.
    pub(crate) fn caller(&self) -> &str {
        self.0.as_ref().map_or("", |call| call.peer.caller())
    }

    pub(crate) fn call(&self) -> Option<&Call> {
        self.0.as_deref()
    }

    pub(crate) fn cancel(&self) {
        if let Some(call) = &self.0 {
            call.cancel.set();
        }
    }

    /// Whether the handler said nothing beside its answer.
    pub(crate) fn is_silent(&self) -> bool {
        self.0.as_ref().is_none_or(|call| call.reply.get().is_none())
    }

    /// What the handler said beside its answer.
    pub(crate) fn take_reply_metadata(&self) -> Metadata {
        let reply = self.0.as_ref().and_then(|call| call.reply.get());
        reply.map_or_else(Metadata::new, |reply| {
            mem::take(&mut *reply.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// Makes this the current context until the guard is dropped.
    pub(crate) fn enter(&mut self) -> Entered<'_> {
        CURRENT.with_borrow_mut(|current| mem::swap(current, self));
        Entered(self)
    }
}

/// While it lives, the context it borrows and the thread's have changed places.
pub(crate) struct Entered<'a>(&'a mut Context);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| mem::swap(current, self.0));
    }
}

pin_project! {
    /// A future that runs inside a [`Context`]; see [`Context::scope`].
    #[derive(Debug)]
    pub struct Scope<F> {
        context: Context,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.context.enter();
        this.future.poll(cx)
    }
}

/// [`tokio::spawn`], with the current [`Context`] taken along.
///
/// # Panics
/// Outside of a tokio runtime, as `tokio::spawn` does.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(Context::current().scope(future))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(method: &'static str) -> Context {
        Context::new(Call { method: method.into(), ..Call::default() })
    }

    #[test]
    fn a_host_is_known_whatever_its_port() {
        for (address, known) in [
            ("10.0.0.7:41234", "10.0.0.7"),
            ("[2001:db8::1]:80", "[2001:db8::1]"),
            ("mem://desk#3", "mem://desk"),
            ("unix:///run/desk", "unix:///run/desk"),
            ("", ""),
        ] {
            assert_eq!(host(address), known);
            assert_eq!(Peer::new(String::new(), address.into()).caller(), known);
        }
    }

    #[tokio::test]
    async fn scopes_nest_and_survive_await() {
        named("outer")
            .scope(async {
                assert_eq!(Context::current().method(), "outer");
                named("inner")
                    .scope(async {
                        tokio::task::yield_now().await;
                        assert_eq!(Context::current().method(), "inner");
                    })
                    .await;
                tokio::task::yield_now().await;
                assert_eq!(Context::current().method(), "outer");
                let spawned = spawn(async { Context::current().method().to_owned() });
                assert_eq!(spawned.await.unwrap(), "outer");
            })
            .await;
        assert_eq!(Context::current().method(), "");
    }

    #[tokio::test]
    async fn a_panic_inside_does_not_leave_the_context_behind() {
        let scope = named("doomed").scope(async { panic!("on purpose") });
        let mut scope = Box::pin(scope);
        let poll = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut cx = task::Context::from_waker(task::Waker::noop());
            let _: Poll<()> = scope.as_mut().poll(&mut cx);
        }));
        assert!(poll.is_err());
        assert_eq!(Context::current().method(), "");
    }

    #[test]
    fn a_renewed_context_remembers_nothing_and_forgets_nobody() {
        let peer = Peer::new("me".into(), "here".into());
        let mut context = Context::new(Call { peer: peer.clone(), ..Call::default() });
        let next = |context: &mut Context, method| {
            context.renew(|call| call.method = Cow::Borrowed(method));
        };
        next(&mut context, "first");
        context.set_reply_metadata("said", "this").unwrap();
        context.cancel();
        let kept = context.clone();
        next(&mut context, "second");
        assert_eq!((context.method(), context.peer()), ("second", peer.clone()));
        assert!(context.is_silent() && !context.is_cancelled());
        assert_eq!((kept.method(), kept.is_cancelled()), ("first", true));

        context.set_reply_metadata("said", "this").unwrap();
        context.cancel();
        next(&mut context, "third");
        assert_eq!((context.method(), context.peer()), ("third", peer));
        assert!(context.is_silent() && !context.is_cancelled());
    }

    #[tokio::test]
    async fn a_cancel_before_the_wait_is_seen() {
        let context = named("x");
        context.cancel();
        context.cancelled().await;
        assert!(context.is_cancelled());
    }
}
