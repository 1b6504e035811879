// From `input.rs`; `BLESS=1 cargo test -p rpc-macros` writes this file.

use rpc_core::{Status, service};
/// What is in stock.
pub trait Inventory: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// Price of an article in cents.
    fn price(
        &self,
        sku: String,
        day: Option<String>,
    ) -> impl ::core::future::Future<
        Output = Result<u64, Status>,
    > + ::core::marker::Send;
    /// Somebody looked at an article.
    fn viewed(
        &self,
        sku: String,
    ) -> impl ::core::future::Future<Output = Result<(), Status>> + ::core::marker::Send;
    /// What prices are in.
    fn currency(
        &self,
    ) -> impl ::core::future::Future<
        Output = Result<String, Status>,
    > + ::core::marker::Send {
        async move { Ok("EUR".to_owned()) }
    }
}
///Calls [`Inventory`] on a server.
///
/// It is cheap to clone, and all clones share their connections. A future borrows the client
/// it was made by, so a task that is spawned needs a clone of its own: `let client =
/// client.clone();` and then `async move { client. .. .await }`.
#[derive(::core::clone::Clone, ::core::fmt::Debug)]
pub struct InventoryClient {
    stub: ::rpc_core::__private::Stub,
    standby: ::rpc_core::__private::Standby<dyn inventory::Dyn>,
}
::rpc_core::__client_methods! {
    InventoryClient
}
impl InventoryClient {
    /// The same client, which asks `fallback` where a call fails for another reason than the
    /// method's own, before any fallback that the service names. Its answers are marked as
    /// degraded. One-way calls have none.
    #[must_use]
    pub fn with_fallback(&self, fallback: impl Inventory) -> Self {
        Self {
            stub: self.stub.clone(),
            standby: ::rpc_core::__private::Standby::new(::std::sync::Arc::new(fallback)),
        }
    }
}
///Serves an implementation of [`Inventory`]: `Server::builder().add(InventoryServer::new(..))`.
pub struct InventoryServer<__S: ?::core::marker::Sized> {
    implementation: ::std::sync::Arc<__S>,
}
impl<__S: Inventory> InventoryServer<__S> {
    /// Serves `implementation`.
    pub fn new(implementation: __S) -> Self {
        Self {
            implementation: ::std::sync::Arc::new(implementation),
        }
    }
}
impl<__S: Inventory + ?::core::marker::Sized> InventoryServer<__S> {
    /// Serves an implementation that others hold as well.
    pub fn from_arc(implementation: ::std::sync::Arc<__S>) -> Self {
        Self { implementation }
    }
}
impl<__S: ?::core::marker::Sized> ::core::clone::Clone for InventoryServer<__S> {
    fn clone(&self) -> Self {
        Self {
            implementation: ::std::sync::Arc::clone(&self.implementation),
        }
    }
}
impl<__S: ?::core::marker::Sized> ::core::fmt::Debug for InventoryServer<__S> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str("InventoryServer")
    }
}
///The object-safe companion of [`Inventory`].
pub mod inventory {
    #[allow(unused_imports)]
    use super::*;
    ///[`Inventory`](super::Inventory) as an object: `Arc<dyn inventory::Dyn>` implements it.
    #[allow(clippy::all, deprecated, non_snake_case, private_interfaces)]
    pub trait Dyn: ::core::marker::Send + ::core::marker::Sync + 'static {
        ///See [`Inventory::price`](super::Inventory::price).
        fn price<'a>(
            &'a self,
            sku: String,
            day: Option<String>,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<u64, Status>>;
        ///See [`Inventory::viewed`](super::Inventory::viewed).
        fn viewed<'a>(
            &'a self,
            sku: String,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<(), Status>>;
        ///See [`Inventory::currency`](super::Inventory::currency).
        fn currency<'a>(
            &'a self,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<String, Status>>;
    }
    #[allow(deprecated)]
    impl<__S: super::Inventory> Dyn for __S {
        fn price<'a>(
            &'a self,
            sku: String,
            day: Option<String>,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<u64, Status>> {
            ::std::boxed::Box::pin(<__S as super::Inventory>::price(self, sku, day))
        }
        fn viewed<'a>(
            &'a self,
            sku: String,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<(), Status>> {
            ::std::boxed::Box::pin(<__S as super::Inventory>::viewed(self, sku))
        }
        fn currency<'a>(
            &'a self,
        ) -> ::rpc_core::__private::BoxFuture<'a, Result<String, Status>> {
            ::std::boxed::Box::pin(<__S as super::Inventory>::currency(self))
        }
    }
}
#[allow(deprecated)]
impl Inventory for dyn inventory::Dyn {
    fn price(
        &self,
        sku: String,
        day: Option<String>,
    ) -> impl ::core::future::Future<
        Output = Result<u64, Status>,
    > + ::core::marker::Send {
        inventory::Dyn::price(self, sku, day)
    }
    fn viewed(
        &self,
        sku: String,
    ) -> impl ::core::future::Future<
        Output = Result<(), Status>,
    > + ::core::marker::Send {
        inventory::Dyn::viewed(self, sku)
    }
    fn currency(
        &self,
    ) -> impl ::core::future::Future<
        Output = Result<String, Status>,
    > + ::core::marker::Send {
        inventory::Dyn::currency(self)
    }
}
#[allow(deprecated)]
impl<__S: Inventory + ?::core::marker::Sized> Inventory for ::std::sync::Arc<__S> {
    fn price(
        &self,
        sku: String,
        day: Option<String>,
    ) -> impl ::core::future::Future<
        Output = Result<u64, Status>,
    > + ::core::marker::Send {
        <__S as Inventory>::price(&**self, sku, day)
    }
    fn viewed(
        &self,
        sku: String,
    ) -> impl ::core::future::Future<
        Output = Result<(), Status>,
    > + ::core::marker::Send {
        <__S as Inventory>::viewed(&**self, sku)
    }
    fn currency(
        &self,
    ) -> impl ::core::future::Future<
        Output = Result<String, Status>,
    > + ::core::marker::Send {
        <__S as Inventory>::currency(&**self)
    }
}
#[allow(deprecated, non_snake_case)]
const _: () = {
    use ::rpc_core::__private::rules as __rules;
    type __Formats = (::rpc_core::format::MessagePack, ::rpc_core::format::Json);
    static __METHODS: [::rpc_core::__private::Method; 3usize] = [
        ::rpc_core::__private::Method::new(
                "shop.Inventory",
                "price",
                "shop.Inventory/price",
            )
            .idempotent()
            .with_rules(__rules::Rules {
                timeout: ::core::option::Option::Some(
                    __rules::On(::core::time::Duration::from_millis(200u64)),
                ),
                ..__rules::Rules::NONE
            }),
        ::rpc_core::__private::Method::new(
                "shop.Inventory",
                "viewed",
                "shop.Inventory/viewed",
            )
            .oneway(),
        ::rpc_core::__private::Method::new(
            "shop.Inventory",
            "currency",
            "shop.Inventory/currency",
        ),
    ];
    #[derive(
        ::rpc_core::__private::serde::Serialize,
        ::rpc_core::__private::serde::Deserialize
    )]
    #[serde(
        crate = "::rpc_core::__private::serde",
        expecting = "the arguments of shop.Inventory/price"
    )]
    struct __PriceArgs {
        sku: String,
        #[serde(default)]
        day: Option<String>,
    }
    #[derive(
        ::rpc_core::__private::serde::Serialize,
        ::rpc_core::__private::serde::Deserialize
    )]
    #[serde(
        crate = "::rpc_core::__private::serde",
        expecting = "the arguments of shop.Inventory/viewed"
    )]
    struct __ViewedArgs {
        sku: String,
    }
    #[derive(
        ::rpc_core::__private::serde::Serialize,
        ::rpc_core::__private::serde::Deserialize
    )]
    #[serde(
        crate = "::rpc_core::__private::serde",
        expecting = "the arguments of shop.Inventory/currency"
    )]
    struct __CurrencyArgs {}
    impl ::rpc_core::__private::Client for InventoryClient {
        const SERVICE: &'static str = "shop.Inventory";
        const METHODS: &'static [::rpc_core::__private::Method] = &__METHODS;
        fn from_stub(stub: ::rpc_core::__private::Stub) -> Self {
            Self {
                stub,
                standby: ::rpc_core::__private::Standby::NOBODY,
            }
        }
    }
    impl Inventory for InventoryClient {
        fn price(
            &self,
            sku: String,
            day: Option<String>,
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
                |standby, args| inventory::Dyn::price(standby, args.sku, args.day),
                ::rpc_core::__private::NoFallback,
            )
        }
        fn viewed(
            &self,
            sku: String,
        ) -> impl ::core::future::Future<
            Output = Result<(), Status>,
        > + ::core::marker::Send {
            ::rpc_core::__private::oneway::<
                __Formats,
                __ViewedArgs,
                Result<(), Status>,
            >(&self.stub, 1usize, __ViewedArgs { sku })
        }
        fn currency(
            &self,
        ) -> impl ::core::future::Future<
            Output = Result<String, Status>,
        > + ::core::marker::Send {
            ::rpc_core::__private::unary_or::<
                __Formats,
                __CurrencyArgs,
                Result<String, Status>,
                _,
                _,
                _,
            >(
                &self.stub,
                2usize,
                __CurrencyArgs {},
                &self.standby,
                |standby, _args| inventory::Dyn::currency(standby),
                ::rpc_core::__private::NoFallback,
            )
        }
    }
    impl<__S: Inventory + ?::core::marker::Sized> ::rpc_core::__private::Serve
    for InventoryServer<__S> {
        fn into_service(self) -> ::rpc_core::__private::Service {
            ::rpc_core::__private::Routes::new("shop.Inventory", self.implementation)
                .unary::<
                    __Formats,
                    __PriceArgs,
                    Result<u64, Status>,
                    _,
                    _,
                >(
                    &__METHODS[0usize],
                    |service: ::std::sync::Arc<__S>, args: __PriceArgs| async move {
                        <__S as Inventory>::price(&*service, args.sku, args.day).await
                    },
                )
                .oneway::<
                    __Formats,
                    __ViewedArgs,
                    Result<(), Status>,
                    _,
                    _,
                >(
                    &__METHODS[1usize],
                    |service: ::std::sync::Arc<__S>, args: __ViewedArgs| async move {
                        <__S as Inventory>::viewed(&*service, args.sku).await
                    },
                )
                .unary::<
                    __Formats,
                    __CurrencyArgs,
                    Result<String, Status>,
                    _,
                    _,
                >(
                    &__METHODS[2usize],
                    |service: ::std::sync::Arc<__S>, _args: __CurrencyArgs| async move {
                        <__S as Inventory>::currency(&*service).await
                    },
                )
                .into_service()
        }
    }
};
