//! Attempts after the first, and what they may cost.
