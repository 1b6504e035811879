//! What `#[service]` knows about a method, as a constant.

use std::mem;
use std::time::Duration;

use crate::governance::outcome::Classify;
use crate::governance::rules::{Rules, Setting};

/// A method of a service: its names and what its attribute says.
///
/// One constant per method, made by `#[service]`.
#[derive(Clone, Debug)]
pub struct Method {
    service: &'static str,
    name: &'static str,
    path: &'static str,
    idempotent: bool,
    oneway: bool,
    classify: Option<Classify>,
    rules: Rules,
}

impl Method {
    /// A method without any attribute. `path` is `service/name`.
    pub const fn new(service: &'static str, name: &'static str, path: &'static str) -> Self {
        Self {
            service,
            name,
            path,
            idempotent: false,
            oneway: false,
            classify: None,
            rules: Rules::NONE,
        }
    }

    /// Calling it twice is as good as calling it once: it may be retried, and its handler is
    /// dropped when the caller goes away.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// It is never answered.
    #[must_use]
    pub const fn oneway(mut self) -> Self {
        self.oneway = true;
        self
    }

    /// It sees some failures differently than others do.
    #[must_use]
    pub const fn with_classify(mut self, classify: Classify) -> Self {
        self.classify = Some(classify);
        self
    }

    /// What holds for it where no file, registry or console says otherwise.
    #[must_use]
    #[expect(clippy::mem_forget, reason = "rules that are constants own no memory")]
    pub const fn with_rules(mut self, rules: Rules) -> Self {
        // Nothing can be dropped in a constant.
        mem::forget(mem::replace(&mut self.rules, rules));
        self
    }

    /// The service's name, `shop.Inventory`.
    pub const fn service(&self) -> &'static str {
        self.service
    }

    /// The method's own name, `price`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What travels: `shop.Inventory/price`.
    pub const fn path(&self) -> &'static str {
        self.path
    }

    /// Whether it is marked `idempotent`.
    pub const fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Whether it is marked `oneway`.
    pub const fn is_oneway(&self) -> bool {
        self.oneway
    }

    /// What its attribute says, the weakest of all sources.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The `timeout` of its attribute, if that has one.
    pub const fn default_timeout(&self) -> Option<Duration> {
        match self.rules.timeout {
            Some(Setting::On(timeout)) => Some(timeout),
            _ => None,
        }
    }

    /// Its own view of what a status is, if it has one.
    pub const fn classify(&self) -> Option<Classify> {
        self.classify
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_that_is_off_is_none() {
        const OFF: Rules = Rules { timeout: Some(Setting::Off), ..Rules::NONE };
        const ON: Rules =
            Rules { timeout: Some(Setting::On(Duration::from_secs(1))), ..Rules::NONE };
        let method = Method::new("s", "m", "s/m");
        assert_eq!(method.default_timeout(), None);
        assert_eq!(method.clone().with_rules(OFF).default_timeout(), None);
        assert_eq!(method.with_rules(ON).default_timeout(), Some(Duration::from_secs(1)));
    }
}
