//! What a server is made of.

use std::sync::Arc;
use std::time::Duration;

use rpc_codec::Hello;

use super::accept::{self, Config};
use super::dispatch::Dispatch;
use super::handle::ServerHandle;
use super::router::{Router, Serve, Service};
use crate::address::Address;
use crate::connection::{Limits, Places, check_name};
use crate::control::{Governance, rules_of_builder};
use crate::governance::rules::Side;
use crate::service::{BoxService, CallLayer, Layers};
use crate::status::{Executed, Origin, Status};
use crate::transport::{self, Listen};

/// Builds a [`Server`](super::Server).
#[derive(Debug)]
pub struct ServerBuilder {
    services: Vec<Service>,
    layers: Layers,
    name: String,
    limits: ServerLimits,
    drain_timeout: Duration,
    lame_duck: Duration,
    max_connection_age: Option<Duration>,
    governance: Governance,
    rules: String,
}

/// The bounds of a server as a whole, and those of each of its connections.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Calls that run at a time, on all connections. Default 16,384.
    pub max_calls: usize,
    /// Connections at a time. Default 16,384.
    pub max_connections: usize,
    /// Connections at a time from one address (without its port). Default 4,096.
    pub max_connections_per_peer: usize,
    /// The bounds of each connection.
    pub connection: Limits,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_calls: 16_384,
            max_connections: 16_384,
            max_connections_per_peer: 4_096,
            connection: Limits::default(),
        }
    }
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            services: Vec::new(),
            layers: Layers::default(),
            name: String::new(),
            limits: ServerLimits::default(),
            drain_timeout: Duration::from_secs(30),
            lame_duck: Duration::ZERO,
            max_connection_age: None,
            governance: Governance::global(),
            rules: String::new(),
        }
    }

    /// Offers a service: an implementation inside its generated `…Server`.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it adds a service, not a number")]
    pub fn add(mut self, service: impl Serve) -> Self {
        self.services.push(service.into_service());
        self
    }

    /// Puts a tower layer around the router: what it sees has been admitted and is not yet decoded.
    /// The first one added is the outermost.
    #[must_use]
    pub fn layer(mut self, layer: impl CallLayer) -> Self {
        self.layers.push(layer);
        self
    }

    /// The name clients are told.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the bounds.
    #[must_use]
    pub fn limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a drain waits for running calls before it drops them. Default 30 s.
    #[must_use]
    pub fn drain_timeout(mut self, limit: Duration) -> Self {
        self.drain_timeout = limit;
        self
    }

    /// How long a drain goes on accepting first, so that clients learn from a registry that this
    /// server is going. Default none.
    #[must_use]
    pub fn lame_duck(mut self, time: Duration) -> Self {
        self.lame_duck = time;
        self
    }

    /// Asks clients to open a new connection once one is about this old (plus or minus a tenth), so
    /// that replicas behind a balancer of connections get their share. Default never.
    #[must_use]
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.max_connection_age = Some(age);
        self
    }

    /// Follows the rules of this governance. Default that of the process.
    #[must_use]
    pub fn governance(mut self, governance: &Governance) -> Self {
        self.governance = governance.clone();
        self
    }

    /// Rules in the words of a rules file (TOML): limits that are enforced before anything is
    /// decoded. A file, a registry or the console may say otherwise. Said twice, the last text counts.
    ///
    /// ```
    /// # use rpc_core::Server;
    /// let builder = Server::builder().rules(
    ///     r#"
    ///     [server."shop.Inventory"]
    ///     concurrency = "adaptive"
    ///     limit       = { rate = "500/s", key = "caller" }
    ///     "#,
    /// );
    /// ```
    #[must_use]
    pub fn rules(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.rules);
        self
    }

    /// Listens on `address` (`127.0.0.1:7000`, `tcp://…`, `unix:///path`, `mem://name`) and serves
    /// it. With TCP port 0 the system chooses one; [`ServerHandle::address`] tells which.
    ///
    /// # Errors
    /// *Invalid argument* for a bad address or rules that are wrong, which they are as well if they are about
    /// methods that this server does not have, *unavailable* if it can't be listened on, *already exists* if two
    /// services have the same name.
    ///
    /// # Cancel safety
    /// Dropped before it is ready nothing listens.
    pub async fn listen(self, address: &str) -> Result<ServerHandle, Status> {
        let address: Address = address.parse()?;
        let listener = transport::listen(&address).await.map_err(|error| {
            Status::unavailable(format!("can't listen on {address}: {error}"))
                .with_source(error)
                .from(Origin::Client, Executed::No)
        })?;
        self.serve(listener)
    }

    /// Serves a listener of one's own, such as one of
    /// [`testing::Network`](crate::testing::Network).
    ///
    /// # Errors
    /// *Already exists* if two services have the same name, *invalid argument* for a name that is
    /// too long or rules that are wrong.
    ///
    /// # Cancel safety
    /// It is ready at once.
    pub async fn listen_on(self, listener: impl Listen) -> Result<ServerHandle, Status> {
        self.serve(Box::new(listener))
    }

    fn serve(self, listener: Box<dyn Listen>) -> Result<ServerHandle, Status> {
        check_name("server", &self.name)?;
        let methods = self.services.iter().flat_map(Service::methods);
        let rules = Arc::new(rules_of_builder(Side::Server, &self.rules, Some(methods))?);
        let router = Router::with_rules(self.services, &rules)?;
        let address = listener.address();
        let methods = router.routes().map(|route| route.governed.clone()).collect();
        let listed = self.governance.serve(&address.to_string(), methods);
        let layered = self.layers.around(|| BoxService::new(router.clone()));
        let limits = &self.limits.connection;
        let hello = Hello {
            formats: router.formats().iter().map(|name| (*name).to_owned()).collect(),
            peer_name: self.name,
            ..limits.hello()
        };
        let places = Arc::new(Places::new(self.limits.max_calls));
        let dispatch = Arc::new(Dispatch { router, layered, places, unknown: Arc::default() });
        let config = Config {
            dispatch: dispatch.clone(),
            hello: Arc::new(hello),
            limits: self.limits,
            drain_timeout: self.drain_timeout,
            lame_duck: self.lame_duck,
            max_connection_age: self.max_connection_age,
            _listed: listed,
        };
        let (handle, orders) = ServerHandle::new(address, dispatch);
        tokio::spawn(accept::serve(listener, config, orders));
        Ok(handle)
    }
}
