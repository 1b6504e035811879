//! The steps that clients and servers share: a machine, or one for each key, and the guard that
//! whoever passed it holds.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::context::Context;
use crate::governance::Moment;
use crate::governance::limit::{Keyed, RateLimiter, Ticket};
use crate::governance::rules::{Key, LimitRule};
use crate::status::Status;
use rpc_codec::Metadata;

/// What rules ask about a call.
pub(crate) struct Asking<'a> {
    pub(crate) now: Moment,
    pub(crate) metadata: &'a Metadata,
    /// Knows who calls, as far as that is known.
    pub(crate) context: &'a Context,
}

impl Asking<'_> {
    /// What tells this call from others; without such metadata it is one of those that have none.
    fn value(&self, key: &Key) -> &str {
        match key {
            Key::Caller => self.context.caller(),
            Key::Metadata(name) => self.metadata.get(name).unwrap_or_default(),
        }
    }

    /// The same, for people: `caller "anna"`.
    fn whose(&self, key: &Key) -> Box<str> {
        const MAX_LETTERS: usize = 64;
        let name = match key {
            Key::Caller => "caller",
            Key::Metadata(name) => name,
        };
        let value = self.value(key);
        match (value.is_empty(), value.char_indices().nth(MAX_LETTERS)) {
            (true, _) => format!("calls without {name}"),
            (false, None) => format!("{name} {value:?}"),
            (false, Some((end, _))) => format!("{name} {:?}..", &value[..end]),
        }
        .into()
    }
}

/// One machine for all calls, or one for each value of a key.
#[derive(Debug)]
pub(crate) enum ByKey<M> {
    One(Arc<M>),
    Each(Key, Keyed<M>),
}

impl<M> ByKey<M> {
    fn new(key: Option<&Key>, make: impl FnOnce() -> M) -> Self {
        match key {
            None => Self::One(Arc::new(make())),
            Some(key) => Self::Each(key.clone(), Keyed::default()),
        }
    }

    /// By this key. The machines of `before` go on, each after `change`, if it told calls apart by
    /// the same.
    pub(crate) fn renewed(
        key: Option<&Key>,
        before: Option<&Arc<Self>>,
        mut change: impl FnMut(&M),
        make: impl FnOnce() -> M,
    ) -> Arc<Self> {
        match before.filter(|before| before.is_by(key)) {
            Some(before) => {
                before.for_each(|_, machine| change(machine));
                before.clone()
            }
            None => Arc::new(Self::new(key, make)),
        }
    }

    /// Whether it tells calls apart by `key`.
    fn is_by(&self, key: Option<&Key>) -> bool {
        match self {
            Self::One(_) => key.is_none(),
            Self::Each(own, _) => key == Some(own),
        }
    }

    /// The machine of this call.
    #[inline(always)] // so that whoever has no key pays for none
    pub(crate) fn of(&self, asking: &Asking<'_>, make: impl FnOnce() -> M) -> Held<'_, M> {
        match self {
            Self::One(machine) => Held::One(machine),
            Self::Each(key, machines) => Held::OfKey(of_key(machines, asking.value(key), make)),
        }
    }

    /// The same, to be kept for longer than this is borrowed.
    fn own(&self, asking: &Asking<'_>, make: impl FnOnce() -> M) -> Held<'static, M> {
        Held::OfKey(match self {
            Self::One(machine) => machine.clone(),
            Self::Each(key, machines) => machines.get_or_insert_with(asking.value(key), make),
        })
    }

    /// Whose machine that is, if each has one.
    pub(crate) fn whose(&self, asking: &Asking<'_>) -> Option<Box<str>> {
        match self {
            Self::One(_) => None,
            Self::Each(key, _) => Some(asking.whose(key)),
        }
    }

    /// Each machine there is.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(Option<&str>, &M)) {
        match self {
            Self::One(machine) => visit(None, machine),
            Self::Each(_, machines) => machines.for_each(|key, machine| visit(Some(key), machine)),
        }
    }
}

#[inline(never)]
fn of_key<M>(machines: &Keyed<M>, key: &str, make: impl FnOnce() -> M) -> Arc<M> {
    machines.get_or_insert_with(key, make)
}

/// A machine, for as long as a call needs it; one of a key may be forgotten meanwhile.
#[derive(Debug)]
pub(crate) enum Held<'a, M> {
    One(&'a M),
    OfKey(Arc<M>),
}

impl<M> Deref for Held<'_, M> {
    type Target = M;

    fn deref(&self) -> &M {
        match self {
            Self::One(machine) => machine,
            Self::OfKey(machine) => machine,
        }
    }
}

/// The rate limit.
#[derive(Debug)]
pub(crate) struct RateStep {
    rule: LimitRule,
    limiters: Arc<ByKey<RateLimiter>>,
}

impl RateStep {
    /// By this rule; what `before` has counted goes on to count.
    pub(crate) fn new(rule: &LimitRule, before: Option<&Self>, now: Moment) -> Self {
        let limiters = ByKey::renewed(
            rule.key.as_ref(),
            before.map(|before| &before.limiters),
            |limiter| limiter.reconfigure(rule, now),
            || RateLimiter::new(rule, now),
        );
        Self { rule: rule.clone(), limiters }
    }

    /// Takes a call's turn for good, if it is its turn now; says whether it is.
    #[inline(always)]
    pub(crate) fn take_turn(&self, asking: &Asking<'_>) -> bool {
        let limiter = self.limiters.of(asking, || RateLimiter::new(&self.rule, asking.now));
        limiter.allow(1, asking.now)
    }

    /// A call's turn, which may have to be waited for, but no longer than `left`.
    pub(crate) fn turn(
        &self,
        asking: &Asking<'_>,
        left: impl FnOnce() -> Duration,
    ) -> Result<Turn<'_>, Status> {
        let limiter = self.limiters.of(asking, || RateLimiter::new(&self.rule, asking.now));
        self.reserve(limiter, asking, left)
    }

    /// The same, to be kept for longer than this is borrowed.
    pub(crate) fn own_turn(
        &self,
        asking: &Asking<'_>,
        left: impl FnOnce() -> Duration,
    ) -> Result<Turn<'static>, Status> {
        let limiter = self.limiters.own(asking, || RateLimiter::new(&self.rule, asking.now));
        self.reserve(limiter, asking, left)
    }

    /// Whether each caller, or whoever else it tells apart, has a limit of its own.
    pub(crate) fn is_by_key(&self) -> bool {
        self.rule.key.is_some()
    }

    /// How many have a limit of their own, in words; nothing where there is one for all.
    pub(crate) fn keys(&self) -> Option<String> {
        match &*self.limiters {
            ByKey::One(_) => None,
            ByKey::Each(key, limiters) => Some(match (key, limiters.len()) {
                (Key::Caller, 1) => "1 caller".to_owned(),
                (Key::Caller, count) => format!("{count} callers"),
                (Key::Metadata(name), 1) => format!("1 value of {name}"),
                (Key::Metadata(name), count) => format!("{count} values of {name}"),
            }),
        }
    }

    fn reserve<'a>(
        &self,
        limiter: Held<'a, RateLimiter>,
        asking: &Asking<'_>,
        left: impl FnOnce() -> Duration,
    ) -> Result<Turn<'a>, Status> {
        let wait =
            if self.rule.wait.is_zero() { Duration::ZERO } else { self.rule.wait.min(left()) };
        match limiter.reserve(1, wait, asking.now) {
            Ok(ticket) => Ok(Turn { limiter, ticket: Some(ticket) }),
            Err(limited) => Err(match self.limiters.whose(asking) {
                None => limited.into(),
                Some(whose) => limited.of(whose).into(),
            }),
        }
    }
}

/// A turn at a rate limit. Dropped before it is taken it is given back.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    limiter: Held<'a, RateLimiter>,
    ticket: Option<Ticket>,
}

impl Turn<'_> {
    /// How long to wait for it.
    pub(crate) fn wait(&self) -> Duration {
        self.ticket.as_ref().map_or(Duration::ZERO, Ticket::wait)
    }

    /// The call is made.
    #[inline]
    pub(crate) fn take(&mut self) {
        self.ticket = None;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.limiter.cancel(ticket, Moment::now());
        }
    }
}
