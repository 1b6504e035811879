//! The attempts of a call: the first, those that follow a failed one, and those that join a slow one.
//! All inside the call's time, on nodes that have not been tried yet, and paid from one budget.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::call::{attempt, nowhere};
use super::governed::Governed;
use super::node::Node;
use crate::clock::Now;
use crate::context::Context;
use crate::control::Further;
use crate::governance::outcome::Outcome;
use crate::governance::retry::{Facts, MAX_RESENDS, Retry, RetryPolicy, Stop};
use crate::governance::rules::RuleKey;
use crate::governance::{Moment, Rough};
use crate::request::{Request, Response};
use crate::service::BoxFuture;
use crate::status::{Code, Status};

type Answer = Result<Response, Status>;

/// A call's attempts so far.
pub(super) struct Attempts<'a> {
    call: &'a Governed<'a>,
    first: (usize, &'a Arc<Node>),
    /// What is known once there is a second one.
    more: Option<Box<More>>,
}

struct More {
    /// The nodes that have been tried in this round.
    tried: Vec<usize>,
    /// Attempts that were paid for, after the first.
    sent: u32,
}

impl<'a> Attempts<'a> {
    #[inline(always)]
    pub(super) fn begin(call: &'a Governed<'a>) -> Result<Self, Status> {
        if call.steps.retry.is_some() || call.steps.hedge.is_some() {
            call.steps.budget.deposit(call.moment());
        }
        let first = call.core.pick(&[]).ok_or_else(nowhere)?;
        Ok(Self { call, first, more: None })
    }

    /// The first attempt.
    pub(super) fn first<'s>(
        &'s mut self,
        request: &'s mut Request,
    ) -> impl Future<Output = Answer> + Send + use<'s, 'a> {
        let (_, node) = self.first;
        self.attempt(node, request, self.call.now)
    }

    /// Those that follow a first one that failed, until one is answered or may not be followed by another.
    pub(super) async fn further(&mut self, request: &mut Request, mut failed: Status) -> Answer {
        let call = self.call;
        let policy = call.steps.retry.unwrap_or(RetryPolicy::NONE);
        // Twice to every node of a small set; beyond that a move is a retry.
        let max_moves =
            MAX_RESENDS.min((call.core.node_count() * 2).try_into().unwrap_or(u32::MAX));
        let mut facts = Facts {
            attempts: 1,
            resends: 0,
            is_idempotent: call.method.about.is_idempotent(),
            is_retried_upstream: request.retried_upstream,
            left: call.left_at(Instant::now()),
        };
        loop {
            let now = Now::read();
            facts.left = call.left_at(now.instant);
            let outcome = call.method.about.outcome_of_status(&failed);
            let next = policy.next(&failed, outcome, &facts, fastrand::f64());
            if matches!(next, Retry::Go { is_free: false, .. }) && call.is_dark(RuleKey::Retry) {
                let _ = call.refused(RuleKey::Retry, failed.clone());
                return Err(failed);
            }
            let count = |further| call.method.further.add(further, now.moment);
            match next.paid_from(&call.steps.budget, now.moment) {
                Retry::Go { after, is_free } => {
                    if is_free {
                        facts.resends += 1;
                        if facts.resends + 1 >= max_moves {
                            facts.resends = MAX_RESENDS;
                        }
                    } else {
                        count(Further::Retried);
                        facts.attempts += 1;
                        request.attempt = self.send_another();
                    }
                    if !after.is_zero() {
                        sleep(after).await;
                    }
                }
                Retry::Stop(why) => {
                    if why == Stop::OutOfBudget {
                        count(Further::Unpaid);
                    }
                    if why.silences_callers() {
                        Context::current().silence_retries();
                    }
                    return Err(failed);
                }
            }
            let node = self.next_node()?;
            match self.attempt(node, request, Now::read()).await {
                Err(status) => failed = status,
                answered => return answered,
            }
        }
    }

    /// A node that has not been tried; once all have been, one that has.
    fn next_node(&mut self) -> Result<&'a Arc<Node>, Status> {
        let core = self.call.core;
        let More { tried, .. } = self.more();
        if tried.len() == core.node_count() {
            tried.clear();
        }
        let (index, node) = core.pick(tried).ok_or_else(nowhere)?;
        tried.push(index);
        Ok(node)
    }

    /// The number of a further attempt that is paid for.
    fn send_another(&mut self) -> u32 {
        let More { sent, .. } = self.more();
        *sent += 1;
        *sent
    }

    fn more(&mut self) -> &mut More {
        let (first, _) = self.first;
        self.more.get_or_insert_with(|| Box::new(More { tried: vec![first], sent: 0 }))
    }

    /// One attempt, which others join once it takes longer than most, if it is hedged.
    fn attempt<'s>(
        &'s mut self,
        node: &'a Arc<Node>,
        request: &'s mut Request,
        began: Now,
    ) -> impl Future<Output = Answer> + Send + use<'s, 'a> {
        let call = self.call;
        call.give_time(request, began.instant);
        let after = call.hedge_after(began.moment);
        request.nudge = after.and_then(|after| began.instant.checked_add(after));
        let request: &Request = request;
        Hedged {
            first: Some(attempt(call.core, node, request, began.instant, call.facts)),
            watch: Watch { call, began: began.moment, ended: false },
            is_sent: false,
            others: None,
            after: after.unwrap_or_default(),
            attempts: self,
            request,
        }
    }

    /// Whether one more attempt may join: if it is paid for.
    fn may_hedge(&self) -> bool {
        let call = self.call;
        if call.is_dark(RuleKey::Hedge) {
            let slow = format!("{} is slow: another attempt would join", call.method.about.path);
            let _ = call.refused(RuleKey::Hedge, Status::local(Code::Unavailable, slow));
            return false;
        }
        let now = Moment::now();
        let is_paid = call.steps.budget.withdraw(now);
        let further = if is_paid { Further::Hedged } else { Further::Unpaid };
        call.method.further.add(further, now);
        is_paid
    }

    /// One more attempt, on another node if there is one.
    fn another<'f>(&mut self, request: &Request) -> Result<BoxFuture<'f, Answer>, Status>
    where
        'a: 'f,
    {
        let node = self.next_node()?;
        let call = self.call;
        let began = Now::read();
        let mut request = Box::new(request.clone());
        request.attempt = self.send_another();
        call.give_time(&mut request, began.instant);
        request.nudge = None;
        Ok(Box::pin(async move { watched(call, node, &request, began).await }))
    }

    /// Whether this is the failure of one attempt that leaves hope in the others.
    fn is_worth_waiting(&self, answer: &Answer) -> bool {
        let about = &self.call.method.about;
        answer.as_ref().is_err_and(|failed| about.outcome_of_status(failed).is_retryable(failed))
    }
}

pin_project! {
    /// An attempt and those that join it: the first good answer of them. Whoever is slower is dropped, and so
    /// cancelled on the wire.
    ///
    /// Written out, because an answer passes by here with every call: in an `async fn` it would be moved
    /// twice, which takes longer than to look at it.
    struct Hedged<'s, 'a, F> {
        // Until it has failed.
        #[pin]
        first: Option<F>,
        watch: Watch<'a>,
        is_sent: bool,
        others: Option<Box<Others<'a>>>,
        // How long it goes on alone.
        after: Duration,
        attempts: &'s mut Attempts<'a>,
        request: &'s Request,
    }
}

impl<F: Future<Output = Answer>> Future for Hedged<'_, '_, F> {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Answer> {
        let mut this = self.project();
        if let Some(first) = this.first.as_mut().as_pin_mut() {
            let polled = first.poll(cx);
            if let Poll::Ready(answer) = &polled {
                this.watch.end_with(answer);
                let is_last = this.others.as_ref().is_none_or(|others| others.running.is_empty());
                if is_last || !this.attempts.is_worth_waiting(answer) {
                    return polled;
                }
                this.first.set(None);
            } else if this.others.is_none() {
                // Polled again, and there is no answer: this may be the nudge.
                let is_late = |nudge| nudge <= Instant::now();
                if !mem::replace(this.is_sent, true) || !this.request.nudge.is_some_and(is_late) {
                    return Poll::Pending;
                }
            }
        }
        let others = this.others.get_or_insert_with(|| Others::after(*this.after, this.attempts));
        others.poll(this.attempts, this.request, this.first.is_some(), cx)
    }
}

/// The attempts that join a slow one.
struct Others<'a> {
    running: FuturesUnordered<BoxFuture<'a, Answer>>,
    /// How many more may.
    left: u32,
    /// When the next one does; the first of them at once.
    next: Option<Pin<Box<Sleep>>>,
    after: Duration,
}

impl<'a> Others<'a> {
    fn after(after: Duration, attempts: &Attempts<'a>) -> Box<Self> {
        let left = attempts.call.steps.hedge.as_ref().map_or(0, |step| step.rule.max);
        Box::new(Self { running: FuturesUnordered::new(), left, next: None, after })
    }

    fn poll(
        &mut self,
        attempts: &mut Attempts<'a>,
        request: &Request,
        first_goes_on: bool,
        cx: &mut task::Context<'_>,
    ) -> Poll<Answer> {
        loop {
            match self.running.poll_next_unpin(cx) {
                Poll::Ready(Some(answer)) => {
                    let is_last = !first_goes_on && self.running.is_empty();
                    if is_last || !attempts.is_worth_waiting(&answer) {
                        return Poll::Ready(answer);
                    }
                }
                Poll::Ready(None) | Poll::Pending if self.left == 0 => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => {
                    if let Some(next) = &mut self.next {
                        ready!(next.as_mut().poll(cx));
                    }
                    self.next = Some(Box::pin(sleep(self.after)));
                }
            }
            if self.left > 0 && !attempts.may_hedge() {
                self.left = 0;
            }
            if self.left > 0 {
                self.left -= 1;
                self.running.push(attempts.another(request)?);
            }
        }
    }
}

/// One attempt at one node, whose time is told to those who learn from it, whatever becomes of it.
async fn watched(call: &Governed<'_>, node: &Arc<Node>, request: &Request, began: Now) -> Answer {
    let mut watch = Watch { call, began: began.moment, ended: false };
    let answer = attempt(call.core, node, request, began.instant, call.facts).await;
    watch.end_with(&answer);
    answer
}

/// An attempt under way; dropped, it was slower than another, or its caller went away: it took at
/// least so long.
struct Watch<'a> {
    call: &'a Governed<'a>,
    began: Moment,
    ended: bool,
}

impl Watch<'_> {
    #[inline(always)]
    fn end_with(&mut self, answer: &Answer) {
        let arrived = answer.as_ref().ok().and_then(|response| response.arrived);
        if let Err(failed) = answer {
            self.call.method.attempt_failed(failed);
        }
        self.end(self.call.method.about.outcome(answer), arrived);
    }

    #[inline(always)]
    fn end(&mut self, outcome: Outcome, arrived: Option<Moment>) {
        self.ended = true;
        let hedge = self.call.steps.hedge.as_ref();
        let dark = self.call.steps.per_try.filter(|_| self.call.is_dark(RuleKey::PerTry));
        if hedge.is_none() && self.call.place.is_none() && dark.is_none() {
            return;
        }
        let now = arrived.unwrap_or_else(Moment::now);
        let took = now.since(self.began);
        if let Some(step) = hedge {
            step.hedge.record(outcome.sample(), took, now);
        }
        if dark.is_some_and(|limit| took > limit) {
            let late = format!("an attempt took {}", Rough::at_least(took));
            let _ = self.call.refused(RuleKey::PerTry, Status::local(Code::DeadlineExceeded, late));
        }
        if let Some(place) = &self.call.place {
            place.learn(outcome, self.call.had_own_time(outcome), took, now);
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Outcome::HedgeLoser, None);
        }
    }
}
