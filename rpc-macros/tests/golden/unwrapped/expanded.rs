// From `input.rs`; `BLESS=1 cargo test -p rpc-macros` writes this file.

use bytes::Bytes;
use rpc_core::{Status, service};
pub(crate) trait Echo: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// The same again.
    fn echo(
        &self,
        body: Bytes,
    ) -> impl ::core::future::Future<
        Output = Result<Bytes, Status>,
    > + ::core::marker::Send;
}
///Calls [`Echo`] on a server.
///
/// It is cheap to clone, and all clones share their connections. A future borrows the client
/// it was made by, so a task that is spawned needs a clone of its own: `let client =
/// client.clone();` and then `async move { client. .. .await }`.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub(crate) struct EchoClient {
    stub: ::rpc_core::__private::Stub,
    standby: ::rpc_core::__private::Standby<dyn echo::Dyn>,
}
::rpc_core::__client_methods! {
    EchoClient
}
impl EchoClient {
    /// The same client, which asks `fallback` where a call fails for another reason than the
    /// method's own, before any fallback that the service names. Its answers are marked as
    /// degraded. One-way calls have none.
    #[must_use]
    pub fn with_fallback(&self, fallback: impl Echo) -> Self {
        Self {
            stub: self.stub.clone(),
            standby: ::rpc_core::__private::Standby::new(::std::sync::Arc::new(fallback)),
        }
    }
}
///Serves an implementation of [`Echo`]: `Server::builder().add(EchoServer::new(..))`.
pub(crate) struct EchoServer<__S: ?::core::marker::Sized> {
    implementation: ::std::sync::Arc<__S>,
}
impl<__S: Echo> EchoServer<__S> {
    /// Serves `implementation`.
    pub fn new(implementation: __S) -> Self {
        Self {
            implementation: ::std::sync::Arc::new(implementation),
        }
    }
}
impl<__S: Echo + ?::core::marker::Sized> EchoServer<__S> {
    /// Serves an implementation that others hold as well.
    pub fn from_arc(implementation: ::std::sync::Arc<__S>) -> Self {
        Self { implementation }
    }
}
impl<__S: ?::core::marker::Sized> ::core::clone::Clone for EchoServer<__S> {
    fn clone(&self) -> Self {
        Self {
            implementation: ::std::sync::Arc::clone(&self.implementation),
        }
    }
}
impl<__S: ?::core::marker::Sized> ::core::fmt::Debug for EchoServer<__S> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str("EchoServer")
    }
}
///The object-safe companion of [`Echo`].
pub(crate) mod echo {
    #[allow(unused_imports)]
    use super::*;
    ///[`Echo`](super::Echo) as an object: `Arc<dyn echo::Dyn>` implements it.
    #[allow(clippy::all, deprecated, non_snake_case, private_interfaces)]
    pub(crate) trait Dyn: ::core::marker::Send + ::core::marker::Sync + 'static {
        ///See [`Echo::echo`](super::Echo::echo).
        fn echo<'a>(
            &'a self,
            body: Bytes,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<Bytes, Status>>;
    }
    #[allow(deprecated)]
    impl<__S: super::Echo> Dyn for __S {
        fn echo<'a>(
            &'a self,
            body: Bytes,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<Bytes, Status>> {
            ::std::boxed::Box::pin(<__S as super::Echo>::echo(self, body))
        }
    }
}
#[allow(deprecated)]
impl Echo for dyn echo::Dyn {
    fn echo(
        &self,
        body: Bytes,
    ) -> impl ::core::future::Future<
        Output = Result<Bytes, Status>,
    > + ::core::marker::Send {
        echo::Dyn::echo(self, body)
    }
}
#[allow(deprecated)]
impl<__S: Echo + ?::core::marker::Sized> Echo for ::std::sync::Arc<__S> {
    fn echo(
        &self,
        body: Bytes,
    ) -> impl ::core::future::Future<
        Output = Result<Bytes, Status>,
    > + ::core::marker::Send {
        <__S as Echo>::echo(&**self, body)
    }
}
#[allow(deprecated, non_snake_case)]
const _: () = {
    type __Formats = (::rpc_core::format::Raw,);
    static __METHODS: [::rpc_core::__private::Method; 1usize] = [
        ::rpc_core::__private::Method::new("Echo", "echo", "Echo/echo"),
    ];
    impl ::rpc_core::__private::Client for EchoClient {
        const SERVICE: &'static str = "Echo";
        const METHODS: &'static [::rpc_core::__private::Method] = &__METHODS;
        fn from_stub(stub: ::rpc_core::__private::Stub) -> Self {
            Self {
                stub,
                standby: ::rpc_core::__private::Standby::NOBODY,
            }
        }
    }
    impl Echo for EchoClient {
        fn echo(
            &self,
            body: Bytes,
        ) -> impl ::core::future::Future<
            Output = Result<Bytes, Status>,
        > + ::core::marker::Send {
            ::rpc_core::__private::unary_or::<
                __Formats,
                Bytes,
                Result<Bytes, Status>,
                _,
                _,
                _,
            >(
                &self.stub,
                0usize,
                body,
                &self.standby,
                |standby, args| echo::Dyn::echo(standby, args),
                ::rpc_core::__private::NoFallback,
            )
        }
    }
    impl<__S: Echo + ?::core::marker::Sized> ::rpc_core::__private::Serve
    for EchoServer<__S> {
        fn into_service(self) -> ::rpc_core::__private::Service {
            ::rpc_core::__private::Routes::new("Echo", self.implementation)
                .unary::<
                    __Formats,
                    Bytes,
                    Result<Bytes, Status>,
                    _,
                    _,
                >(
                    &__METHODS[0usize],
                    |service: ::std::sync::Arc<__S>, args: Bytes| async move {
                        <__S as Echo>::echo(&*service, args).await
                    },
                )
                .into_service()
        }
    }
};
