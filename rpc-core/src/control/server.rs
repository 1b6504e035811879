//! One method as a server enforces rules for it, before it decodes anything.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rpc_codec::Priority;

use super::client::max_concurrency;
use super::concurrency::ConcurrencyStep;
use super::refusals::Refusals;
use super::steps::RateStep;
use crate::governance::Moment;
use crate::governance::rules::{Keys, Resolved, RuleKey, RuleSet, Setting, lesser};
use crate::status::Status;

/// See the module.
#[derive(Debug)]
pub(crate) struct ServerMethod {
    pub(crate) path: Cow<'static, str>,
    /// What the server's builder says.
    pub(crate) base: Arc<RuleSet>,
    /// Whether there are rules. Without them nobody looks further.
    governed: AtomicBool,
    steps: RwLock<Arc<ServerSteps>>,
    pub(crate) refusals: Refusals,
}

/// The rules in force, each as what enforces it.
#[derive(Debug, Default)]
pub(crate) struct ServerSteps {
    pub(crate) limit: Option<RateStep>,
    pub(crate) concurrency: Option<ConcurrencyStep>,
    /// What a caller may claim at most.
    max_priority: Option<Priority>,
    pub(crate) dark: Keys,
}

impl ServerMethod {
    pub(crate) fn new(path: Cow<'static, str>, base: Arc<RuleSet>) -> Self {
        Self {
            path,
            base,
            governed: AtomicBool::new(false),
            steps: RwLock::default(),
            refusals: Refusals::default(),
        }
    }

    /// What enforces its rules; `None` without any.
    pub(crate) fn governed(&self) -> Option<Arc<ServerSteps>> {
        self.governed.load(Ordering::Acquire).then(|| self.steps())
    }

    /// What a caller's claim of priority is worth.
    pub(crate) fn bounded(&self, claimed: Priority) -> Priority {
        match self.governed() {
            Some(steps) => steps.max_priority.map_or(claimed, |max| lesser(claimed, max)),
            None => claimed,
        }
    }

    pub(crate) fn steps(&self) -> Arc<ServerSteps> {
        self.steps.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other rules in force. Machines whose rule goes on keep what they know.
    pub(crate) fn renew(&self, resolve: impl FnOnce() -> Resolved, now: Moment) {
        // Resolved under the lock, so that of two changes the later one stays.
        let mut slot = self.steps.write().unwrap_or_else(PoisonError::into_inner);
        let resolved = &resolve();
        let (rules, cap) = (&resolved.rules, max_concurrency(&resolved.caps));
        let before = slot.clone();
        let limit = rules.limit.as_ref().and_then(Setting::on);
        let concurrency = rules.concurrency.as_ref().and_then(Setting::on);
        let priority = rules.priority.as_ref().and_then(Setting::on);
        let steps = ServerSteps {
            limit: limit.map(|rule| RateStep::new(rule, before.limit.as_ref(), now)),
            concurrency: concurrency
                .map(|rule| ConcurrencyStep::server(*rule, cap, before.concurrency.as_ref(), now)),
            max_priority: priority.copied(),
            dark: rules.dark.as_ref().and_then(Setting::on).copied().unwrap_or_default(),
        };
        let is_any =
            steps.limit.is_some() || steps.concurrency.is_some() || steps.max_priority.is_some();
        self.governed.store(is_any, Ordering::Release);
        *slot = Arc::new(steps);
    }

    /// A rule has refused a call, or would have; see
    /// [`ClientMethod::refused`](super::ClientMethod::refused).
    pub(crate) fn refused(
        &self,
        steps: &ServerSteps,
        by: RuleKey,
        why: impl Into<Status>,
        now: Moment,
    ) -> Result<(), Status> {
        self.refusals.refuse(by, steps.dark.contains(by), why.into().refused_by_server(), now)
    }
}
