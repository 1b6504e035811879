//! The governed call: the order of governance, to be read from one function.
//!
//! Every step either refuses, saying who and why, or leaves a guard that settles itself when the call
//! ends or is dropped. A call that a later step refuses gives back what the earlier ones took. A rule
//! that is not set costs a branch.

use std::sync::Mutex;
use std::time::Duration;

use rpc_codec::Priority;
use tokio::time::{Instant, sleep};

use super::attempts::attempts;
use super::call::{deadline, inherit};
use super::channel::Core;
use crate::context::Context;
use crate::control::{Asking, ClientMethod, ClientSteps, Held, PlaceOf, Turn};
use crate::governance::breaker::{Breaker, Permit, Verdict};
use crate::governance::outcome::Outcome;
use crate::governance::rules::RuleKey;
use crate::governance::{Moment, Now};
use crate::report::Facts;
use crate::request::{Request, Response};
use crate::status::{Code, Status};

/// Makes a call by the rules of its method.
pub(super) async fn governed(
    core: &Core,
    method: &ClientMethod,
    steps: &ClientSteps,
    request: &mut Request,
    begun: Now,
    facts: Option<&Mutex<Facts>>,
) -> Result<Response, Status> {
    let mut call = Governed::begin(core, method, steps, request, begun, facts)?;
    call.is_wanted()?; // switched off on purpose: never touches the network
    call.peek_at_breaker(request)?; // open: refuse before anything waits or is spent
    let turn = call.turn(request).await?; // may wait, never past the deadline
    let place = call.place().await?;
    let permit = call.permit(request)?; // dropped without a verdict, the call was abandoned
    turn.into_iter().for_each(Turn::take);
    let result = attempts(&call, request, place.as_ref()).await;
    call.settle(&result, permit);
    result
}

/// A call on its way through the steps.
pub(super) struct Governed<'a> {
    pub(super) core: &'a Core,
    pub(super) method: &'a ClientMethod,
    pub(super) steps: &'a ClientSteps,
    pub(super) facts: Option<&'a Mutex<Facts>>,
    context: Context,
    begun: Now,
    /// As late as is known without another look at the clock.
    pub(super) now: Now,
    pub(super) deadline: Instant,
    priority: Priority,
}

impl<'a> Governed<'a> {
    /// What a call inherits, and when it ends.
    fn begin(
        core: &'a Core,
        method: &'a ClientMethod,
        steps: &'a ClientSteps,
        request: &mut Request,
        begun: Now,
        facts: Option<&'a Mutex<Facts>>,
    ) -> Result<Self, Status> {
        let context = Context::current();
        request.priority = request.priority.or(steps.priority);
        inherit(request, &context);
        let priority = steps.bounded(request.priority());
        request.priority = Some(priority);
        let deadline = deadline(core, method, request, &context, begun.instant)?;
        request.deadline = Some(deadline);
        Ok(Self { core, method, steps, facts, context, begun, now: begun, deadline, priority })
    }

    fn is_wanted(&self) -> Result<(), Status> {
        match &self.steps.degraded {
            None => Ok(()),
            Some(degraded) => self.refused(RuleKey::Degrade, *degraded),
        }
    }

    fn peek_at_breaker(&self, request: &Request) -> Result<(), Status> {
        let Some(step) = &self.steps.breaker else { return Ok(()) };
        match step.of(&self.asking(request)).peek(self.moment()) {
            Ok(()) => Ok(()),
            // Only counted where the call goes on, which will ask for a permit.
            Err(_) if self.is_dark(RuleKey::Breaker) => Ok(()),
            Err(open) => self.refused(RuleKey::Breaker, open),
        }
    }

    /// Its turn at the rate limit.
    async fn turn(&mut self, request: &Request) -> Result<Option<Turn<'a>>, Status> {
        let Some(step) = &self.steps.limit else { return Ok(None) };
        let turn = match step.turn(&self.asking(request), || self.left_at(self.now.instant)) {
            Ok(turn) => turn,
            Err(limited) => return self.refused(RuleKey::Limit, limited).map(|()| None),
        };
        if !turn.wait().is_zero() && !self.is_dark(RuleKey::Limit) {
            Box::pin(sleep(turn.wait())).await;
            self.look_at_clock();
        }
        Ok(Some(turn))
    }

    /// Its place among the calls that are under way.
    async fn place(&mut self) -> Result<Option<PlaceOf<'a>>, Status> {
        let Some(step) = &self.steps.concurrency else { return Ok(None) };
        let entered = match self.is_dark(RuleKey::Concurrency) {
            true => step.try_enter(self.priority, self.moment()),
            false => match step.enter(self.priority, self.moment()).decided() {
                Ok(entered) => entered,
                Err(waiting) => {
                    let entered = Box::pin(waiting.before(Some(self.deadline))).await;
                    self.look_at_clock();
                    entered
                }
            },
        };
        match entered {
            Ok(place) => Ok(Some(place)),
            Err(overloaded) => self.refused(RuleKey::Concurrency, overloaded).map(|()| None),
        }
    }

    /// Leave to go on, which owes the breaker a verdict.
    fn permit(&self, request: &Request) -> Result<Option<Watched<'a>>, Status> {
        let Some(step) = &self.steps.breaker else { return Ok(None) };
        match Breaker::admit(step.of(&self.asking(request)), self.moment()) {
            Ok(permit) => Ok(Some(Watched { permit: Some(permit), begun: self.moment() })),
            Err(open) => self.refused(RuleKey::Breaker, open).map(|()| None),
        }
    }

    /// The call has ended, by itself.
    fn settle(&self, result: &Result<Response, Status>, permit: Option<Watched<'_>>) {
        let arrived = result.as_ref().ok().and_then(|response| response.arrived);
        let ended = arrived.unwrap_or_else(Moment::now);
        if let Some(mut watched) = permit
            && let Some(permit) = watched.permit.take()
        {
            let took = ended.since(watched.begun);
            let outcome = self.method.about.outcome(result);
            let slow = self.steps.breaker.as_ref().map_or(Duration::MAX, |step| step.rule.slow);
            let had_own_time = self.had_own_time(outcome);
            if !had_own_time && took < slow {
                // A hurried caller says nothing of whom it called, however many of them there are.
                permit.settle(Verdict::Neutral, took, ended);
            } else {
                permit.settle_outcome(outcome, had_own_time, took, ended);
            }
        }
        if !self.is_dark(RuleKey::Timeout) {
            return;
        }
        let took = ended.since(self.begun.moment);
        if self.steps.timeout.is_some_and(|limit| took > limit) {
            let late = format!("{} took {took:?}", self.method.about.path);
            let late = Status::local(Code::DeadlineExceeded, late);
            let _ = self.method.refused(self.steps, RuleKey::Timeout, late, ended);
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

    fn look_at_clock(&mut self) {
        self.now = Now::read();
    }

    /// Whether it had all the time that its method asks for, where that matters: if it missed its deadline,
    /// that says something of whom it called.
    pub(super) fn had_own_time(&self, outcome: Outcome) -> bool {
        let own = || self.method.own_timeout(self.core.config.timeout);
        outcome != Outcome::Deadline
            || self.begun.instant.checked_add(own()).is_none_or(|own| own <= self.deadline)
    }

    /// How long an attempt that begins at `began` goes on alone; for ever if it is not hedged.
    pub(super) fn hedge_after(&self, began: Moment) -> Option<Duration> {
        self.steps.hedge.as_ref()?.hedge.after(0, began)
    }

    /// How long the call may still take.
    pub(super) fn left_at(&self, now: Instant) -> Duration {
        self.deadline.saturating_duration_since(now)
    }

    /// When an attempt that begins at `began` is over.
    pub(super) fn try_deadline(&self, began: Instant) -> Instant {
        let per_try = self.steps.per_try.filter(|_| !self.is_dark(RuleKey::PerTry));
        let over = per_try.and_then(|limit| began.checked_add(limit));
        over.map_or(self.deadline, |over| over.min(self.deadline))
    }

    fn asking<'r>(&'r self, request: &'r Request) -> Asking<'r> {
        Asking { now: self.moment(), metadata: &request.metadata, context: &self.context }
    }
}

/// A breaker's permit, which says how long the call had waited if that is dropped.
struct Watched<'a> {
    permit: Option<Permit<Held<'a, Breaker>>>,
    begun: Moment,
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            let now = Moment::now();
            permit.abandon(now.since(self.begun), now);
        }
    }
}
