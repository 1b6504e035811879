//! One method as this process calls it at one target: the rules in force for it, and the machines
//! behind them. Shared by everyone who calls it there, so that a limit is this process's.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use rpc_codec::Priority;

use super::breakers::{BreakerStep, Forced};
use super::concurrency::ConcurrencyStep;
use super::further::FurtherCounts;
use super::last_good::LastGoodStep;
use super::refusals::Refusals;
use super::steps::RateStep;
use crate::governance::Moment;
use crate::governance::fallback::{Degrade, Degraded};
use crate::governance::hedge::Hedge;
use crate::governance::outcome::{Classify, Degradation, Outcome};
use crate::governance::retry::{Budget, RetryPolicy};
use crate::governance::rules::{
    ConcurrencyRule, FallbackRule, HedgeRule, Keys, MethodFacts, Origin, Resolved, RuleKey,
    RuleSet, Rules, Setting, lesser,
};
use crate::method::Method;
use crate::request::Response;
use crate::status::{self, Status};

/// What is known of a method whatever the rules.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) path: Cow<'static, str>,
    /// Nothing as long as it is only called by its path. Those who do share it with the stub that
    /// comes later, and then know what that knows.
    pub(crate) known: OnceLock<Known>,
}

/// What `#[service]` knows of a method.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// What rules have to fit.
    pub(super) facts: MethodFacts,
    classify: Option<Classify>,
    /// What its attribute says.
    attribute: Rules,
}

impl About {
    /// A method that `#[service]` knows.
    pub(crate) fn method(method: &Method) -> Self {
        let known = Known {
            facts: facts_of(method),
            classify: method.classify(),
            attribute: method.rules().clone(),
        };
        Self { path: method.path().into(), known: known.into() }
    }

    /// A path that somebody calls without a stub.
    pub(crate) fn path(path: Cow<'static, str>) -> Self {
        Self { path, known: OnceLock::new() }
    }

    pub(crate) fn is_idempotent(&self) -> bool {
        self.known.get().is_some_and(|known| known.facts.idempotent)
    }

    /// What its attribute says.
    pub(crate) fn attribute(&self) -> &Rules {
        self.known.get().map_or(&Rules::NONE, |known| &known.attribute)
    }

    /// What this end of a call is.
    pub(crate) fn outcome(&self, result: &Result<Response, Status>) -> Outcome {
        match result {
            Ok(_) => Outcome::of(result),
            Err(status) => self.outcome_of_status(status),
        }
    }

    /// What this status is.
    pub(crate) fn outcome_of_status(&self, status: &Status) -> Outcome {
        let classify = self.known.get().and_then(|known| known.classify);
        Outcome::classified(status, classify)
    }
}

/// What rules have to fit.
pub(super) fn facts_of(method: &Method) -> MethodFacts {
    MethodFacts {
        idempotent: method.is_idempotent(),
        oneway: method.is_oneway(),
        returns_default: method.rules().fallback == Some(Setting::On(FallbackRule::Default)),
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct ClientMethod {
    pub(crate) about: About,
    /// The address list that was connected to.
    pub(crate) target: Arc<str>,
    /// What the channel's builder says, which is as weak as an attribute.
    pub(crate) base: Arc<RuleSet>,
    /// Whether there are rules beside those that cost nothing. Without them nobody looks further.
    governed: AtomicBool,
    keeps_answers: AtomicBool,
    /// The longest time of a call, in nanoseconds, and what bounds also what callers ask for;
    /// `u64::MAX` where nothing is said.
    timeout: AtomicU64,
    max_timeout: AtomicU64,
    /// What holds where nothing is said, as the last channel that came has it.
    default_timeout: AtomicU64,
    steps: RwLock<Arc<ClientSteps>>,
    pub(crate) refusals: Refusals,
    /// What servers refused: each attempt is one.
    pub(crate) of_servers: Refusals,
    pub(crate) further: FurtherCounts,
    degraded: [AtomicU64; Degradation::COUNT],
    /// When a fallback was last asked, and why.
    last_degraded: Mutex<Option<(Moment, Status)>>,
}

/// The rules in force for a method, each as what enforces it: one snapshot serves a whole call.
#[derive(Debug, Default)]
pub(crate) struct ClientSteps {
    pub(crate) timeout: Option<Duration>,
    pub(crate) per_try: Option<Duration>,
    pub(crate) priority: Option<Priority>,
    pub(crate) max_priority: Option<Priority>,
    pub(crate) switched_off: Option<SwitchedOff>,
    pub(crate) limit: Option<RateStep>,
    pub(crate) concurrency: Option<ConcurrencyStep>,
    pub(crate) breaker: Option<BreakerStep>,
    pub(crate) retry: Option<RetryPolicy>,
    pub(crate) hedge: Option<HedgeStep>,
    pub(crate) fallback: Option<Setting<FallbackRule>>,
    pub(crate) last_good: Option<LastGoodStep>,
    pub(crate) dark: Keys,
    /// What retries and hedges are paid from, those of other methods of the target too.
    pub(crate) budget: Arc<Budget>,
}

/// Who switches a method off, and until when.
#[derive(Debug)]
pub(crate) struct SwitchedOff {
    degraded: Degraded,
    by: Option<Origin>,
}

impl SwitchedOff {
    fn of(resolved: &Resolved) -> Option<Self> {
        let (level, set_level) = resolved.level.clone().unzip();
        let degraded = Degrade::of(&resolved.rules).check(level.unwrap_or_default()).err()?;
        let says = resolved.decision(RuleKey::Degrade).and_then(|decision| decision.said.as_ref());
        let by = match degraded.level() {
            None => says.map(|said| said.origin.clone()),
            Some(_) => set_level,
        };
        Some(Self { degraded, by })
    }

    /// What a call is told now.
    pub(crate) fn at(&self, now: Moment) -> Degraded {
        let degraded = self.degraded.clone();
        match &self.by {
            None => degraded,
            Some(by) => {
                let left = by.expires.map(|expires| expires.since(now));
                degraded.said_by(by.to_string().into(), left)
            }
        }
    }
}

/// Hedging of a method.
#[derive(Debug)]
pub(crate) struct HedgeStep {
    pub(crate) rule: HedgeRule,
    pub(crate) hedge: Arc<Hedge>,
}

impl HedgeStep {
    /// By this rule; how long attempts take is still known.
    fn new(rule: HedgeRule, before: Option<&Self>, now: Moment) -> Self {
        let hedge = match before {
            Some(before) => {
                before.hedge.reconfigure(rule, now);
                before.hedge.clone()
            }
            None => Arc::new(Hedge::new(rule, now)),
        };
        Self { rule, hedge }
    }
}

impl ClientMethod {
    pub(crate) fn new(
        target: Arc<str>,
        about: About,
        base: Arc<RuleSet>,
        budget: &Arc<Budget>,
    ) -> Self {
        let steps = ClientSteps { budget: budget.clone(), ..ClientSteps::default() };
        Self {
            about,
            target,
            base,
            governed: AtomicBool::new(false),
            keeps_answers: AtomicBool::new(false),
            timeout: AtomicU64::new(u64::MAX),
            max_timeout: AtomicU64::new(u64::MAX),
            default_timeout: AtomicU64::new(u64::MAX),
            steps: RwLock::new(Arc::new(steps)),
            refusals: Refusals::default(),
            of_servers: Refusals::default(),
            further: FurtherCounts::default(),
            degraded: Default::default(),
            last_degraded: Mutex::default(),
        }
    }

    /// What enforces its rules; `None` without any that have to be asked.
    pub(crate) fn governed(&self) -> Option<Arc<ClientSteps>> {
        self.governed.load(Ordering::Acquire).then(|| self.steps())
    }

    /// What enforces its rules.
    pub(crate) fn steps(&self) -> Arc<ClientSteps> {
        self.steps.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What enforces its rules, if it keeps answers.
    pub(crate) fn keeps_answers(&self) -> Option<Arc<ClientSteps>> {
        self.keeps_answers.load(Ordering::Acquire).then(|| self.steps())
    }

    /// How long a call may take: what its caller asks for, else what the rules say, else `default`;
    /// never longer than the caps say.
    pub(crate) fn timeout(&self, asked: Option<Duration>, default: Duration) -> Duration {
        let said = |nanos: &AtomicU64| match nanos.load(Ordering::Relaxed) {
            u64::MAX => None,
            nanos => Some(Duration::from_nanos(nanos)),
        };
        let own = asked.or_else(|| said(&self.timeout)).unwrap_or(default);
        said(&self.max_timeout).map_or(own, |max| own.min(max))
    }

    /// How long a call may take whose caller does not say.
    pub(super) fn usual_timeout(&self) -> Duration {
        let default = Duration::from_nanos(self.default_timeout.load(Ordering::Relaxed));
        self.timeout(None, default)
    }

    /// Somebody calls it who gives it this long where nothing is said.
    pub(crate) fn set_default_timeout(&self, default: Duration) {
        self.default_timeout.store(crate::governance::nanos(default), Ordering::Relaxed);
    }

    /// The method's own time: a call that had less of it and missed its deadline says nothing of
    /// whom it called.
    pub(crate) fn own_timeout(&self, default: Duration) -> Duration {
        self.timeout(None, default)
    }

    /// Puts other rules in force, and breakers under somebody's hand or out of it. Machines whose rule goes
    /// on keep what they know.
    pub(crate) fn renew(
        &self,
        resolve: impl FnOnce() -> (Resolved, Option<Arc<Forced>>),
        now: Moment,
    ) {
        // Resolved under the lock, so that of two changes the later one stays.
        let mut slot = self.steps.write().unwrap_or_else(PoisonError::into_inner);
        let (resolved, forced) = &resolve();
        let rules = &resolved.rules;
        let before = slot.clone();
        let steps = ClientSteps::new(resolved, forced, &before, self.about.is_idempotent(), now);
        let nanos = |said: &Option<Setting<Duration>>| match said {
            Some(Setting::On(duration)) => crate::governance::nanos(*duration),
            _ => u64::MAX,
        };
        let is_dark = resolved.is_dark(RuleKey::Timeout);
        self.timeout
            .store(if is_dark { u64::MAX } else { nanos(&rules.timeout) }, Ordering::Relaxed);
        self.max_timeout.store(nanos(&resolved.caps.timeout), Ordering::Relaxed);
        self.governed.store(steps.is_any(), Ordering::Release);
        self.keeps_answers.store(steps.last_good.is_some(), Ordering::Release);
        *slot = Arc::new(steps);
    }

    /// A rule has refused a call, or would have. The call goes on if the rule is dark.
    ///
    /// # Errors
    /// The refusal, if it is in earnest.
    pub(crate) fn refused(
        &self,
        steps: &ClientSteps,
        by: RuleKey,
        why: impl Into<Status>,
        now: Moment,
    ) -> Result<(), Status> {
        self.refusals.refuse(by, steps.dark.contains(by), why.into(), now)
    }

    /// An attempt has failed. Whatever a server refused is kept, for people.
    #[cold]
    pub(crate) fn attempt_failed(&self, failed: &Status) {
        if failed.origin() == status::Origin::Server && failed.is_refusal() {
            self.of_servers.hear(failed, Moment::now());
        }
    }

    /// A fallback was asked.
    pub(crate) fn count_degraded(&self, degradation: Degradation, why: &Status) {
        self.degraded[degradation as usize].fetch_add(1, Ordering::Relaxed);
        let mut last = self.last_degraded.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Moment::now(), why.clone()));
    }

    /// When a fallback was last asked, and why.
    pub(super) fn last_degraded(&self) -> Option<(Moment, Status)> {
        self.last_degraded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often a fallback was asked, and that was what came of it.
    pub(crate) fn degraded(&self, degradation: Degradation) -> u64 {
        self.degraded[degradation as usize].load(Ordering::Relaxed)
    }
}

impl ClientSteps {
    /// How much a call matters at most.
    pub(crate) fn bounded(&self, priority: Priority) -> Priority {
        self.max_priority.map_or(priority, |max| lesser(priority, max))
    }

    fn new(
        resolved: &Resolved,
        forced: &Option<Arc<Forced>>,
        before: &Self,
        is_idempotent: bool,
        now: Moment,
    ) -> Self {
        let Rules { limit, concurrency, breaker, retry, hedge, fallback, .. } = &resolved.rules;
        let cap = max_concurrency(&resolved.caps);
        let last_good = match fallback {
            Some(Setting::On(FallbackRule::LastGood { ttl, max, vary })) => {
                Some(LastGoodStep::new(*ttl, *max, vary.clone(), before.last_good.as_ref()))
            }
            _ => None,
        };
        Self {
            timeout: on(&resolved.rules.timeout).copied(),
            per_try: on(&resolved.rules.per_try).copied(),
            priority: on(&resolved.rules.priority).copied(),
            max_priority: on(&resolved.caps.priority).copied(),
            switched_off: SwitchedOff::of(resolved),
            limit: on(limit).map(|rule| RateStep::new(rule, before.limit.as_ref(), now)),
            concurrency: on(concurrency)
                .map(|rule| ConcurrencyStep::client(*rule, cap, before.concurrency.as_ref(), now)),
            breaker: on(breaker)
                .map(|rule| BreakerStep::new(rule, forced.clone(), before.breaker.as_ref(), now)),
            retry: on(retry).map(|rule| RetryPolicy::new(*rule)),
            // A file may ask for it, for a method that must not run twice.
            hedge: on(hedge)
                .filter(|_| is_idempotent)
                .map(|rule| HedgeStep::new(*rule, before.hedge.as_ref(), now)),
            fallback: fallback.clone(),
            last_good,
            dark: on(&resolved.rules.dark).copied().unwrap_or_default(),
            budget: before.budget.clone(),
        }
    }

    /// Whether there is anything that a call has to ask.
    fn is_any(&self) -> bool {
        self.per_try.is_some()
            || self.priority.is_some()
            || self.max_priority.is_some()
            || self.switched_off.is_some()
            || self.limit.is_some()
            || self.concurrency.is_some()
            || self.breaker.is_some()
            || self.retry.is_some()
            || self.hedge.is_some()
            || self.last_good.is_some()
            || self.dark.contains(RuleKey::Timeout) && self.timeout.is_some()
    }
}

/// How many calls at a time the caps let a limit have that finds its size.
pub(super) fn max_concurrency(caps: &Rules) -> Option<u32> {
    match on(&caps.concurrency) {
        Some(ConcurrencyRule::Fixed { max, .. }) => Some(*max),
        _ => None,
    }
}

fn on<T>(setting: &Option<Setting<T>>) -> Option<&T> {
    setting.as_ref().and_then(Setting::on)
}
