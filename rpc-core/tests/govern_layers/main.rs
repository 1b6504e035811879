//! The tower layers of `governance::layer` around hand-written services, with made-up time.

mod backend;
mod breaking;
mod dropping;
mod limiting;
mod readiness;
mod repeating;
mod stack;
