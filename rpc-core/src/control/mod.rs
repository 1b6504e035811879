//! Which rules are in force in this process, where they came from, and the machines behind them.
//!
//! `governance` knows what rules mean and how machines decide; this room knows files, tasks, time,
//! and which method of which target a machine belongs to. Clients and servers ask it; it knows neither.

mod breakers;
mod client;
mod concurrency;
mod explain;
mod file;
mod further;
mod given;
mod governance;
mod history;
mod last_good;
mod measure;
mod refusals;
mod register;
mod served;
mod server;
mod slips;
mod source;
mod steps;
mod switches;
mod tally;
mod wall;

pub use file::FileSource;
pub use governance::Governance;
pub use history::{History, NoSuchVersion, Version};
pub use source::{News, Source, Standing, Trouble, follow};
pub use switches::Switch;

pub(crate) use breakers::BreakerStep;
pub(crate) use client::{About, ClientMethod, ClientSteps};
pub(crate) use concurrency::{ConcurrencyStep, OwnPlace, OwnWaiting, PlaceOf};
pub(crate) use further::Further;
pub(crate) use given::{BUILDER, rules_of_builder};
pub(crate) use served::Listed;
pub(crate) use server::{ServerMethod, ServerSteps};
pub(crate) use steps::{Asking, Held, RateStep, Turn};
