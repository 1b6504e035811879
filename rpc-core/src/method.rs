//! What `#[service]` knows about a method, as a constant.

use std::time::Duration;

/// A method of a service: its names and what its attribute says.
///
/// One constant per method, made by `#[service]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    service: &'static str,
    name: &'static str,
    path: &'static str,
    idempotent: bool,
    oneway: bool,
    timeout: Option<Duration>,
}

impl Method {
    /// A method without any attribute. `path` is `service/name`.
    pub const fn new(service: &'static str, name: &'static str, path: &'static str) -> Self {
        Self { service, name, path, idempotent: false, oneway: false, timeout: None }
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

    /// How long a call may take where the caller does not say.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
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

    /// Its `timeout`, if it has one.
    pub const fn default_timeout(&self) -> Option<Duration> {
        self.timeout
    }
}
