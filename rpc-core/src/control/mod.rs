//! Which rules are in force in this process, and where they came from: sources that are followed,
//! what they said before, and what became of a set that was refused.
//!
//! `governance::rules` knows what rules mean; this room knows files, tasks and time.

mod file;
mod history;
mod source;

pub use file::FileSource;
pub use history::{History, NoSuchVersion, Version};
pub use source::{News, Source, Standing, Trouble, follow};
