// From `input.rs`; `BLESS=1 cargo test -p rpc-macros` writes this file.

use rpc_core::governance::outcome::Outcome;
use rpc_core::{Status, service};
/// Each method with some rules.
pub trait Governed: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// As in the README.
    fn price(
        &self,
        sku: String,
        day: u32,
    ) -> impl ::core::future::Future<
        Output = Result<u64, Status>,
    > + ::core::marker::Send;
    /// All that can be said.
    fn stock(
        &self,
        sku: String,
    ) -> impl ::core::future::Future<
        Output = Result<Vec<u64>, Status>,
    > + ::core::marker::Send;
    /// Nothing but defaults.
    fn names(
        &self,
    ) -> impl ::core::future::Future<
        Output = Result<Vec<String>, Status>,
    > + ::core::marker::Send;
    /// Nothing, whatever a less specific entry says.
    fn audit(
        &self,
        day: u32,
    ) -> impl ::core::future::Future<Output = Result<(), Status>> + ::core::marker::Send;
}
///Calls [`Governed`] on a server.
///
/// It is cheap to clone, and all clones share their connections. A future borrows the client
/// it was made by, so a task that is spawned needs a clone of its own: `let client =
/// client.clone();` and then `async move { client. .. .await }`.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct GovernedClient {
    stub: ::rpc_core::__private::Stub,
    standby: ::rpc_core::__private::Standby<dyn governed::Dyn>,
}
::rpc_core::__client_methods! {
    GovernedClient
}
impl GovernedClient {
    /// The same client, which asks `fallback` where a call fails for another reason than the
    /// method's own, before any fallback that the service names. Its answers are marked as
    /// degraded. One-way calls have none.
    #[must_use]
    pub fn with_fallback(&self, fallback: impl Governed) -> Self {
        Self {
            stub: self.stub.clone(),
            standby: ::rpc_core::__private::Standby::new(::std::sync::Arc::new(fallback)),
        }
    }
}
///Serves an implementation of [`Governed`]: `Server::builder().add(GovernedServer::new(..))`.
pub struct GovernedServer<__S: ?::core::marker::Sized> {
    implementation: ::std::sync::Arc<__S>,
}
impl<__S: Governed> GovernedServer<__S> {
    /// Serves `implementation`.
    pub fn new(implementation: __S) -> Self {
        Self {
            implementation: ::std::sync::Arc::new(implementation),
        }
    }
}
impl<__S: Governed + ?::core::marker::Sized> GovernedServer<__S> {
    /// Serves an implementation that others hold as well.
    pub fn from_arc(implementation: ::std::sync::Arc<__S>) -> Self {
        Self { implementation }
    }
}
impl<__S: ?::core::marker::Sized> ::core::clone::Clone for GovernedServer<__S> {
    fn clone(&self) -> Self {
        Self {
            implementation: ::std::sync::Arc::clone(&self.implementation),
        }
    }
}
impl<__S: ?::core::marker::Sized> ::core::fmt::Debug for GovernedServer<__S> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str("GovernedServer")
    }
}
///The object-safe companion of [`Governed`].
pub mod governed {
    #[allow(unused_imports)]
    use super::*;
    ///[`Governed`](super::Governed) as an object: `Arc<dyn governed::Dyn>` implements it.
    #[allow(clippy::all, deprecated, non_snake_case, private_interfaces)]
    pub trait Dyn: ::core::marker::Send + ::core::marker::Sync + 'static {
        ///See [`Governed::price`](super::Governed::price).
        fn price<'a>(
            &'a self,
            sku: String,
            day: u32,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<u64, Status>>;
        ///See [`Governed::stock`](super::Governed::stock).
        fn stock<'a>(
            &'a self,
            sku: String,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<Vec<u64>, Status>>;
        ///See [`Governed::names`](super::Governed::names).
        fn names<'a>(
            &'a self,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<Vec<String>, Status>>;
        ///See [`Governed::audit`](super::Governed::audit).
        fn audit<'a>(
            &'a self,
            day: u32,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<(), Status>>;
    }
    #[allow(deprecated)]
    impl<__S: super::Governed> Dyn for __S {
        fn price<'a>(
            &'a self,
            sku: String,
            day: u32,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<u64, Status>> {
            ::std::boxed::Box::pin(<__S as super::Governed>::price(self, sku, day))
        }
        fn stock<'a>(
            &'a self,
            sku: String,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<Vec<u64>, Status>> {
            ::std::boxed::Box::pin(<__S as super::Governed>::stock(self, sku))
        }
        fn names<'a>(
            &'a self,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<Vec<String>, Status>> {
            ::std::boxed::Box::pin(<__S as super::Governed>::names(self))
        }
        fn audit<'a>(
            &'a self,
            day: u32,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<(), Status>> {
            ::std::boxed::Box::pin(<__S as super::Governed>::audit(self, day))
        }
    }
}
#[allow(deprecated)]
impl Governed for dyn governed::Dyn {
    fn price(
        &self,
        sku: String,
        day: u32,
    ) -> impl ::core::future::Future<
        Output = Result<u64, Status>,
    > + ::core::marker::Send {
        governed::Dyn::price(self, sku, day)
    }
    fn stock(
        &self,
        sku: String,
    ) -> impl ::core::future::Future<
        Output = Result<Vec<u64>, Status>,
    > + ::core::marker::Send {
        governed::Dyn::stock(self, sku)
    }
    fn names(
        &self,
    ) -> impl ::core::future::Future<
        Output = Result<Vec<String>, Status>,
    > + ::core::marker::Send {
        governed::Dyn::names(self)
    }
    fn audit(
        &self,
        day: u32,
    ) -> impl ::core::future::Future<
        Output = Result<(), Status>,
    > + ::core::marker::Send {
        governed::Dyn::audit(self, day)
    }
}
#[allow(deprecated)]
impl<__S: Governed + ?::core::marker::Sized> Governed for ::std::sync::Arc<__S> {
    fn price(
        &self,
        sku: String,
        day: u32,
    ) -> impl ::core::future::Future<
        Output = Result<u64, Status>,
    > + ::core::marker::Send {
        <__S as Governed>::price(&**self, sku, day)
    }
    fn stock(
        &self,
        sku: String,
    ) -> impl ::core::future::Future<
        Output = Result<Vec<u64>, Status>,
    > + ::core::marker::Send {
        <__S as Governed>::stock(&**self, sku)
    }
    fn names(
        &self,
    ) -> impl ::core::future::Future<
        Output = Result<Vec<String>, Status>,
    > + ::core::marker::Send {
        <__S as Governed>::names(&**self)
    }
    fn audit(
        &self,
        day: u32,
    ) -> impl ::core::future::Future<
        Output = Result<(), Status>,
    > + ::core::marker::Send {
        <__S as Governed>::audit(&**self, day)
    }
}
#[allow(deprecated, non_snake_case)]
const _: () = {
    use ::rpc_core::__private::rules as __rules;
    type __Formats = (::rpc_core::format::MessagePack, ::rpc_core::format::Json);
    static __METHODS: [::rpc_core::__private::Method; 4usize] = [
        ::rpc_core::__private::Method::new(
                "shop.Governed",
                "price",
                "shop.Governed/price",
            )
            .idempotent()
            .with_rules(__rules::Rules {
                timeout: ::core::option::Option::Some(
                    __rules::On(::core::time::Duration::from_millis(200u64)),
                ),
                retry: ::core::option::Option::Some(
                    __rules::On(__rules::RetryRule {
                        attempts: 3u32,
                        ..__rules::RetryRule::DEFAULT
                    }),
                ),
                limit: ::core::option::Option::Some(
                    __rules::On(
                        __rules::LimitRule::to(__rules::Rate {
                                permits: 2000u32,
                                per: ::core::time::Duration::from_secs(1u64),
                            })
                            .with_burst(200u32),
                    ),
                ),
                breaker: ::core::option::Option::Some(
                    __rules::On(__rules::BreakerRule {
                        failure_rate: ::core::option::Option::Some(
                            __rules::Share::from_percent(50u32),
                        ),
                        min_calls: 20u32,
                        open: ::core::time::Duration::from_secs(5u64),
                        ..__rules::BreakerRule::DEFAULT
                    }),
                ),
                fallback: ::core::option::Option::Some(
                    __rules::On(__rules::FallbackRule::Function),
                ),
                ..__rules::Rules::NONE
            }),
        ::rpc_core::__private::Method::new(
                "shop.Governed",
                "stock",
                "shop.Governed/stock",
            )
            .idempotent()
            .with_classify(lenient)
            .with_rules(__rules::Rules {
                per_try: ::core::option::Option::Some(
                    __rules::On(::core::time::Duration::from_millis(50u64)),
                ),
                retry: ::core::option::Option::Some(
                    __rules::On(__rules::RetryRule {
                        backoff: ::core::time::Duration::from_millis(20u64),
                        max_backoff: ::core::time::Duration::from_secs(2u64),
                        ..__rules::RetryRule::DEFAULT
                    }),
                ),
                hedge: ::core::option::Option::Some(
                    __rules::On(__rules::HedgeRule {
                        after: __rules::HedgeAfter::Percentile(
                            __rules::Share::from_millionths(999000u32),
                        ),
                        max: 2u32,
                    }),
                ),
                limit: ::core::option::Option::Some(
                    __rules::On(
                        __rules::LimitRule::to(__rules::Rate {
                                permits: 5u32,
                                per: ::core::time::Duration::from_secs(10u64),
                            })
                            .with_kind(__rules::LimitKind::Leaky)
                            .with_wait(::core::time::Duration::from_millis(30u64))
                            .with_key(
                                __rules::Key::Metadata(
                                    ::std::borrow::Cow::Borrowed("tenant"),
                                ),
                            ),
                    ),
                ),
                concurrency: ::core::option::Option::Some(
                    __rules::On(__rules::ConcurrencyRule::Fixed {
                        max: 64u32,
                        queue: 100u32,
                        wait: ::core::time::Duration::from_millis(50u64),
                    }),
                ),
                breaker: ::core::option::Option::Some(
                    __rules::On(__rules::BreakerRule {
                        kind: __rules::BreakerKind::Trip,
                        failure_rate: ::core::option::Option::None,
                        slow_rate: ::core::option::Option::Some(
                            __rules::Share::from_millionths(125000u32),
                        ),
                        slow: ::core::time::Duration::from_millis(1500u64),
                        consecutive: ::core::option::Option::Some(5u32),
                        window: __rules::Window::Calls(100u32),
                        max_open: ::core::time::Duration::from_secs(30u64),
                        probes: 3u32,
                        key: ::core::option::Option::Some(__rules::Key::Caller),
                        ..__rules::BreakerRule::DEFAULT
                    }),
                ),
                fallback: ::core::option::Option::Some(
                    __rules::On(__rules::FallbackRule::LastGood {
                        ttl: ::core::time::Duration::from_secs(30u64),
                        max: __rules::FallbackRule::DEFAULT_MAX,
                        vary: ::std::borrow::Cow::Borrowed(
                            &[
                                ::std::borrow::Cow::Borrowed("tenant"),
                                ::std::borrow::Cow::Borrowed("region"),
                            ],
                        ),
                    }),
                ),
                optional: ::core::option::Option::Some(__rules::On(2u8)),
                priority: ::core::option::Option::Some(
                    __rules::On(__rules::Priority::Sheddable),
                ),
                dark: ::core::option::Option::Some(
                    __rules::On(
                        __rules::Keys::NONE
                            .with(__rules::RuleKey::Hedge)
                            .with(__rules::RuleKey::Limit),
                    ),
                ),
                ..__rules::Rules::NONE
            }),
        ::rpc_core::__private::Method::new(
                "shop.Governed",
                "names",
                "shop.Governed/names",
            )
            .idempotent()
            .with_rules(__rules::Rules {
                retry: ::core::option::Option::Some(
                    __rules::On(__rules::RetryRule::DEFAULT),
                ),
                hedge: ::core::option::Option::Some(
                    __rules::On(__rules::HedgeRule::DEFAULT),
                ),
                concurrency: ::core::option::Option::Some(
                    __rules::On(__rules::ConcurrencyRule::Adaptive),
                ),
                breaker: ::core::option::Option::Some(
                    __rules::On(__rules::BreakerRule::DEFAULT),
                ),
                fallback: ::core::option::Option::Some(
                    __rules::On(__rules::FallbackRule::Default),
                ),
                ..__rules::Rules::NONE
            }),
        ::rpc_core::__private::Method::new(
                "shop.Governed",
                "audit",
                "shop.Governed/audit",
            )
            .with_rules(__rules::Rules {
                timeout: ::core::option::Option::Some(__rules::Off),
                retry: ::core::option::Option::Some(__rules::Off),
                limit: ::core::option::Option::Some(__rules::Off),
                breaker: ::core::option::Option::Some(__rules::Off),
                fallback: ::core::option::Option::Some(__rules::Off),
                ..__rules::Rules::NONE
            }),
    ];
    #[derive(
        ::rpc_core::__private::serde::Serialize,
        ::rpc_core::__private::serde::Deserialize
    )]
    #[serde(
        crate = "::rpc_core::__private::serde",
        expecting = "the arguments of shop.Governed/price"
    )]
    struct __PriceArgs {
        sku: String,
        day: u32,
    }
    #[derive(
        ::rpc_core::__private::serde::Serialize,
        ::rpc_core::__private::serde::Deserialize
    )]
    #[serde(
        crate = "::rpc_core::__private::serde",
        expecting = "the arguments of shop.Governed/stock"
    )]
    struct __StockArgs {
        sku: String,
    }
    #[derive(
        ::rpc_core::__private::serde::Serialize,
        ::rpc_core::__private::serde::Deserialize
    )]
    #[serde(
        crate = "::rpc_core::__private::serde",
        expecting = "the arguments of shop.Governed/names"
    )]
    struct __NamesArgs {}
    #[derive(
        ::rpc_core::__private::serde::Serialize,
        ::rpc_core::__private::serde::Deserialize
    )]
    #[serde(
        crate = "::rpc_core::__private::serde",
        expecting = "the arguments of shop.Governed/audit"
    )]
    struct __AuditArgs {
        day: u32,
    }
    impl ::rpc_core::__private::Client for GovernedClient {
        const SERVICE: &'static str = "shop.Governed";
        const METHODS: &'static [::rpc_core::__private::Method] = &__METHODS;
        fn from_stub(stub: ::rpc_core::__private::Stub) -> Self {
            Self {
                stub,
                standby: ::rpc_core::__private::Standby::NOBODY,
            }
        }
    }
    impl Governed for GovernedClient {
        fn price(
            &self,
            sku: String,
            day: u32,
        ) -> impl ::core::future::Future<
            Output = Result<u64, Status>,
        > + ::core::marker::Send {
            ::rpc_core::__private::unary_or::<
                __Formats,
                __PriceArgs,
                Result<u64, Status>,
                _,
                _,
                _,
            >(
                &self.stub,
                0usize,
                __PriceArgs { sku, day },
                &self.standby,
                |standby, args| governed::Dyn::price(standby, args.sku, args.day),
                ::rpc_core::__private::Function::new::<
                    __PriceArgs,
                    Result<u64, Status>,
                >(|why, args| ::std::boxed::Box::pin(
                    last_known_price(why, args.sku, args.day),
                )),
            )
        }
        fn stock(
            &self,
            sku: String,
        ) -> impl ::core::future::Future<
            Output = Result<Vec<u64>, Status>,
        > + ::core::marker::Send {
            ::rpc_core::__private::unary_or::<
                __Formats,
                __StockArgs,
                Result<Vec<u64>, Status>,
                _,
                _,
                _,
            >(
                &self.stub,
                1usize,
                __StockArgs { sku },
                &self.standby,
                |standby, args| governed::Dyn::stock(standby, args.sku),
                ::rpc_core::__private::NoFallback,
            )
        }
        fn names(
            &self,
        ) -> impl ::core::future::Future<
            Output = Result<Vec<String>, Status>,
        > + ::core::marker::Send {
            ::rpc_core::__private::unary_or::<
                __Formats,
                __NamesArgs,
                Result<Vec<String>, Status>,
                _,
                _,
                _,
            >(
                &self.stub,
                2usize,
                __NamesArgs {},
                &self.standby,
                |standby, _args| governed::Dyn::names(standby),
                ::rpc_core::__private::ByDefault::<Result<Vec<String>, Status>>::known(),
            )
        }
        fn audit(
            &self,
            day: u32,
        ) -> impl ::core::future::Future<
            Output = Result<(), Status>,
        > + ::core::marker::Send {
            ::rpc_core::__private::unary_or::<
                __Formats,
                __AuditArgs,
                Result<(), Status>,
                _,
                _,
                _,
            >(
                &self.stub,
                3usize,
                __AuditArgs { day },
                &self.standby,
                |standby, args| governed::Dyn::audit(standby, args.day),
                ::rpc_core::__private::NoFallback,
            )
        }
    }
    impl<__S: Governed + ?::core::marker::Sized> ::rpc_core::__private::Serve
    for GovernedServer<__S> {
        fn into_service(self) -> ::rpc_core::__private::Service {
            ::rpc_core::__private::Routes::new("shop.Governed", self.implementation)
                .unary::<
                    __Formats,
                    __PriceArgs,
                    Result<u64, Status>,
                    _,
                    _,
                >(
                    &__METHODS[0usize],
                    |service: ::std::sync::Arc<__S>, args: __PriceArgs| async move {
                        <__S as Governed>::price(&*service, args.sku, args.day).await
                    },
                )
                .unary::<
                    __Formats,
                    __StockArgs,
                    Result<Vec<u64>, Status>,
                    _,
                    _,
                >(
                    &__METHODS[1usize],
                    |service: ::std::sync::Arc<__S>, args: __StockArgs| async move {
                        <__S as Governed>::stock(&*service, args.sku).await
                    },
                )
                .unary::<
                    __Formats,
                    __NamesArgs,
                    Result<Vec<String>, Status>,
                    _,
                    _,
                >(
                    &__METHODS[2usize],
                    |service: ::std::sync::Arc<__S>, _args: __NamesArgs| async move {
                        <__S as Governed>::names(&*service).await
                    },
                )
                .unary::<
                    __Formats,
                    __AuditArgs,
                    Result<(), Status>,
                    _,
                    _,
                >(
                    &__METHODS[3usize],
                    |service: ::std::sync::Arc<__S>, args: __AuditArgs| async move {
                        <__S as Governed>::audit(&*service, args.day).await
                    },
                )
                .into_service()
        }
    }
};
async fn last_known_price(why: &Status, sku: String, day: u32) -> Result<u64, Status> {
    match sku.as_str() {
        "unknown" => Err(Status::not_found(format!("no price of day {day}"))),
        _ => Ok(why.message().len() as u64),
    }
}
fn lenient(status: &Status) -> Option<Outcome> {
    status.message().contains("closed").then_some(Outcome::Success)
}
