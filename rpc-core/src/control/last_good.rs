//! The step that keeps good answers, to give them again when there are none.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::governance::Moment;
use crate::governance::fallback::{Good, Key, LastGood, LastGoodSettings};
use crate::governance::outcome::Outcome;
use crate::request::{Request, Response};

/// See the module.
#[derive(Debug)]
pub(crate) struct LastGoodStep {
    answers: Arc<LastGood<Response>>,
    /// Metadata that tells answers apart.
    vary: Cow<'static, [Cow<'static, str>]>,
}

impl LastGoodStep {
    /// By this rule; what `before` has kept is kept, unless answers are told apart otherwise now.
    pub(crate) fn new(
        ttl: Duration,
        max: u32,
        vary: Cow<'static, [Cow<'static, str>]>,
        before: Option<&Self>,
    ) -> Self {
        let settings = LastGoodSettings::new(ttl, max);
        let answers = match before.filter(|before| before.vary == vary) {
            Some(before) => {
                before.answers.reconfigure(settings);
                before.answers.clone()
            }
            None => Arc::new(LastGood::new(settings, |response: &Response| response.body.len())),
        };
        Self { answers, vary }
    }

    /// Keeps an answer, if it is a good one.
    pub(crate) fn keep(
        &self,
        request: &Request,
        outcome: Outcome,
        response: &Response,
        now: Moment,
    ) {
        // A copy: the body is a slice of all that was read with it.
        let copy = || Response { body: Bytes::copy_from_slice(&response.body), ..response.clone() };
        if outcome == Outcome::Success
            && let Some(good) = Good::new(outcome, response.degraded, copy())
        {
            self.answers.keep(&self.key(request), good, now);
        }
    }

    /// The last good answer to the same request, marked.
    pub(crate) fn instead(&self, request: &Request, now: Moment) -> Option<Response> {
        let (answer, _age) = self.answers.get(&self.key(request), now)?;
        Some(Response { degraded: true, arrived: None, ..Response::clone(&answer) })
    }

    fn key(&self, request: &Request) -> Key {
        Key::new(&request.method, &request.format, &request.body, &request.metadata, &self.vary)
    }
}
