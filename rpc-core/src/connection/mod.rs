//! One multiplexed connection, for either role.
//!
//! A connection is one task, the [`driver`], which alone owns the socket. Everyone else talks to it
//! through the [`outbox`]: callers and handlers write their frames there, on their own threads, and
//! the driver writes what has gathered in one go. What comes in is handed to the connection's role:
//! [`calling`] completes calls that wait, [`serving`] starts handlers. The machines
//! ([`pending`], [`keepalive`], [`budget`]) take `now` and own nothing.

mod answering;
mod batch;
mod budget;
mod calling;
mod compressed;
mod driver;
mod execution;
mod fault;
mod inbound;
mod keepalive;
mod limits;
mod outbound;
mod outbox;
mod pending;
mod places;
mod returned;
mod serving;

pub(crate) use calling::{Answer, Connection, Sequel, State, nudged, start};
pub(crate) use execution::Run;
pub use limits::Limits;
pub(crate) use limits::check_name;
pub(crate) use places::{Place, Places};
pub(crate) use returned::Returned;
pub(crate) use serving::{Accept, Accepted, Incoming, Phase, Serving};
