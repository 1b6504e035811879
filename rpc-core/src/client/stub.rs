//! What generated clients are made of: they hold a [`Stub`], and each of their methods is one call
//! of [`unary`] or [`oneway`].

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rpc_codec::format::{DecodeLimits, FormatError, Formats};
use rpc_codec::{Compression, Priority};

use super::Channel;
use super::channel::Bound;
use super::options::CallOptions;
use crate::control::About;
use crate::governance::outcome::Outcome;
use crate::method::Method;
use crate::reply::{Reply, encode_args};
use crate::report::CallReport;
use crate::request::{Request, Response};
use crate::status::{Code, Status};

/// A channel, the methods that are called over it, and what its owner says about every call. Cheap
/// to clone.
#[derive(Clone, Debug)]
pub struct Stub {
    channel: Channel,
    methods: Arc<[BoundMethod]>,
    options: CallOptions,
}

/// A method, and what its channel keeps of it: looked up once.
#[derive(Debug)]
struct BoundMethod {
    method: &'static Method,
    bound: Arc<Bound>,
}

/// A generated client.
pub trait Client: Sized {
    /// The service it calls.
    const SERVICE: &'static str;
    /// Its methods.
    const METHODS: &'static [Method];

    /// A client over `stub`.
    fn from_stub(stub: Stub) -> Self;

    /// A client that calls over `channel`.
    fn over(channel: Channel) -> Self {
        Self::from_stub(Stub::new(channel, Self::METHODS))
    }
}

impl Stub {
    /// Calls `methods` over `channel`.
    pub fn new(channel: Channel, methods: &'static [Method]) -> Self {
        let format = channel.format();
        let bind = |method: &'static Method| {
            let bound = channel.bind(About::method(method));
            BoundMethod { method, bound }
        };
        let methods = methods.iter().map(bind).collect();
        Self { channel, methods, options: CallOptions { format, ..CallOptions::default() } }
    }

    /// The channel it calls over.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// See [`ClientBuilder`](super::ClientBuilder) and the generated client's `with_timeout`.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// See the generated client's `with_metadata`.
    #[must_use]
    pub fn with_metadata(mut self, key: &str, value: Bytes) -> Self {
        self.options.insert_metadata(key, value);
        self
    }

    /// See the generated client's `with_format`.
    #[must_use]
    pub fn with_format(mut self, name: Cow<'static, str>) -> Self {
        self.options.format = Some(name);
        self
    }

    /// See the generated client's `with_compression`.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.options.compression = compression;
        self
    }

    /// See the generated client's `with_priority`.
    #[must_use]
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.options.priority = Some(priority);
        self
    }

    /// See the generated client's `with_report`.
    #[must_use]
    pub fn with_report(mut self, report: &CallReport) -> Self {
        self.options.report = Some(report.clone());
        self
    }

    /// What its channel keeps of the method of this `index`.
    pub(super) fn bound(&self, index: usize) -> &Bound {
        &self.methods[index].bound
    }

    /// What its owner says about every call.
    pub(super) fn options(&self) -> &CallOptions {
        &self.options
    }

    /// Makes the call that was prepared of the method of this `index`.
    pub(super) async fn call(
        &self,
        index: usize,
        prepared: &mut Result<Request, Status>,
    ) -> Result<Response, Status> {
        let bound = &self.methods[index].bound;
        match prepared {
            Ok(request) => self.channel.call_bound(request, bound).await,
            Err(status) => {
                bound.counters.record(Outcome::of_status(status), Duration::ZERO, 1);
                Err(status.clone())
            }
        }
    }

    /// A call with `args`, which are encoded once for all attempts.
    pub(super) fn prepare<F, A>(&self, index: usize, args: &A) -> Result<Request, Status>
    where
        F: Formats<A>,
    {
        let method = self.methods[index].method;
        let options = &self.options;
        options.check()?;
        let format = match options.format.as_deref() {
            None => F::names().first().copied().unwrap_or_default(),
            Some(wanted) => F::resolve(wanted).ok_or_else(|| {
                let error = FormatError::unknown(wanted, F::names());
                Status::local(Code::InvalidArgument, error.to_string())
            })?,
        };
        let mut request = Request::new(method.path(), format, encode_args::<F, A>(args, format)?);
        request.timeout = options.timeout;
        request.compression = options.compression;
        request.priority = options.priority;
        request.oneway = method.is_oneway();
        request.report = options.report.clone();
        if !options.metadata.is_empty() {
            request.metadata = options.metadata.clone();
        }
        Ok(request)
    }
}

/// Calls the stub's method of this number and waits for its answer.
///
/// The arguments are encoded at once, so that the future has no room for them: it is moved and kept
/// for as long as the call is in flight.
///
/// # Cancel safety
/// Dropping it cancels the call, on the server too.
pub fn unary<'a, F, A, R>(
    stub: &'a Stub,
    method: usize,
    args: A,
) -> impl Future<Output = R> + Send + use<'a, F, A, R>
where
    F: Formats<A>,
    A: Send + 'a,
    R: Reply<F>,
{
    let mut prepared = stub.prepare::<F, A>(method, &args);
    async move {
        let result = stub.call(method, &mut prepared).await;
        let format = prepared.as_ref().map_or("", |request| request.format());
        R::decode(result, format, stub.channel.decode_limits())
    }
}

/// Sends a call of the stub's method of this number, which is not answered.
///
/// # Cancel safety
/// Dropped before it is ready the call was not sent.
pub fn oneway<'a, F, A, R>(
    stub: &'a Stub,
    method: usize,
    args: A,
) -> impl Future<Output = R> + Send + use<'a, F, A, R>
where
    F: Formats<A>,
    A: Send + 'a,
    R: From<Result<(), Status>>,
{
    let mut prepared = stub.prepare::<F, A>(method, &args);
    async move { R::from(stub.call(method, &mut prepared).await.map(drop)) }
}

impl Channel {
    pub(super) fn decode_limits(&self) -> &DecodeLimits {
        &self.limits().decode
    }
}

/// The inherent methods of a generated client. They are the same for all of them, so they stand
/// here and not in the expansion.
#[doc(hidden)]
#[macro_export]
macro_rules! __client_methods {
    ($client:ident) => {
        impl $client {
            /// A client of the nodes at `address`: `tcp://host:port`, `unix:///path`, `mem://name`,
            /// or several as in `tcp://a:1,b:1`. Nothing is dialled before the first call.
            ///
            /// # Errors
            /// *Invalid argument* for a bad address.
            ///
            /// # Cancel safety
            /// It is ready at once.
            pub async fn connect(address: &str) -> ::core::result::Result<Self, $crate::Status> {
                Self::builder().connect(address).await
            }

            /// The same, with settings.
            pub fn builder() -> $crate::client::ClientBuilder<Self> {
                $crate::client::ClientBuilder::new()
            }

            /// A client over a channel that others may share.
            pub fn new(channel: $crate::Channel) -> Self {
                $crate::__private::Client::over(channel)
            }

            /// The channel it calls over.
            pub fn channel(&self) -> &$crate::Channel {
                self.stub.channel()
            }

            /// Waits until a server has said hello.
            ///
            /// # Errors
            /// Why no node could be reached, once each has been tried.
            ///
            /// # Cancel safety
            /// Dropping it leaves the connections being made alone.
            pub async fn ready(&self) -> ::core::result::Result<(), $crate::Status> {
                self.stub.channel().ready().await
            }

            /// The same client, whose calls may take this long, all attempts together. Inside a
            /// handler they still end when the caller's time is over.
            #[must_use]
            pub fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
                Self {
                    stub: self.stub.clone().with_timeout(timeout),
                    standby: self.standby.clone(),
                }
            }

            /// The same client, whose calls carry this beside their arguments. A bad key is told
            /// by the call.
            #[must_use]
            pub fn with_metadata(
                &self,
                key: &str,
                value: impl ::core::convert::Into<$crate::__private::Bytes>,
            ) -> Self {
                Self {
                    stub: self.stub.clone().with_metadata(key, value.into()),
                    standby: self.standby.clone(),
                }
            }

            /// The same client, whose calls and answers travel in this format, `json` for one. A
            /// format that the service does not speak is told by the call.
            #[must_use]
            pub fn with_format(
                &self,
                name: impl ::core::convert::Into<::std::borrow::Cow<'static, str>>,
            ) -> Self {
                Self {
                    stub: self.stub.clone().with_format(name.into()),
                    standby: self.standby.clone(),
                }
            }

            /// The same client, whose larger arguments and answers travel compressed, if the server
            /// can.
            #[must_use]
            pub fn with_compression(&self, compression: $crate::Compression) -> Self {
                Self {
                    stub: self.stub.clone().with_compression(compression),
                    standby: self.standby.clone(),
                }
            }

            /// The same client, whose calls matter this much.
            #[must_use]
            pub fn with_priority(&self, priority: $crate::Priority) -> Self {
                Self {
                    stub: self.stub.clone().with_priority(priority),
                    standby: self.standby.clone(),
                }
            }

            /// The same client, whose calls note in `report` what they went through.
            #[must_use]
            pub fn with_report(&self, report: &$crate::CallReport) -> Self {
                Self { stub: self.stub.clone().with_report(report), standby: self.standby.clone() }
            }
        }
    };
}
