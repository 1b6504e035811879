//! Calls that are governed, as users see them: by the generated client, on the in-memory network, in
//! paused time.

mod attempts;
mod breakers;
mod changes;
mod dark;
mod degraded;
mod drops;
mod limits;
mod paths;
mod shared;
mod tiers;
mod told;
mod watched;
mod world;
