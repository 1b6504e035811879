//! Which handler answers which method.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use rpc_codec::format::{DecodeLimits, Formats};
use rpc_codec::{HeadError, RequestHead};
use rustc_hash::FxHashMap;

use crate::control::{BUILDER, ServerMethod};
use crate::governance::rules::{RuleSet, Strength};
use crate::method::Method;
use crate::observe::Meter;
use crate::reply::{Reply, decode_args};
use crate::request::{Request, Response};
use crate::service::{BoxFuture, Handling};
use crate::status::{Code, Status};

/// What answers the calls of one method.
trait Handler: Send + Sync {
    /// One call, in a box of its own.
    fn handle(&self, given: Arguments) -> BoxFuture<'static, Result<Response, Status>>;

    /// The same, in the box of the call before.
    fn begin(&self, given: Arguments, handling: &mut Handling);
}

impl<H, Fut> Handler for H
where
    H: Fn(Arguments) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Response, Status>> + Send + 'static,
{
    fn handle(&self, given: Arguments) -> BoxFuture<'static, Result<Response, Status>> {
        Box::pin(self(given))
    }

    fn begin(&self, given: Arguments, handling: &mut Handling) {
        handling.set(self(given));
    }
}

/// A call's arguments as they came, and how they are to be read.
pub(crate) struct Arguments {
    pub(crate) body: Bytes,
    pub(crate) format: Cow<'static, str>,
    pub(crate) limits: DecodeLimits,
}

/// What can be added to a server: the generated `…Server` types.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be added to a server as it is",
    label = "expected a generated server, such as `InventoryServer::new(..)` around it",
    note = "`#[service]` on a trait `Inventory` makes `InventoryServer`, which offers an implementation"
)]
pub trait Serve {
    /// Its methods, each with its handler.
    fn into_service(self) -> Service;
}

/// A service's methods while they are being listed; what `#[service]` generates calls this.
pub struct Routes<S: ?Sized> {
    implementation: Arc<S>,
    service: Service,
}

/// A service and its handlers.
pub struct Service {
    name: &'static str,
    formats: &'static [&'static str],
    routes: Vec<(&'static Method, Box<dyn Handler>)>,
}

impl Service {
    /// Its methods.
    pub(super) fn methods(&self) -> impl Iterator<Item = &'static Method> {
        self.routes.iter().map(|(method, _)| *method)
    }
}

impl<S: Send + Sync + 'static + ?Sized> Routes<S> {
    /// No methods yet.
    pub fn new(name: &'static str, implementation: Arc<S>) -> Self {
        Self { implementation, service: Service { name, formats: &[], routes: Vec::new() } }
    }

    /// A method: decodes its arguments in the format of the request, runs `handler`, and encodes
    /// what it returns in that same format.
    #[must_use]
    pub fn unary<F, A, R, H, Fut>(self, method: &'static Method, handler: H) -> Self
    where
        F: Formats<A>,
        A: Send + 'static,
        R: Reply<F> + 'static,
        H: Fn(Arc<S>, A) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
    {
        self.route::<F, A, R, H, Fut>(method, handler, R::encode)
    }

    /// A one-way method: like [`Routes::unary`], but its answer has no body, so that a format need
    /// not know how to write one.
    #[must_use]
    pub fn oneway<F, A, R, H, Fut>(self, method: &'static Method, handler: H) -> Self
    where
        F: Formats<A>,
        A: Send + 'static,
        R: Into<Result<(), Status>> + 'static,
        H: Fn(Arc<S>, A) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
    {
        self.route::<F, A, R, H, Fut>(method, handler, |returned, _| {
            returned.into().map(|()| Response::default()).map_err(Status::said_by_handler)
        })
    }

    /// A method whose handler's `R` goes out as `answer` makes it, given the format's name.
    fn route<F, A, R, H, Fut>(
        mut self,
        method: &'static Method,
        handler: H,
        answer: fn(R, &str) -> Result<Response, Status>,
    ) -> Self
    where
        F: Formats<A>,
        A: Send + 'static,
        R: 'static,
        H: Fn(Arc<S>, A) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
    {
        let implementation = self.implementation.clone();
        let route = move |given: Arguments| {
            let (implementation, handler) = (implementation.clone(), handler.clone());
            async move {
                let args = decode_args::<F, A>(given.body, &given.format, &given.limits)?;
                answer(handler(implementation, args).await, &given.format)
            }
        };
        self.service.formats = F::names();
        self.service.routes.push((method, Box::new(route)));
        self
    }

    /// The list is complete.
    pub fn into_service(self) -> Service {
        self.service
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = self.routes.iter().map(|(method, _)| method.name());
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("methods", &methods.collect::<Vec<_>>())
            .finish()
    }
}

impl<S: ?Sized> fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.service.fmt(f)
    }
}

/// All services of a server, as a tower service: the innermost thing a server layer wraps.
#[derive(Clone, Default)]
pub struct Router(Arc<Table>);

#[derive(Default)]
struct Table {
    services: Vec<&'static str>,
    formats: Vec<&'static str>,
    routes: FxHashMap<&'static str, Arc<Route>>,
    /// The methods in each of their formats.
    known: Vec<Known>,
    /// The same, by how the heads of their requests begin.
    beginnings: FxHashMap<Vec<u8>, usize>,
}

/// A method and a format, and how a head begins that names both.
struct Known {
    route: Arc<Route>,
    format: &'static str,
    beginning: Vec<u8>,
}

/// What a request's head says, and where it leads.
pub(crate) struct Read<'head, 'router> {
    pub(crate) head: RequestHead<'head>,
    pub(crate) route: Option<&'router Route>,
    /// The format, if it is one of the route's.
    pub(crate) format: Option<&'static str>,
}

/// A method and its handler.
pub(crate) struct Route {
    pub(crate) method: &'static Method,
    handler: Box<dyn Handler>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) governed: Arc<ServerMethod>,
}

impl Route {
    pub(crate) fn handle(&self, given: Arguments) -> BoxFuture<'static, Result<Response, Status>> {
        self.handler.handle(given)
    }

    pub(crate) fn begin(&self, given: Arguments, handling: &mut Handling) {
        self.handler.begin(given, handling);
    }
}

impl Router {
    /// Puts services together.
    ///
    /// # Errors
    /// *Already exists*, if two have the same name.
    pub fn new(services: impl IntoIterator<Item = Service>) -> Result<Self, Status> {
        Self::with_rules(services, &Arc::new(RuleSet::empty(Strength::Attribute, BUILDER)))
    }

    /// The same, of a server whose builder has these rules.
    pub(crate) fn with_rules(
        services: impl IntoIterator<Item = Service>,
        rules: &Arc<RuleSet>,
    ) -> Result<Self, Status> {
        let mut table = Table::default();
        for service in services {
            if table.services.contains(&service.name) {
                let twice = format!("the service `{}` was added twice", service.name);
                return Err(Status::local(Code::AlreadyExists, twice));
            }
            table.services.push(service.name);
            for name in service.formats {
                if !table.formats.contains(name) {
                    table.formats.push(name);
                }
            }
            for (method, handler) in service.routes {
                if table.routes.contains_key(method.path()) {
                    let twice = format!("the method `{}` was added twice", method.path());
                    return Err(Status::local(Code::AlreadyExists, twice));
                }
                let governed = Arc::new(ServerMethod::new(method.path().into(), rules.clone()));
                let route = Arc::new(Route { method, handler, meter: Arc::default(), governed });
                for &format in service.formats {
                    let beginning = RequestHead::beginning(method.path(), format);
                    table.beginnings.insert(beginning.clone(), table.known.len());
                    table.known.push(Known { route: route.clone(), format, beginning });
                }
                table.routes.insert(method.path(), route);
            }
        }
        Ok(Self(Arc::new(table)))
    }

    /// The names of the services, in the order they were added.
    pub fn services(&self) -> &[&'static str] {
        &self.0.services
    }

    /// The names of all formats that any of them speaks.
    pub fn formats(&self) -> &[&'static str] {
        &self.0.formats
    }

    pub(crate) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.0.routes.values().map(Arc::as_ref)
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Route> {
        self.0.routes.get(path).map(Arc::as_ref)
    }

    /// Reads a request's head and finds its route: by how it begins, or else by the method's name.
    /// `last` is where the one before was found: a peer often calls the same method again.
    pub(crate) fn read<'head>(
        &self,
        head: &'head [u8],
        last: &mut usize,
    ) -> Result<Read<'head, '_>, HeadError> {
        let Some((known, rest)) = self.known(head, last) else {
            let head = RequestHead::decode(head)?;
            let route = self.find(head.method);
            return Ok(Read { head, route, format: None });
        };
        let path = known.route.method.path();
        let mut head = RequestHead { format: known.format, ..RequestHead::new(path) };
        head.merge(rest)?;
        // The rest may name another method or format, which then counts.
        let route =
            if ptr::eq(head.method, path) { Some(&*known.route) } else { self.find(head.method) };
        let format = ptr::eq(head.format, known.format).then_some(known.format);
        Ok(Read { head, route, format })
    }

    /// What a head begins with that is known, and what follows in it.
    fn known<'head>(&self, head: &'head [u8], last: &mut usize) -> Option<(&Known, &'head [u8])> {
        let known = &self.0.known;
        if let Some(again) = known.get(*last)
            && let Some(rest) = head.strip_prefix(again.beginning.as_slice())
        {
            return Some((again, rest));
        }
        let (beginning, rest) = RequestHead::split_beginning(head);
        *last = *self.0.beginnings.get(beginning)?;
        Some((known.get(*last)?, rest))
    }

    /// Handles one request.
    ///
    /// # Errors
    /// *Unimplemented* for a method that is not here, else what its handler says.
    pub fn handle(&self, request: Request) -> BoxFuture<'static, Result<Response, Status>> {
        match self.find(request.method()) {
            Some(route) => {
                let Request { body, format, decode: limits, .. } = request;
                route.handle(Arguments { body, format, limits })
            }
            None => {
                let unknown = self.unknown(request.method());
                Box::pin(async move { Err(unknown) })
            }
        }
    }

    /// What is wrong with a path that leads nowhere.
    pub(crate) fn unknown(&self, path: &str) -> Status {
        let (service, method) = path.split_once('/').unwrap_or((path, ""));
        let message = if !self.0.services.contains(&service) {
            format!(
                "unknown service `{service}`; this server offers {}",
                list(self.0.services.iter().copied())
            )
        } else {
            let mut known: Vec<&str> = self
                .0
                .routes
                .values()
                .filter(|route| route.method.service() == service)
                .map(|route| route.method.name())
                .collect();
            known.sort_unstable();
            format!(
                "unknown method `{method}` of service `{service}`; it has {}",
                list(known.into_iter())
            )
        };
        Status::refused(Code::Unimplemented, message)
    }
}

/// At most a dozen names, so that the message stays one.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.collect();
    match names.len() {
        0 => "none".to_owned(),
        n if n > SHOWN => format!("{}, .. ({n} in all)", names[..SHOWN].join(", ")),
        _ => names.join(", "),
    }
}

impl tower_service::Service<Request> for Router {
    type Response = Response;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.handle(request)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("services", &self.0.services).finish_non_exhaustive()
    }
}
