//! Limits that find out for themselves how much is too much.
