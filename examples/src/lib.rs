//! What several examples share: [`rates`], a service over real data.

pub mod rates;
