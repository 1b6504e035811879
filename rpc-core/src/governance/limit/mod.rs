//! Limits: how many calls per time, and how many at a time.
