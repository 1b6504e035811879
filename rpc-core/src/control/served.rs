//! The methods that are served in this process, and where.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::governance::Governance;
use super::server::ServerMethod;

/// Every server's methods, for as long as it serves them.
#[derive(Debug, Default)]
pub(super) struct Served(Mutex<Vec<(Arc<str>, Weak<ServerMethod>)>>);

/// The methods of one server in that list; dropped, they are taken off it. It keeps its governance alive.
pub(crate) struct Listed {
    governance: Governance,
    methods: Vec<Arc<ServerMethod>>,
}

impl Listed {
    pub(super) fn new(governance: Governance, at: &str, methods: Vec<Arc<ServerMethod>>) -> Self {
        let at: Arc<str> = at.into();
        let served = methods.iter().map(|method| (at.clone(), Arc::downgrade(method)));
        governance.served().lock().extend(served);
        Self { governance, methods }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let is_own = |other: &Weak<ServerMethod>| {
            self.methods.iter().any(|own| Weak::ptr_eq(other, &Arc::downgrade(own)))
        };
        self.governance.served().lock().retain(|(_, method)| !is_own(method));
    }
}

impl Served {
    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<ServerMethod>> {
        self.lock().iter().filter_map(|(_, method)| method.upgrade()).collect()
    }

    /// Those of this path, each with its server's address.
    pub(super) fn of(&self, path: &str) -> Vec<(Arc<str>, Arc<ServerMethod>)> {
        let served = self.lock();
        let alive = served.iter().filter_map(|(at, method)| Some((at.clone(), method.upgrade()?)));
        alive.filter(|(_, method)| method.path == path).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Arc<str>, Weak<ServerMethod>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
