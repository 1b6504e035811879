//! What people do in an outage: rules for a while, the level of the process, breakers held by hand. All of
//! it expires.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::breakers::Forced;
use super::governance::{Governance, lock};
use super::slips;
use crate::governance::Moment;
use crate::governance::breaker::Mode;
use crate::governance::rules::{Mistakes, Override, Overrides, RuleKey, Side, Target};

/// A switch that a person throws: see [`Governance::switch`].
#[derive(Clone, Copy, Debug)]
pub struct Switch<'a> {
    /// For callers, or for the called.
    pub side: Side,
    /// `defaults`, `caps`, `shop.Inventory`, `shop.Inventory/*`, `shop.Inventory/price`.
    pub target: &'a str,
    /// `timeout`, `limit`, ..
    pub key: &'a str,
    /// As a file would say it; a single word needs no quotes.
    pub value: &'a str,
    /// Who throws it; empty if nobody knows.
    pub by: &'a str,
    /// For how long.
    pub lasts: Duration,
}

/// The switches that are thrown.
#[derive(Default)]
pub(super) struct Switches {
    pub(super) overrides: Overrides,
    /// Breakers that somebody holds, by their methods' paths: no more than there are methods.
    pub(super) forced: HashMap<String, Arc<Forced>>,
    /// The task of each switch that will take it back.
    expiries: HashMap<Thrown, AbortHandle>,
}

/// Which switch: the level of the process, or a key of an entry.
#[derive(PartialEq, Eq, Hash)]
enum Thrown {
    Level,
    Key(Side, Target, RuleKey),
    /// The breakers of the method of this path.
    Breaker(String),
}

impl Governance {
    /// Throws a switch: the strongest source of rules, until it expires.
    ///
    /// # Errors
    /// What is wrong with it, which may be that this process calls or serves a service, and that has no such
    /// method; or that each method of it has an attribute that says otherwise, and the more specific wins. Then
    /// nothing has changed.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn switch(&self, switch: Switch<'_>) -> Result<(), Mistakes> {
        let Switch { side, target, key, value, by, lasts } = switch;
        let (about, _) = Overrides::named(side, target, key)?;
        slips::refuse(self, side, &about)?;
        let expires = Moment::now().plus(lasts);
        let facts = self.facts_of(target);
        let switch = Override { side, target, key, value, by, expires };
        let mut trial = lock(&self.0.said).switches.overrides.clone();
        let (about, key) = trial.set(switch, Some(&|_| facts))?;
        slips::refuse_overruled(self, side, &about, key, &trial)?;
        let mut said = lock(&self.0.said);
        let switches = &mut said.switches;
        let (target, key) = switches.overrides.set(switch, Some(&|_| facts))?;
        self.expires(switches, Thrown::Key(side, target, key), lasts);
        drop(said);
        self.renew();
        Ok(())
    }

    /// Sets the level of the process, from which `optional` methods are answered by their fallback.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn set_level(&self, level: u8, by: &str, lasts: Duration) {
        let mut said = lock(&self.0.said);
        let switches = &mut said.switches;
        switches.overrides.set_level(level, by, Moment::now().plus(lasts));
        self.expires(switches, Thrown::Level, lasts);
        drop(said);
        self.renew();
    }

    /// Takes a switch back, in the words in which it was thrown; whether it was thrown, and had not expired
    /// yet.
    ///
    /// # Errors
    /// There can be no such switch: the key does not exist, or no such method of a service that this process
    /// calls or serves.
    pub fn clear_switch(&self, side: Side, target: &str, key: &str) -> Result<bool, Mistakes> {
        let (target, key) = Overrides::named(side, target, key)?;
        let mut said = lock(&self.0.said);
        let switches = &mut said.switches;
        let cleared = switches.overrides.clear(side, &target, key);
        switches.forget_expiry(&Thrown::Key(side, target.clone(), key));
        drop(said);
        if !cleared {
            slips::refuse(self, side, &target)?;
        }
        self.renew();
        Ok(cleared)
    }

    /// Leaves the level to other sources; whether it was set here.
    pub fn clear_level(&self) -> bool {
        let mut said = lock(&self.0.said);
        let switches = &mut said.switches;
        let cleared = switches.overrides.clear_level();
        switches.forget_expiry(&Thrown::Level);
        drop(said);
        self.renew();
        cleared
    }

    /// Holds the breakers of a method (`"shop.Inventory/price"`) open or closed, or lets them count only:
    /// by whom, and for how long. [`Mode::Automatic`] lets go of them. Those that a `key` makes later are
    /// held as well.
    ///
    /// # Errors
    /// Nobody in this process calls that method, or it has no breaker.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn force_breaker(
        &self,
        path: &str,
        mode: Mode,
        by: &str,
        lasts: Duration,
    ) -> Result<(), Mistakes> {
        let (target, _) = Overrides::named(Side::Client, path, RuleKey::Breaker.name())?;
        if mode == Mode::Automatic && self.let_go(path) {
            return Ok(());
        }
        if !matches!(target, Target::Method(_)) {
            return Err(slips::not_a_method(&target, &self.paths(Side::Client)));
        }
        let clients = self.clients_of(path);
        if clients.is_empty() {
            return Err(slips::of_switch(Side::Client, &target, &self.paths(Side::Client)));
        }
        if !clients.iter().any(|method| method.steps().breaker.is_some()) {
            return Err(slips::without_breaker(&target));
        }
        if mode == Mode::Automatic {
            return Ok(()); // nobody held them
        }
        let by = Overrides::source(by);
        let forced = Forced { mode, by, expires: Moment::now().plus(lasts) };
        let mut said = lock(&self.0.said);
        let switches = &mut said.switches;
        switches.forced.insert(path.to_owned(), Arc::new(forced));
        self.expires(switches, Thrown::Breaker(path.to_owned()), lasts);
        drop(said);
        self.renew();
        Ok(())
    }

    /// Breakers work by themselves again, also where there are none at present; whether they were held.
    fn let_go(&self, path: &str) -> bool {
        let mut said = lock(&self.0.said);
        let switches = &mut said.switches;
        let were_held = switches.forced.remove(path).is_some();
        switches.forget_expiry(&Thrown::Breaker(path.to_owned()));
        drop(said);
        self.renew();
        were_held
    }

    /// Takes a switch back when its time is over. What waited for the end of an earlier throw need not
    /// any more: there is one task for each switch, however often it is thrown.
    fn expires(&self, switches: &mut Switches, switch: Thrown, lasts: Duration) {
        let (inner, mut alive) = (Arc::downgrade(&self.0), self.0.alive.subscribe());
        let expiry = tokio::spawn(async move {
            tokio::select! {
                () = sleep(lasts) => {}
                _ = alive.changed() => {}
            }
            if let Some(inner) = inner.upgrade() {
                Self(inner).expire();
            }
        });
        switches.expiries.retain(|_, task| !task.is_finished());
        if let Some(earlier) = switches.expiries.insert(switch, expiry.abort_handle()) {
            earlier.abort();
        }
    }

    fn expire(&self) {
        let now = Moment::now();
        let mut said = lock(&self.0.said);
        let switches = &mut said.switches;
        let were_forced = switches.forced.len();
        switches.forced.retain(|_, forced| forced.expires > now);
        let expired = switches.overrides.expire(now) || switches.forced.len() < were_forced;
        drop(said);
        if expired {
            self.renew();
        }
    }
}

impl Switches {
    /// Nobody has to take this switch back any more.
    fn forget_expiry(&mut self, switch: &Thrown) {
        self.expiries.remove(switch).iter().for_each(AbortHandle::abort);
    }
}
