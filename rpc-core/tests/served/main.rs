//! The rules of a server: what it refuses, before it has decoded anything.

mod admission;
mod callers;
mod changes;
mod queues;
mod world;
