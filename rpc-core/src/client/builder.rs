//! What a channel is made of.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::Channel;
use super::channel::Config;
use super::stub::Client;
use crate::address::Address;
use crate::connection::{Limits, check_name};
use crate::control::{BUILDER, Governance, rules_of_builder};
use crate::governance::rules::{RuleSet, Side, Strength};
use crate::method::Method;
use crate::service::{CallLayer, Layers};
use crate::status::Status;
use crate::transport::{Connect, Network, Sockets};

/// Builds a [`Channel`].
pub struct ChannelBuilder {
    parts: Parts,
    rules: String,
    /// The governance is what somebody asked for, and not what goes with the connector.
    is_governed: bool,
}

/// What a channel is made of.
pub(super) struct Parts {
    pub(super) config: Config,
    pub(super) call_layers: Layers,
    pub(super) attempt_layers: Layers,
    pub(super) governance: Governance,
    pub(super) rules: RuleSet,
}

/// Builds a generated client with a channel of its own; the same settings as [`ChannelBuilder`].
pub struct ClientBuilder<C> {
    channel: ChannelBuilder,
    client: PhantomData<fn() -> C>,
}

impl ChannelBuilder {
    pub(super) fn new() -> Self {
        Self {
            parts: Parts {
                config: Config {
                    connector: Arc::new(Sockets),
                    limits: Limits::default(),
                    connections: 1,
                    connect_timeout: Duration::from_secs(3),
                    timeout: Duration::from_secs(10),
                    name: String::new(),
                    service: None,
                    format: None,
                },
                call_layers: Layers::default(),
                attempt_layers: Layers::default(),
                governance: Governance::global(),
                rules: RuleSet::empty(Strength::Attribute, BUILDER),
            },
            rules: String::new(),
            is_governed: false,
        }
    }

    /// A channel to the nodes at `address`: `tcp://host:port`, `unix:///path`, `mem://name`, or
    /// several as in `tcp://a:1,b:1`. Nothing is dialled before the first call.
    ///
    /// # Errors
    /// *Invalid argument* for a bad address, a name that is too long or rules that are wrong.
    ///
    /// # Cancel safety
    /// It is ready at once.
    pub async fn connect(self, address: &str) -> Result<Channel, Status> {
        self.connect_for(None, address)
    }

    /// A channel for these methods, or for whichever there will be.
    fn connect_for(
        self,
        methods: Option<&'static [Method]>,
        address: &str,
    ) -> Result<Channel, Status> {
        let Self { mut parts, rules, .. } = self;
        check_name("client", &parts.config.name)?;
        parts.rules = rules_of_builder(Side::Client, &rules, methods.map(<[Method]>::iter))?;
        let addresses = Address::parse_list(address)?;
        Ok(Channel::new(parts, addresses))
    }
}

/// The settings that both builders have.
macro_rules! settings {
    () => {
        /// Connections to each node; calls take the least busy one. Default 1.
        #[must_use]
        pub fn connections(mut self, per_node: usize) -> Self {
            self.parts().parts.config.connections = per_node.max(1);
            self
        }

        /// Longest time to make a connection. Default 3 s.
        #[must_use]
        pub fn connect_timeout(mut self, limit: Duration) -> Self {
            self.parts().parts.config.connect_timeout = limit;
            self
        }

        /// How long a call may take where neither the caller nor the method says. Default 10 s.
        #[must_use]
        pub fn timeout(mut self, limit: Duration) -> Self {
            self.parts().parts.config.timeout = limit;
            self
        }

        /// The format of all calls, `json` for one. Default the first that the service lists.
        #[must_use]
        pub fn format(mut self, name: impl Into<Cow<'static, str>>) -> Self {
            self.parts().parts.config.format = Some(name.into());
            self
        }

        /// The name servers are told, for quotas and logs.
        #[must_use]
        pub fn name(mut self, name: impl Into<String>) -> Self {
            self.parts().parts.config.name = name.into();
            self
        }

        /// The bounds of each connection.
        #[must_use]
        pub fn limits(mut self, limits: Limits) -> Self {
            self.parts().parts.config.limits = limits;
            self
        }

        /// Dials on an in-memory network instead of the real one.
        #[must_use]
        pub fn network(self, network: &Network) -> Self {
            self.connector(network.clone())
        }

        /// Dials by means of one's own.
        #[must_use]
        pub fn connector(mut self, connector: impl Connect) -> Self {
            let builder = self.parts();
            builder.parts.config.connector = Arc::new(connector);
            if !builder.is_governed {
                // Its addresses mean something else than those of the rest of the process.
                builder.parts.governance = Governance::new();
            }
            self
        }

        /// Shares limits, breakers, budgets and rules with whoever uses this governance too, and
        /// calls the same address. Default that of the process; one of its own on a network or
        /// with a connector of one's own.
        #[must_use]
        pub fn governance(mut self, governance: &Governance) -> Self {
            let builder = self.parts();
            builder.parts.governance = governance.clone();
            builder.is_governed = true;
            self
        }

        /// Rules in the words of a rules file (TOML), which count no more than a method's
        /// attribute: a file, a registry or the console may say otherwise. Said twice, the last text counts.
        ///
        /// ```
        /// # use rpc_core::Channel;
        /// let builder = Channel::builder().rules(
        ///     r#"
        ///     [client."shop.Inventory"]
        ///     concurrency = 64
        ///     breaker     = { failure_rate = "50%" }
        ///     "#,
        /// );
        /// ```
        #[must_use]
        pub fn rules(mut self, toml: &str) -> Self {
            toml.clone_into(&mut self.parts().rules);
            self
        }

        /// Puts a tower layer around each call: it sees a call once, however often that is
        /// attempted. The first one added is the outermost.
        #[must_use]
        pub fn layer(mut self, layer: impl CallLayer) -> Self {
            self.parts().parts.call_layers.push(layer);
            self
        }

        /// Puts a tower layer around each attempt of a call, when its node is chosen.
        #[must_use]
        pub fn attempt_layer(mut self, layer: impl CallLayer) -> Self {
            self.parts().parts.attempt_layers.push(layer);
            self
        }
    };
}

impl ChannelBuilder {
    settings!();

    fn parts(&mut self) -> &mut Self {
        self
    }
}

impl<C> ClientBuilder<C> {
    settings!();

    fn parts(&mut self) -> &mut ChannelBuilder {
        &mut self.channel
    }
}

impl<C: Client> ClientBuilder<C> {
    #[doc(hidden)]
    pub fn new() -> Self {
        let mut channel = ChannelBuilder::new();
        channel.parts.config.service = Some(C::SERVICE);
        Self { channel, client: PhantomData }
    }

    /// A client of the nodes at `address`; see [`ChannelBuilder::connect`]. It talks to servers
    /// that offer its service only.
    ///
    /// # Errors
    /// *Invalid argument* for a bad address, a name that is too long or rules that are wrong, which they
    /// are as well if they are about methods that this client does not have.
    ///
    /// # Cancel safety
    /// It is ready at once.
    pub async fn connect(self, address: &str) -> Result<C, Status> {
        Ok(C::over(self.channel.connect_for(Some(C::METHODS), address)?))
    }
}

impl fmt::Debug for ChannelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBuilder").finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for ClientBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").finish_non_exhaustive()
    }
}
