//! What is wrong with a set of rules: where, what, and what would be right. All of it at once, so
//! that a person repairs a file in one go.

use std::fmt;
use std::sync::Arc;

use super::units::Misread;

/// A line and a column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The character in it.
    pub column: u32,
}

/// One thing that is wrong.
///
/// Reads `rules.toml:8:12: client."shop.Inventory/price".limit.rate: "2000" is no rate; did you
/// mean "2000/s"? expected ..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, or whatever else the rules came from.
    pub source: Arc<str>,
    /// Where in it.
    pub place: Option<Place>,
    /// The key, from the outermost: `client.defaults.timeout`. Empty if none is to blame.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What was meant, probably.
    pub meant: Option<String>,
    /// What would be right; empty if the problem says so itself.
    pub expected: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.source)?;
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        if !self.field.is_empty() {
            write!(f, " {}:", self.field)?;
        }
        write!(f, " {}", self.problem)?;
        match (&self.meant, self.expected.is_empty()) {
            (Some(meant), true) => write!(f, "; did you mean {meant}?"),
            (Some(meant), false) => {
                write!(f, "; did you mean {meant}? expected {}", self.expected)
            }
            (None, true) => Ok(()),
            (None, false) => write!(f, "; expected {}", self.expected),
        }
    }
}

/// Why a set of rules is refused: at least one mistake, in the order of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    all: Vec<Mistake>,
    more: usize,
}

/// More are counted only: nobody reads on, and a file may be a megabyte of them.
const MAX_SHOWN: usize = 100;

impl Mistakes {
    /// Those that were found, if any.
    pub(crate) fn found(mut all: Vec<Mistake>) -> Option<Self> {
        all.sort_by_key(|mistake| mistake.place);
        let more = all.len().saturating_sub(MAX_SHOWN);
        all.truncate(MAX_SHOWN);
        (!all.is_empty()).then_some(Self { all, more })
    }

    /// That one.
    pub(crate) fn only(mistake: Mistake) -> Self {
        Self { all: vec![mistake], more: 0 }
    }

    /// Each of them; of very many the first.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.all.iter()
    }

    /// How many there are; of very many how many were looked at.
    pub fn count(&self) -> usize {
        self.all.len() + self.more
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.all.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{mistake}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more, at least"),
        }
    }
}

impl std::error::Error for Mistakes {}

/// What is wrong with a value, before it is known where it stands.
pub(crate) struct Wrong {
    pub(crate) problem: String,
    pub(crate) meant: Option<String>,
    pub(crate) expected: String,
}

impl Wrong {
    pub(crate) fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), meant: None, expected: String::new() }
    }

    pub(crate) fn meant(mut self, meant: Option<impl Into<String>>) -> Self {
        self.meant = meant.map(Into::into);
        self
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }
}

impl From<Misread> for Wrong {
    fn from(misread: Misread) -> Self {
        Self {
            problem: misread.problem,
            meant: misread.meant,
            expected: misread.expected.to_owned(),
        }
    }
}
