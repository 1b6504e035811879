//! The governed call, and the order of governance: to be read in [`governed`] and [`Governed::pass`].
//!
//! Every step either refuses, saying who and why, or leaves a guard that settles itself when the call
//! ends or is dropped. A call that a later step refuses gives back what the earlier ones took. A rule
//! that is not set costs a branch.
//!
//! Most calls meet nothing that refuses or makes them wait. They take all they need at once, so that the
//! steps stand apart from what is run for each call: together that has to fit into a core's
//! instruction cache, or every call waits for it.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rpc_codec::Priority;
use tokio::time::{Instant, sleep};

use super::attempts::Attempts;
use super::call::{deadline, inherit};
use super::channel::Core;
use crate::clock::Now;
use crate::context::Context;
use crate::control::{
    Asking, BreakerStep, ClientMethod, ClientSteps, ConcurrencyStep, Held, PlaceOf, Turn,
};
use crate::governance::breaker::{Breaker, Permit, Verdict};
use crate::governance::outcome::Outcome;
use crate::governance::rules::RuleKey;
use crate::governance::{Moment, Rough};
use crate::report::Facts;
use crate::request::{Request, Response};
use crate::status::{Code, Status};

/// Makes a call by the rules of its method.
#[expect(clippy::manual_async_fn, reason = "an `async fn` keeps its arguments twice")]
pub(super) fn governed<'a>(
    core: &'a Core,
    method: &'a ClientMethod,
    steps: Arc<ClientSteps>,
    request: &'a mut Request,
    now: Now,
    facts: Option<&'a Mutex<Facts>>,
) -> impl Future<Output = Result<Response, Status>> + Send + use<'a> {
    async move {
        let call = &mut Governed::new(core, method, &steps, now, facts);
        call.begin(request)?;
        if !call.pass_at_once(request) {
            Box::pin(call.pass(request)).await?;
        }
        let mut attempts = Attempts::begin(call)?;
        let first = {
            let first = pin!(attempts.first(request)); // to await it there would be to move it twice
            first.await
        };
        let result = match first {
            Err(failed) => Box::pin(attempts.further(request, failed)).await,
            answered => answered,
        };
        call.settle(&result);
        result
    }
}

/// What part of its time a call may have waited here, for its deadline to say something all the same: where
/// calls are paced each of them waits a little, and who swallows them is to be found out even so.
const WAITS: u32 = 10;

/// A call on its way through the steps.
pub(super) struct Governed<'a> {
    pub(super) core: &'a Core,
    pub(super) method: &'a ClientMethod,
    pub(super) steps: &'a ClientSteps,
    pub(super) facts: Option<&'a Mutex<Facts>>,
    context: Context,
    begun: Moment,
    /// When it had passed all steps, and was sent.
    sent: Moment,
    /// As late as is known without another look at the clock.
    pub(super) now: Now,
    pub(super) deadline: Instant,
    priority: Priority,
    /// Its place among the calls under way.
    pub(super) place: Option<PlaceOf<'a>>,
    permit: Option<Watched<'a>>,
}

impl<'a> Governed<'a> {
    fn new(
        core: &'a Core,
        method: &'a ClientMethod,
        steps: &'a ClientSteps,
        begun: Now,
        facts: Option<&'a Mutex<Facts>>,
    ) -> Self {
        Self {
            core,
            method,
            steps,
            facts,
            context: Context::current(),
            begun: begun.moment,
            sent: begun.moment,
            now: begun,
            deadline: begun.instant,
            priority: Priority::default(),
            place: None,
            permit: None,
        }
    }

    /// What it inherits, and when it ends.
    #[inline(always)]
    fn begin(&mut self, request: &mut Request) -> Result<(), Status> {
        request.priority = request.priority.or(self.steps.priority);
        inherit(request, &self.context);
        self.priority = self.steps.bounded(request.priority());
        request.priority = Some(self.priority);
        let begun = self.now.instant;
        self.deadline = deadline(self.core, self.method, request, &self.context, begun)?;
        request.deadline = Some(self.deadline);
        request.given = self.deadline - begun;
        Ok(())
    }

    /// Passes all steps if none refuses and none makes it wait; says whether it did. Then it has all that it
    /// needs.
    ///
    /// The turn comes last, as it can't be given back. What it had until then leaves no trace, but that
    /// a place is held for some nanoseconds by a call whose turn it is not.
    #[inline(always)]
    fn pass_at_once(&mut self, request: &Request) -> bool {
        let steps = self.steps;
        let passes = steps.switched_off.is_none()
            && steps.breaker.as_ref().is_none_or(|step| self.admit_at_once(step, request))
            && steps.concurrency.as_ref().is_none_or(|step| self.enter_at_once(step))
            && steps.limit.as_ref().is_none_or(|step| step.take_turn(&self.asking(request)));
        if !passes {
            self.place = None;
            self.permit.take().into_iter().for_each(Watched::forget);
        }
        passes
    }

    #[inline(always)]
    fn admit_at_once(&mut self, step: &'a BreakerStep, request: &Request) -> bool {
        let permit = Breaker::admit_at_once(step.of(&self.asking(request)), self.moment());
        self.permit = permit.map(|permit| Watched { permit, begun: self.moment() });
        self.permit.is_some()
    }

    #[inline(always)]
    fn enter_at_once(&mut self, step: &'a ConcurrencyStep) -> bool {
        self.place = step.enter_at_once(self.priority);
        self.place.is_some()
    }

    /// Passes the steps one by one: each refuses, or leaves what settles itself, perhaps after a wait,
    /// which is never past the deadline.
    async fn pass(&mut self, request: &Request) -> Result<(), Status> {
        self.is_wanted()?; // switched off on purpose: never touches the network
        self.peek_at_breaker(request)?; // open: refuse before anything waits or is spent
        let mut turn = self.turn(request)?;
        self.wait_for(&turn).await;
        self.enter().await?;
        self.admit(request)?; // dropped without a verdict, the call was abandoned
        turn.iter_mut().for_each(Turn::take); // from here on it is not given back
        self.sent = self.moment();
        self.note_wait();
        Ok(())
    }

    fn is_wanted(&self) -> Result<(), Status> {
        match &self.steps.switched_off {
            None => Ok(()),
            Some(switched_off) => self.refused(RuleKey::Degrade, switched_off.at(self.moment())),
        }
    }

    fn peek_at_breaker(&self, request: &Request) -> Result<(), Status> {
        let Some(step) = &self.steps.breaker else { return Ok(()) };
        let asking = self.asking(request);
        match step.of(&asking).peek(self.moment()) {
            Ok(()) => Ok(()),
            // Only counted where the call goes on, which will ask for a permit.
            Err(_) if self.is_dark(RuleKey::Breaker) => Ok(()),
            Err(open) => self.refused(RuleKey::Breaker, step.explained(open, &asking)),
        }
    }

    /// Its turn at the rate limit, for which it may have to wait.
    fn turn(&self, request: &Request) -> Result<Option<Turn<'a>>, Status> {
        let Some(step) = &self.steps.limit else { return Ok(None) };
        match step.turn(&self.asking(request), || self.left_at(self.now.instant)) {
            Ok(turn) => Ok(Some(turn)),
            Err(limited) => self.refused(RuleKey::Limit, limited).map(|()| None),
        }
    }

    async fn wait_for(&mut self, turn: &Option<Turn<'_>>) {
        let wait = turn.as_ref().map_or(Duration::ZERO, Turn::wait);
        if !wait.is_zero() && !self.is_dark(RuleKey::Limit) {
            sleep(wait).await;
            self.now = Now::read();
        }
    }

    /// Gets its place, for which it may have to wait.
    async fn enter(&mut self) -> Result<(), Status> {
        let Some(step) = &self.steps.concurrency else { return Ok(()) };
        let entered = match self.is_dark(RuleKey::Concurrency) {
            true => step.try_enter(self.priority, self.moment()),
            false => match step.enter(self.priority, self.moment()).decided() {
                Ok(entered) => entered,
                Err(waiting) => {
                    let entered = waiting.before(Some(self.deadline)).await;
                    self.now = Now::read();
                    entered
                }
            },
        };
        match entered {
            Ok(place) => self.place = Some(place),
            Err(overloaded) => self.refused(RuleKey::Concurrency, overloaded)?,
        }
        Ok(())
    }

    /// Gets leave to go on, and owes the breaker a verdict.
    fn admit(&mut self, request: &Request) -> Result<(), Status> {
        let Some(step) = &self.steps.breaker else { return Ok(()) };
        let asking = self.asking(request);
        match Breaker::admit(step.of(&asking), self.moment()) {
            Ok(permit) => self.permit = Some(Watched { permit, begun: self.moment() }),
            Err(open) => self.refused(RuleKey::Breaker, step.explained(open, &asking))?,
        }
        Ok(())
    }

    /// The call has ended, by itself.
    #[inline(always)]
    fn settle(&mut self, result: &Result<Response, Status>) {
        let arrived = result.as_ref().ok().and_then(|response| response.arrived);
        let ended = arrived.unwrap_or_else(Moment::now);
        if self.permit.is_some() {
            self.tell_breaker(self.method.about.outcome(result), ended);
        }
        if !self.is_dark(RuleKey::Timeout) {
            return;
        }
        let took = ended.since(self.begun);
        if self.steps.timeout.is_some_and(|limit| took > limit) {
            let late = format!("{} took {}", self.method.about.path, Rough::at_least(took));
            let late = Status::local(Code::DeadlineExceeded, late);
            let _ = self.method.refused(self.steps, RuleKey::Timeout, late, ended);
        }
    }

    #[inline(always)]
    fn tell_breaker(&mut self, outcome: Outcome, ended: Moment) {
        let had_own_time = self.had_own_time(outcome);
        let Some(Watched { permit, begun }) = &mut self.permit else { return };
        let took = ended.since(*begun);
        let slow = self.steps.breaker.as_ref().map_or(Duration::MAX, |step| step.rule.slow);
        if !had_own_time && took < slow {
            // A hurried caller says nothing of whom it called, however many of them there are.
            permit.report(Verdict::Neutral, took, ended);
        } else {
            permit.report_outcome(outcome, had_own_time, took, ended);
        }
    }

    /// See [`ClientMethod::refused`].
    pub(super) fn refused(&self, by: RuleKey, why: impl Into<Status>) -> Result<(), Status> {
        self.method.refused(self.steps, by, why, self.moment())
    }

    pub(super) fn is_dark(&self, key: RuleKey) -> bool {
        self.steps.dark.contains(key)
    }

    pub(super) fn moment(&self) -> Moment {
        self.now.moment
    }

    /// Whether it had all the time that its method asks for, and did not spend it here, where that matters: if
    /// it missed its deadline, that says something of whom it called.
    pub(super) fn had_own_time(&self, outcome: Outcome) -> bool {
        let had_it = || {
            let own = self.method.own_timeout(self.core.config.timeout);
            let waited = self.sent.since(self.begun);
            own <= Moment::at(self.deadline).since(self.begun) && waited <= own / WAITS
        };
        outcome != Outcome::Deadline || had_it()
    }

    /// How long it waited for its turn and its place, for who wants to know.
    fn note_wait(&self) {
        if let Some(facts) = self.facts {
            let mut facts = facts.lock().unwrap_or_else(PoisonError::into_inner);
            facts.waited = self.sent.since(self.begun);
        }
    }

    /// How long an attempt that begins at `began` goes on alone; for ever if it is not hedged.
    pub(super) fn hedge_after(&self, began: Moment) -> Option<Duration> {
        self.steps.hedge.as_ref()?.hedge.after(0, began)
    }

    /// How long the call may still take.
    pub(super) fn left_at(&self, now: Instant) -> Duration {
        self.deadline.saturating_duration_since(now)
    }

    /// Says when an attempt that begins at `began` is over.
    pub(super) fn give_time(&self, attempt: &mut Request, began: Instant) {
        let per_try = self.steps.per_try.filter(|_| !self.is_dark(RuleKey::PerTry));
        let over = per_try.and_then(|limit| began.checked_add(limit));
        attempt.is_per_try = over.is_some_and(|over| over < self.deadline);
        attempt.deadline = if attempt.is_per_try { over } else { Some(self.deadline) };
    }

    fn asking<'r>(&'r self, request: &'r Request) -> Asking<'r> {
        Asking { now: self.moment(), metadata: &request.metadata, context: &self.context }
    }
}

/// A breaker's permit, which says how long the call had waited if that is dropped.
struct Watched<'a> {
    permit: Permit<Held<'a, Breaker>>,
    begun: Moment,
}

impl Watched<'_> {
    /// Nothing of the call was counted yet, nor will it be.
    fn forget(mut self) {
        self.permit.forget();
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if !self.permit.is_settled() {
            let now = Moment::now();
            self.permit.report(Verdict::Abandoned, now.since(self.begun), now);
        }
    }
}
