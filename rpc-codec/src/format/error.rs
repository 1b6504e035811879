//! Values that can't be written or read.

use std::error::Error;
use std::fmt;

/// A value that could not be encoded or decoded.
#[derive(Debug)]
#[non_exhaustive]
pub enum FormatError {
    /// The format has no way to write it.
    Encode {
        /// Its name.
        format: &'static str,
        /// What it says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The bytes are no such value.
    Decode {
        /// Its name.
        format: &'static str,
        /// What it says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no such format here.
    Unknown {
        /// The one asked for.
        name: String,
        /// Those there are.
        known: &'static [&'static str],
    },
    /// Containers inside containers, too many.
    TooDeep {
        /// How many there may be.
        max: u32,
    },
    /// Too many values.
    TooManyElements {
        /// How many there may be.
        max: u32,
    },
}

/// What is shown of a name that a peer made up.
const SHOWN: usize = 32;

impl FormatError {
    /// `format` could not write a value.
    pub fn encode(format: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Encode { format, source: source.into() }
    }

    /// `format` could not read a value.
    pub fn decode(format: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Decode { format, source: source.into() }
    }

    /// There is no format `name` among the `known` ones.
    pub fn unknown(name: &str, known: &'static [&'static str]) -> Self {
        Self::Unknown { name: name.chars().take(SHOWN).collect(), known }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode { format, source } => write!(f, "{format}: {source}"),
            Self::Decode { format, source } => write!(f, "bad {format}: {source}"),
            Self::Unknown { name, known } => write!(
                f,
                "unknown format `{}`: this method speaks {}",
                name.escape_debug(),
                known.join(", ")
            ),
            Self::TooDeep { max } => {
                write!(f, "values are nested too deeply, expected at most {max} levels")
            }
            Self::TooManyElements { max } => {
                write!(f, "too many values in one message, expected at most {max}")
            }
        }
    }
}

impl Error for FormatError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Encode { source, .. } | Self::Decode { source, .. } => Some(&**source),
            _ => None,
        }
    }
}
