//! Which rules are in force in this process, where they came from, and the machines behind them.
//!
//! `governance` knows what rules mean and how machines decide; this room knows files, tasks, time,
//! and which method of which target a machine belongs to. Clients and servers ask it; it knows neither.

mod client;
mod concurrency;
mod explain;
mod file;
mod further;
mod governance;
mod history;
mod last_good;
mod refusals;
mod served;
mod server;
mod slips;
mod source;
mod steps;
mod tally;
mod wall;

pub use file::FileSource;
pub use governance::{Governance, Switch};
pub use history::{History, NoSuchVersion, Version};
pub use source::{News, Source, Standing, Trouble, follow};

pub(crate) use client::{About, BreakerStep, ClientMethod, ClientSteps};
pub(crate) use concurrency::{ConcurrencyStep, OwnPlace, OwnWaiting, PlaceOf};
pub(crate) use further::Further;
pub(crate) use governance::{BUILDER, rules_of_builder};
pub(crate) use served::Listed;
pub(crate) use server::{ServerMethod, ServerSteps};
pub(crate) use steps::{Asking, Held, RateStep, Turn};
