//! Calling: from a generated client's method to an answer.

mod attempts;
mod builder;
mod call;
mod channel;
mod fallback;
mod governed;
mod node;
mod options;
mod stub;

pub use builder::{ChannelBuilder, ClientBuilder};
pub use channel::Channel;
pub use fallback::{ByDefault, Function, NoFallback, Otherwise, Standby, unary_or};
pub use stub::{Client, Stub, oneway, unary};
