//! What `main` and the replays say to each other.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One fresh object of a library, what was done to it, and what was seen.
#[derive(Debug, Deserialize)]
pub(crate) struct Trace {
    pub(crate) id: String,
    pub(crate) lib: String,
    /// What the constructor was given; each library has its own.
    pub(crate) settings: Value,
    pub(crate) steps: Vec<Value>,
}

/// What became of a trace that agreed, as far as it was compared.
#[derive(Debug)]
pub(crate) enum Replayed {
    /// All of its steps agreed.
    Compared {
        /// How many were compared.
        steps: usize,
        /// How many were done but not compared, or not done at all, because the README says so.
        skipped: usize,
    },
    /// Ours behaves otherwise on purpose where the settings are these: why.
    LeftOut(&'static str),
}

/// Why a trace did not agree.
#[derive(Debug)]
pub(crate) enum Disagreement {
    /// A step went otherwise.
    Differs {
        /// Which one, from 0.
        step: usize,
        input: String,
        expected: String,
        got: String,
    },
    /// The trace says something that this test does not know.
    Malformed {
        /// Which step, if it is one.
        step: Option<usize>,
        why: String,
    },
}

impl Trace {
    /// The settings, as this library's.
    pub(crate) fn settings<T: DeserializeOwned>(&self) -> Result<T, Disagreement> {
        T::deserialize(&self.settings)
            .map_err(|why| Disagreement::Malformed { step: None, why: why.to_string() })
    }

    /// The steps, as this library's; one that is not known is an error.
    pub(crate) fn steps<T: DeserializeOwned>(
        &self,
    ) -> impl Iterator<Item = Result<T, Disagreement>> {
        self.steps.iter().enumerate().map(|(step, value)| {
            T::deserialize(value).map_err(|why| Disagreement::Malformed {
                step: Some(step),
                why: format!("{why}, in {value}"),
            })
        })
    }

    /// That step `step` went otherwise.
    pub(crate) fn differs(
        &self,
        step: usize,
        expected: impl fmt::Debug,
        got: impl fmt::Debug,
    ) -> Disagreement {
        Disagreement::Differs {
            step,
            input: self.steps[step].to_string(),
            expected: format!("{expected:?}"),
            got: format!("{got:?}"),
        }
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs { step, input, expected, got } => {
                write!(
                    f,
                    "step {step}\n  input    {input}\n  expected {expected}\n  got      {got}"
                )
            }
            Self::Malformed { step: Some(step), why } => write!(f, "step {step}\n  {why}"),
            Self::Malformed { step: None, why } => write!(f, "\n  {why}"),
        }
    }
}
