//! What a server's rules say of a call, before anything of it is decoded.
//!
//! Every refusal says that nothing has run and when to come back. A call that has to wait for its
//! turn or its place waits as a task, with its arguments still in their bytes; it waits no longer
//! than its caller does.

use std::future::Future;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use rpc_codec::Priority;
use tokio::time::{Instant, sleep};

use crate::connection::Run;
use crate::context::Context;
use crate::control::{Asking, OwnPlace, OwnWaiting, RateStep, ServerMethod, ServerSteps, Turn};
use crate::governance::Moment;
use crate::governance::limit::concurrency::Overloaded;
use crate::governance::outcome::Outcome;
use crate::governance::rules::RuleKey;
use crate::request::Response;
use crate::service::BoxFuture;
use crate::status::{Code, Status};

/// A call that its method's rules let in; dropped, it was never there.
pub(super) struct Admission {
    method: Arc<ServerMethod>,
    steps: Arc<ServerSteps>,
    turn: Option<Turn<'static>>,
    entry: Entry,
    priority: Priority,
    deadline: Option<Instant>,
}

/// How far a call is on its way to a place.
enum Entry {
    /// It needs none.
    Free,
    In(OwnPlace),
    Waiting(OwnWaiting),
    /// Its turn comes first: who waits for that should not hold a place meanwhile.
    Later,
}

/// Asks a method's rules about the call that is to run.
///
/// # Errors
/// The refusal: nothing has been decoded, and nothing is taken.
pub(super) fn admit(
    method: &Arc<ServerMethod>,
    steps: Arc<ServerSteps>,
    run: &Run,
) -> Result<Admission, Status> {
    let now = Moment::at(run.received);
    let context = &run.context;
    let asking = Asking { now, metadata: context.metadata(), context };
    let mut admission = Admission {
        method: method.clone(),
        turn: None,
        entry: Entry::Free,
        priority: context.priority(),
        deadline: run.deadline,
        steps,
    };
    if let Some(step) = &admission.steps.limit {
        let left = || run.deadline.map_or(Duration::MAX, |deadline| deadline - run.received);
        match step.own_turn(&asking, left) {
            Ok(turn) => admission.turn = Some(turn),
            Err(limited) => method.refused(&admission.steps, RuleKey::Limit, limited, now)?,
        }
    }
    admission.entry = match admission.wait() {
        Some(_) => Entry::Later,
        None => admission.enter(now)?,
    };
    Ok(admission)
}

impl Admission {
    /// Runs the handler when it is its turn.
    pub(super) async fn run(
        mut self,
        handler: BoxFuture<'static, Result<Response, Status>>,
    ) -> Result<Response, Status> {
        if let Some(wait) = self.wait() {
            Box::pin(self.while_wanted(sleep(wait))).await?;
        }
        let place = self.place().await?;
        if let Some(turn) = &mut self.turn {
            turn.take();
        }
        let Some(place) = place else { return handler.await };
        if !place.learns() {
            return handler.await; // its place is held until then
        }
        let began = Instant::now();
        let result = handler.await;
        let now = Instant::now();
        let had_own_time = true; // whatever its caller gave it, so long the server took
        let took = now.saturating_duration_since(began);
        place.learn(Outcome::of(&result), had_own_time, took, Moment::at(now));
        result
    }

    /// How long it has to wait for its turn, if at all.
    fn wait(&self) -> Option<Duration> {
        let wait = self.turn.as_ref()?.wait();
        (!wait.is_zero() && !self.steps.dark.contains(RuleKey::Limit)).then_some(wait)
    }

    /// On its way to a place, which it may have to wait for.
    fn enter(&mut self, now: Moment) -> Result<Entry, Status> {
        let steps = self.steps.clone();
        let Some(step) = &steps.concurrency else { return Ok(Entry::Free) };
        if steps.dark.contains(RuleKey::Concurrency) {
            return match step.try_enter_owned(self.priority, now) {
                Ok(place) => Ok(Entry::In(place)),
                Err(overloaded) => self.refused(overloaded, now).map(|()| Entry::Free),
            };
        }
        match step.enter_owned(self.priority, now).decided() {
            Ok(Ok(place)) => Ok(Entry::In(place)),
            Ok(Err(overloaded)) => self.refused(overloaded, now).map(|()| Entry::Free),
            Err(waiting) => Ok(Entry::Waiting(waiting)),
        }
    }

    /// Its place, now that it has had its turn.
    async fn place(&mut self) -> Result<Option<OwnPlace>, Status> {
        let mut entry = mem::replace(&mut self.entry, Entry::Free);
        if matches!(entry, Entry::Later) {
            entry = self.enter(Moment::now())?;
        }
        match entry {
            Entry::Free | Entry::Later => Ok(None),
            Entry::In(place) => Ok(Some(place)),
            Entry::Waiting(waiting) => {
                let entered = Box::pin(self.while_wanted(waiting.before(self.deadline))).await?;
                match entered {
                    Ok(place) => Ok(Some(place)),
                    Err(overloaded) => self.refused(overloaded, Moment::now()).map(|()| None),
                }
            }
        }
    }

    /// Waits for as long as its caller does. A method that must not be dropped while it runs has not
    /// begun to, here.
    async fn while_wanted<F: Future>(&self, wait: F) -> Result<F::Output, Status> {
        let context = Context::current();
        tokio::select! {
            biased;
            waited = wait => Ok(waited),
            () = context.cancelled() => {
                let is_late = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
                let code = if is_late { Code::DeadlineExceeded } else { Code::Cancelled };
                Err(Status::refused(code, "its caller went away while the call waited"))
            }
        }
    }

    /// There is no place for it. Where each caller has a limit of its own, its turn is spent even so: else who
    /// asks far more often than it may has so many more chances at each place that becomes free.
    fn refused(&mut self, overloaded: Overloaded, now: Moment) -> Result<(), Status> {
        if self.steps.limit.as_ref().is_some_and(RateStep::is_by_key) {
            self.turn.iter_mut().for_each(Turn::take);
        }
        self.method.refused(&self.steps, RuleKey::Concurrency, overloaded, now)
    }
}
