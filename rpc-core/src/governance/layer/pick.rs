//! Which machine a request is for: one for all of them, or one each for what a key tells apart.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::governance::limit::Keyed;

/// Finds the machine of a request.
pub trait Pick<R, M> {
    /// The machine of this request.
    fn pick(&self, request: &R) -> Arc<M>;

    /// The machine, if it is one for all.
    fn only(&self) -> Option<&M> {
        None
    }
}

/// One machine for all requests, and for all clones of all services that the layer makes.
#[derive(Debug)]
pub struct One<M>(pub(super) Arc<M>);

/// A machine each for so many keys; see [`Keyed`].
pub struct ByKey<M, F> {
    machines: Arc<Keyed<M>>,
    key: F,
    make: Arc<dyn Fn() -> M + Send + Sync>,
}

impl<M, F> ByKey<M, F> {
    /// The machine of `key` among `machines`; one that `make` made, if there is none. That is done
    /// under a lock, so it has to be quick.
    pub fn new<R>(
        machines: Arc<Keyed<M>>,
        key: F,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self
    where
        F: for<'r> Fn(&'r R) -> Cow<'r, str>,
    {
        Self { machines, key, make: Arc::new(make) }
    }

    /// The machines.
    pub fn machines(&self) -> &Arc<Keyed<M>> {
        &self.machines
    }
}

impl<R, M> Pick<R, M> for One<M> {
    fn pick(&self, _: &R) -> Arc<M> {
        Arc::clone(&self.0)
    }

    fn only(&self) -> Option<&M> {
        Some(&self.0)
    }
}

impl<R, M, F> Pick<R, M> for ByKey<M, F>
where
    F: for<'r> Fn(&'r R) -> Cow<'r, str>,
{
    fn pick(&self, request: &R) -> Arc<M> {
        self.machines.get_or_insert_with(&(self.key)(request), || (self.make)())
    }
}

impl<M> Clone for One<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M, F: Clone> Clone for ByKey<M, F> {
    fn clone(&self) -> Self {
        Self {
            machines: Arc::clone(&self.machines),
            key: self.key.clone(),
            make: Arc::clone(&self.make),
        }
    }
}

impl<M, F> fmt::Debug for ByKey<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKey").field("keys", &self.machines.len()).finish_non_exhaustive()
    }
}
