//! A call, and what is answered if it fails: a degraded answer that the caller can live with, instead
//! of an outage that spreads to everyone who asks.
//!
//! It stands around the governed call, so that breakers and limits have settled and every permit is
//! free before a fallback runs. The call's own outcome is recorded as it was: an answer from here is
//! marked and counted apart, and can't hide an outage. `last_good` answers and degradation that is
//! forced are decided inside the call; here are the answers that come from the user's code.
//!
//! The arguments are encoded once, for the call, and decoded from those bytes if a fallback wants
//! them: a call that needs none pays one comparison.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use rpc_codec::format::Formats;

use super::Stub;
use crate::context::Context;
use crate::governance::Moment;
use crate::governance::outcome::Degradation;
use crate::governance::rules::{FallbackRule, RuleKey, Setting};
use crate::reply::{Reply, decode_args};
use crate::request::Request;
use crate::service::BoxFuture;
use crate::status::Status;

/// The implementation, if any, that a generated client was given by `with_fallback`. `D` is the
/// service's object-safe companion.
pub struct Standby<D: ?Sized>(Option<Arc<D>>);

impl<D: ?Sized> Standby<D> {
    /// Nobody stands by.
    pub const NOBODY: Self = Self(None);

    /// This one does.
    pub fn new(implementation: Arc<D>) -> Self {
        Self(Some(implementation))
    }
}

impl<D: ?Sized> Clone for Standby<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: ?Sized> fmt::Debug for Standby<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "somebody" } else { "nobody" })
    }
}

/// What a method's attribute has for a call with arguments `A` that would have returned `R`.
pub trait Otherwise<A, R> {
    /// Whether this is what `rule` asks for.
    fn is_meant_by(rule: &FallbackRule) -> bool;

    /// Asks it.
    ///
    /// # Errors
    /// If the arguments are wanted and there are none.
    fn ask<'w>(
        self,
        why: &'w Status,
        args: impl FnOnce() -> Result<A, Status>,
    ) -> Result<BoxFuture<'w, R>, Status>
    where
        R: 'w;
}

/// The attribute has nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoFallback;

/// `fallback = "default"`: the `Default` of what a method answers that returns `R`.
#[derive(Clone, Copy, Debug)]
pub struct ByDefault<R>(fn() -> R);

/// What a method returns whose answer has a `Default`.
#[diagnostic::on_unimplemented(
    message = "there is no default for what returns `{Self}`",
    label = "expected `Result<T, ..>` where `T` is `Default`"
)]
pub trait HasDefault {
    /// That answer.
    fn default_answer() -> Self;
}

impl<T: Default, E> HasDefault for Result<T, E> {
    fn default_answer() -> Self {
        Ok(T::default())
    }
}

impl<R> ByDefault<R> {
    /// The one there is. It is asked for here, and not where it is needed, so that a type without
    /// one is told once, and at the attribute.
    pub fn known() -> Self
    where
        R: HasDefault,
    {
        Self(R::default_answer)
    }
}

/// `fallback = last_known_price`: a function of the reason and the arguments.
#[derive(Clone, Copy, Debug)]
pub struct Function<C>(C);

impl<C> Function<C> {
    /// What asks the function.
    pub fn new<A, R>(call: C) -> Self
    where
        C: for<'w> FnOnce(&'w Status, A) -> BoxFuture<'w, R>,
    {
        Self(call)
    }
}

impl<A, R> Otherwise<A, R> for NoFallback {
    fn is_meant_by(_: &FallbackRule) -> bool {
        false
    }

    fn ask<'w>(
        self,
        why: &'w Status,
        _: impl FnOnce() -> Result<A, Status>,
    ) -> Result<BoxFuture<'w, R>, Status>
    where
        R: 'w,
    {
        Err(why.clone())
    }
}

impl<A, R: Send> Otherwise<A, R> for ByDefault<R> {
    fn is_meant_by(rule: &FallbackRule) -> bool {
        matches!(rule, FallbackRule::Default)
    }

    fn ask<'w>(
        self,
        _: &'w Status,
        _: impl FnOnce() -> Result<A, Status>,
    ) -> Result<BoxFuture<'w, R>, Status>
    where
        R: 'w,
    {
        Ok(Box::pin(async move { (self.0)() }))
    }
}

impl<A, R, C> Otherwise<A, R> for Function<C>
where
    C: for<'w> FnOnce(&'w Status, A) -> BoxFuture<'w, R>,
{
    fn is_meant_by(rule: &FallbackRule) -> bool {
        matches!(rule, FallbackRule::Function)
    }

    fn ask<'w>(
        self,
        why: &'w Status,
        args: impl FnOnce() -> Result<A, Status>,
    ) -> Result<BoxFuture<'w, R>, Status>
    where
        R: 'w,
    {
        Ok(self.0(why, args()?))
    }
}

/// Calls the stub's method of this number and waits for its answer, or for that of a fallback.
///
/// A fallback is asked if the call failed in a way that is neither an answer of the method nor the
/// caller's own doing: not for success, a business error or a cancelled call, and not if the
/// arguments could not be encoded. `standby` goes before what the attribute has. It runs in the
/// caller's task and has no deadline of its own: after a deadline there is no time left to give.
///
/// An answer of a fallback, or an error of the method's own type from it, is what the caller gets. If
/// the fallback fails with a status, the caller gets the call's, which says so beside its reason.
///
/// The arguments are encoded at once, so that the future has no room for them: it is moved and kept
/// for as long as the call is in flight. What a fallback needs is boxed when one is needed.
///
/// # Cancel safety
/// Dropping it cancels the call, on the server too, or the fallback.
pub fn unary_or<'a, F, A, R, D, S, O>(
    stub: &'a Stub,
    method: usize,
    args: A,
    standby: &'a Standby<D>,
    through: S,
    otherwise: O,
) -> impl Future<Output = R> + Send + use<'a, F, A, R, D, S, O>
where
    F: Formats<A>,
    A: Send + 'a,
    R: Reply<F> + 'a,
    D: Send + Sync + ?Sized + 'static,
    S: for<'d> FnOnce(&'d D, A) -> BoxFuture<'d, R> + Send + 'a,
    O: Otherwise<A, R> + Send + 'a,
{
    let mut prepared = stub.prepare::<F, A>(method, &args);
    async move {
        let why = match stub.call(method, &mut prepared).await {
            Err(why) if stub.wants_fallback(method, &why, standby.0.is_some(), O::is_meant_by) => {
                why
            }
            result => {
                let format = prepared.as_ref().map_or("", |request| request.format());
                return R::decode(result, format, stub.channel().decode_limits());
            }
        };
        let failed = Failed { stub, method, prepared: &prepared, why };
        Box::pin(instead::<F, A, R, D>(failed, standby, through, otherwise)).await
    }
}

/// A call that failed.
struct Failed<'a> {
    stub: &'a Stub,
    method: usize,
    prepared: &'a Result<Request, Status>,
    why: Status,
}

/// The answer of the fallback of a call that failed: of `standby` if there is one, else of
/// `otherwise`.
async fn instead<F, A, R, D>(
    failed: Failed<'_>,
    standby: &Standby<D>,
    through: impl for<'d> FnOnce(&'d D, A) -> BoxFuture<'d, R>,
    otherwise: impl Otherwise<A, R>,
) -> R
where
    F: Formats<A>,
    R: Reply<F>,
    D: ?Sized,
{
    let Failed { stub, method, prepared, why } = failed;
    let limits = stub.channel().decode_limits();
    let request = match prepared {
        Ok(request) => request,
        // The arguments could not be encoded: the caller's mistake, and nothing to ask with.
        Err(_) => return R::decode(Err(why), "", limits),
    };
    let args = || decode_args::<F, A>(request.body().clone(), request.format(), limits);
    let answer = {
        let asked = match &standby.0 {
            Some(implementation) => args().map(|args| through(implementation, args)),
            None => otherwise.ask(&why, args),
        };
        match asked {
            Ok(answer) => Ok(answer.await),
            Err(no_arguments) => Err(no_arguments),
        }
    };
    let failure = match answer {
        Ok(answer) => match answer.as_status() {
            Some(failure) => failure.clone(),
            None => {
                stub.degraded(method, Degradation::Answered, &why);
                return answer;
            }
        },
        Err(no_arguments) => no_arguments,
    };
    stub.degraded(method, Degradation::Failed, &why);
    R::decode(Err(why.with_failed_fallback(failure)), request.format(), limits)
}

impl Stub {
    /// Whether a call that failed with `why` is to be answered otherwise.
    fn wants_fallback(
        &self,
        method: usize,
        why: &Status,
        is_someone_standing_by: bool,
        is_meant_by: fn(&FallbackRule) -> bool,
    ) -> bool {
        let method = &self.bound(method).method;
        let steps = method.steps();
        let is_there = match &steps.fallback {
            Some(Setting::Off) => false,
            Some(Setting::On(rule)) => is_someone_standing_by || is_meant_by(rule),
            None => is_someone_standing_by,
        };
        if !is_there || !method.about.outcome_of_status(why).asks_fallback() {
            return false;
        }
        // Where it is dark that is only counted.
        let now = Moment::now();
        !steps.dark.contains(RuleKey::Fallback)
            || method.refused(&steps, RuleKey::Fallback, why.clone(), now).is_err()
    }

    /// A fallback was asked. The call itself is counted as it ended.
    fn degraded(&self, method: usize, degradation: Degradation, why: &Status) {
        self.bound(method).degrade(degradation, why);
        if degradation == Degradation::Answered {
            Context::current().set_degraded();
            if let Some(report) = &self.options().report {
                report.degrade();
            }
        }
    }
}
