//! RPC with governance built in: annotate a trait, get a typed client and a server.
#![doc = include_str!("../doc/first.md")]

mod address;
mod clock;
mod connection;
mod context;
mod method;
mod reply;
mod report;
mod request;
mod service;
mod status;

pub mod client;
pub mod control;
pub mod governance;
pub mod observe;
pub mod server;
pub mod testing;
pub mod transport;

pub use address::Address;
pub use client::Channel;
pub use connection::Limits;
pub use context::{Context, Peer, Scope, spawn};
pub use control::Governance;
pub use method::Method;
pub use reply::Reply;
pub use report::CallReport;
pub use request::{Request, Response};
pub use rpc_codec::format::{self, DecodeLimits, Format, FormatError};
pub use rpc_codec::{Compression, Load, Metadata, MetadataError, Priority};
pub use rpc_macros::service;
pub use server::{Server, ServerHandle, ServerLimits};
pub use service::{BoxFuture, BoxService, CallLayer};
pub use status::{AppError, Code, Detail, Error, Executed, Origin, Status};

/// What expansions of `#[service]` name; not for anyone else.
#[doc(hidden)]
pub mod __private {
    pub use crate::client::{
        ByDefault, Client, Function, NoFallback, Standby, Stub, oneway, unary_or,
    };
    pub use crate::method::Method;
    pub use crate::reply::Reply;
    pub use crate::server::{Routes, Serve, Service};
    pub use crate::service::BoxFuture;
    pub use bytes::Bytes;
    pub use serde;

    /// What rules are made of, under one name.
    pub mod rules {
        pub use crate::Priority;
        pub use crate::governance::rules::Setting::{Off, On};
        pub use crate::governance::rules::{
            BreakerKind, BreakerRule, ConcurrencyRule, FallbackRule, HedgeAfter, HedgeRule, Key,
            Keys, LimitKind, LimitRule, Rate, RetryRule, RuleKey, Rules, Share, Window,
        };
    }
}

/// The README's programs, so that they go on compiling.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// How it is built.
#[cfg(doc)]
#[doc = include_str!("../ARCHITECTURE.md")]
pub mod architecture {}
