//! What a server's rules say of a call, before anything of it is decoded.
//!
//! Every refusal says that nothing has run and when to come back. A call that has to wait for its
//! turn or its place waits as a task, with its arguments still in their bytes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::connection::Run;
use crate::control::{Asking, OwnPlace, OwnWaiting, ServerMethod, ServerSteps, Turn};
use crate::governance::Moment;
use crate::governance::outcome::Outcome;
use crate::governance::rules::RuleKey;
use crate::request::Response;
use crate::service::BoxFuture;
use crate::status::Status;

/// A call that its method's rules let in; dropped, it was never there.
pub(super) struct Admission {
    method: Arc<ServerMethod>,
    steps: Arc<ServerSteps>,
    turn: Option<Turn<'static>>,
    place: Option<Result<OwnPlace, OwnWaiting>>,
    deadline: Option<Instant>,
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
    let asking = Asking { now, metadata: context.metadata(), caller: context.caller() };
    let mut turn = None;
    if let Some(step) = &steps.limit {
        let left = run.deadline.map_or(Duration::MAX, |deadline| deadline - run.received);
        match step.own_turn(&asking, left) {
            Ok(taken) => turn = Some(taken),
            Err(limited) => method.refused(&steps, RuleKey::Limit, limited, now)?,
        }
    }
    let mut place = None;
    if let Some(step) = &steps.concurrency {
        match step.enter_owned(context.priority(), now).decided() {
            Ok(Ok(taken)) => place = Some(Ok(taken)),
            Ok(Err(overloaded)) => method.refused(&steps, RuleKey::Concurrency, overloaded, now)?,
            Err(waiting) => place = Some(Err(waiting)),
        }
    }
    Ok(Admission { method: method.clone(), steps, turn, place, deadline: run.deadline })
}

impl Admission {
    /// Runs the handler when it is its turn.
    pub(super) async fn run(
        self,
        handler: BoxFuture<'static, Result<Response, Status>>,
    ) -> Result<Response, Status> {
        let Self { method, steps, turn, place, deadline } = self;
        if let Some(turn) = turn {
            if !turn.wait().is_zero() && !steps.dark.contains(RuleKey::Limit) {
                sleep(turn.wait()).await;
            }
            turn.take();
        }
        let place = match place {
            None => None,
            Some(Ok(place)) => Some(place),
            Some(Err(waiting)) => match waiting.before(deadline).await {
                Ok(place) => Some(place),
                Err(overloaded) => {
                    let now = Moment::at(Instant::now());
                    method.refused(&steps, RuleKey::Concurrency, overloaded, now)?;
                    None
                }
            },
        };
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
}
