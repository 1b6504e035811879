//! What one measurement is about.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::peer::Contender;

/// What goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Nothing but echoes.
    Echo,
    /// Every handler computes for [`COMPUTING`].
    Compute,
    /// Echoes, and one call beside them at any time whose handler computes.
    Mixed,
    /// The same echoes, without that call.
    MixedIdle,
    /// Echoes, called by every rule there is.
    Governed,
    /// Connections that have carried a call, and nothing more.
    Idle,
}

/// How long a handler that computes does so.
pub(crate) const COMPUTING: Duration = Duration::from_micros(200);

/// How many calls are in flight, on how many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) in_flight: usize,
    pub(crate) connections: usize,
}

/// Which of tokio's runtimes one worker is; several are always the one for many threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Shape {
    /// The one for one thread, which is the main one.
    Current,
    /// The one for many, with a thread of its own for its worker: what `#[tokio::main]` makes.
    #[default]
    Multi,
}

/// What is measured of every contender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) scenario: Scenario,
    pub(crate) payload_bytes: usize,
    pub(crate) load: Load,
    /// The server's.
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
    /// Whether allocations and system calls are counted, which slows it down.
    pub(crate) counted: bool,
}

impl Load {
    pub(crate) fn new(in_flight: usize, connections: usize) -> Self {
        Self { in_flight, connections }
    }
}

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Compute => "compute",
            Self::Mixed => "mixed",
            Self::MixedIdle => "mixed-idle",
            Self::Governed => "governed",
            Self::Idle => "idle",
        }
    }

    const ALL: [Self; 6] =
        [Self::Echo, Self::Compute, Self::MixedIdle, Self::Mixed, Self::Governed, Self::Idle];

    /// Whether handlers compute, and several workers are to be seen at work.
    pub(crate) fn is_about_workers(self) -> bool {
        matches!(self, Self::Compute | Self::Mixed | Self::MixedIdle)
    }
}

impl Cell {
    /// Whether server and driver have a CPU of their own each.
    pub(crate) fn is_pinned(&self) -> bool {
        !self.scenario.is_about_workers()
    }
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
        let load = Self::new(in_flight.parse()?, connections.parse()?);
        if load.connections == 0 || load.in_flight < load.connections {
            return Err(format!("{load}: every connection needs a call in flight").into());
        }
        Ok(load)
    }
}

impl FromStr for Scenario {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let found = Self::ALL.into_iter().find(|scenario| scenario.name() == text);
        let known = Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| format!("no scenario `{text}`; there are {known}").into())
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
        let (name, load) = (self.scenario.name(), self.load);
        if self.scenario == Scenario::Idle {
            return write!(f, "{name}, {} connections", load.connections);
        }
        write!(f, "{name}, {} B, {load}", self.payload_bytes)?;
        if self.scenario.is_about_workers() {
            write!(f, ", {} worker(s)", self.workers)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Load;

    #[test]
    fn a_load_is_calls_and_connections() {
        let load: Load = "64/4".parse().expect("it is well formed");
        assert_eq!(load, Load::new(64, 4));
        for wrong in ["64", "64/0", "1/4", "a/b", ""] {
            assert!(wrong.parse::<Load>().is_err(), "{wrong}");
        }
    }
}
