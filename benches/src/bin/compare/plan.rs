//! What is measured, and in which order.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::peer::Contender;

/// What the calls are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Nothing but echoes.
    Echo,
}

/// How many calls are in flight, on how many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) in_flight: usize,
    pub(crate) connections: usize,
}

/// Which of tokio's runtimes one worker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// The one for one thread, which is the main one.
    #[default]
    Current,
    /// The one for many, with a thread of its own for its worker.
    Multi,
}

/// What is measured of every contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) scenario: Scenario,
    pub(crate) payload_bytes: usize,
    pub(crate) load: Load,
    pub(crate) workers: usize,
}

/// One measurement: all that its two processes are told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) contender: Contender,
    pub(crate) cell: Cell,
    pub(crate) shape: Shape,
    pub(crate) round: u32,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
}

impl Cell {
    pub(crate) fn echo(payload_bytes: usize, load: Load) -> Self {
        Self { scenario: Scenario::Echo, payload_bytes, load, workers: 1 }
    }
}

/// The contenders of a round: each round begins with another one, so that none of them is always
/// measured when the machine is in the same mood.
pub(crate) fn rotated(contenders: &[Contender], round: u32) -> Vec<Contender> {
    let mut order = contenders.to_vec();
    if !order.is_empty() {
        order.rotate_left(round as usize % contenders.len());
    }
    order
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.in_flight, self.connections)
    }
}

impl FromStr for Load {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let wrong = || format!("`{text}` is not calls in flight / connections, as in 64/1");
        let (in_flight, connections) = text.split_once('/').ok_or_else(wrong)?;
        let load = Self { in_flight: in_flight.parse()?, connections: connections.parse()? };
        if load.connections == 0 || load.in_flight < load.connections {
            return Err(format!("{load}: every connection needs a call in flight").into());
        }
        Ok(load)
    }
}

impl FromStr for Shape {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        match text {
            "current" => Ok(Self::Current),
            "multi" => Ok(Self::Multi),
            other => Err(format!("`{other}` is neither `current` nor `multi`").into()),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { payload_bytes, load, .. } = self;
        write!(f, "echo, {payload_bytes} B, {load}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Load, rotated};
    use crate::peer::Contender;

    #[test]
    fn every_contender_begins_a_round() {
        let all = Contender::all();
        let rounds = (0..).take(all.len());
        let firsts: Vec<_> = rounds.map(|round| rotated(&all, round)[0].to_string()).collect();
        assert_eq!(firsts, all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(rotated(&[], 3).is_empty());
    }

    #[test]
    fn a_load_is_calls_and_connections() {
        let load: Load = "64/4".parse().expect("it is well formed");
        assert_eq!((load.in_flight, load.connections), (64, 4));
        for wrong in ["64", "64/0", "1/4", "a/b", ""] {
            assert!(wrong.parse::<Load>().is_err(), "{wrong}");
        }
    }
}
