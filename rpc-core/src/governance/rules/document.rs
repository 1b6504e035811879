//! A file's values with their places, whatever syntax it is in. Bounded: a rules file comes from
//! people, registries and consoles, and a slip must not take the process with it.

use std::cell::Cell;
use std::sync::Arc;

use super::mistake::{Mistake, Mistakes, Place};
use super::{json, toml};

/// Most bytes of a source of rules.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Tables and lists inside each other; rules need five.
pub(crate) const MAX_DEPTH: usize = 16;

/// Most values, tables and lists included.
const MAX_VALUES: usize = 50_000;

/// The syntax of a source of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// TOML.
    Toml,
    /// JSON, as RFC 8259 has it.
    Json,
}

impl Syntax {
    /// As it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Toml => "TOML",
            Self::Json => "JSON",
        }
    }
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Flag(bool),
    Whole(i64),
    /// Any other number, as it stands there.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the source.
    Table(Vec<Field>),
    /// What no rule is made of: "a date".
    Other(&'static str),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) node: Node,
}

/// Reads `text`, which came from `source`.
///
/// # Errors
/// Where it is not of its syntax, or goes beyond a bound.
pub(crate) fn read(source: &Arc<str>, syntax: Syntax, text: &str) -> Result<Node, Mistakes> {
    let mistake = |place, problem: String| Mistake {
        source: source.clone(),
        place,
        field: String::new(),
        problem,
        meant: None,
        expected: String::new(),
    };
    if text.len() > MAX_BYTES {
        let problem = format!("{} bytes are too many; expected at most {MAX_BYTES}", text.len());
        return Err(Mistakes::only(mistake(None, problem)));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reading = Reading { lines: Lines::of(text), values: 0, noted: Vec::new() };
    let read = match syntax {
        Syntax::Toml => toml::read(text, &mut reading),
        Syntax::Json => json::read(text, &mut reading),
    };
    let refuse = |faults: Vec<Fault>, lines: &Lines<'_>| {
        let mistake = |Fault { at, problem }| mistake(at.map(|at| lines.place(at)), problem);
        Mistakes::found(faults.into_iter().map(mistake).collect())
    };
    match read {
        Ok(root) => match refuse(reading.noted, &reading.lines) {
            Some(mistakes) => Err(mistakes),
            None => Ok(root),
        },
        Err(faults) => Err(refuse(faults, &reading.lines).expect("who can't read says why")),
    }
}

/// What is wrong with a key that its table has already.
pub(crate) fn said_twice(name: &str, first: Option<Place>) -> String {
    match first {
        Some(Place { line, .. }) => format!("`{name}` is said twice, first in line {line}"),
        None => format!("`{name}` is said twice"),
    }
}

/// Why a text can't be read, and at which byte.
pub(crate) struct Fault {
    pub(crate) at: Option<usize>,
    pub(crate) problem: String,
}

/// What the readers of all syntaxes share.
pub(crate) struct Reading<'a> {
    lines: Lines<'a>,
    values: usize,
    /// What is wrong, though reading can go on.
    noted: Vec<Fault>,
}

impl Reading<'_> {
    /// Counts a value that begins at the byte `at`, `depth` tables or lists deep.
    pub(crate) fn enter(&mut self, at: usize, depth: usize) -> Result<Place, Vec<Fault>> {
        self.values += 1;
        let problem = if depth > MAX_DEPTH {
            format!("tables and lists are nested more than {MAX_DEPTH} deep; rules need five")
        } else if self.values > MAX_VALUES {
            format!("there are more than {MAX_VALUES} values")
        } else {
            return Ok(self.lines.place(at));
        };
        Err(vec![Fault { at: Some(at), problem }])
    }

    /// Notes that something is wrong at the byte `at`.
    pub(crate) fn note(&mut self, at: usize, problem: String) {
        self.noted.push(Fault { at: Some(at), problem });
    }
}

/// Where the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    begins: Vec<usize>,
    /// Where the last place was found: a byte, and its place. Places are asked for nearly in order, and
    /// a megabyte of JSON may be one line.
    last: Cell<(usize, Place)>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let behind = |(at, _): (usize, &str)| at + 1;
        let begins = std::iter::once(0).chain(text.match_indices('\n').map(behind)).collect();
        Self { text, begins, last: Cell::new((0, Place { line: 1, column: 1 })) }
    }

    /// The place of the byte `at`.
    fn place(&self, at: usize) -> Place {
        let at = at.min(self.text.len());
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let line = self.begins.partition_point(|begin| *begin <= at);
        let (from, before) = match self.last.get() {
            (last, place) if place.line == number(line) && last <= at => (last, place.column),
            _ => (self.begins[line - 1], 1),
        };
        // A character is a byte that continues none.
        let passed = &self.text.as_bytes()[from..at];
        let column = passed.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        let column = before.saturating_add(number(column));
        let place = Place { line: number(line), column };
        self.last.set((at, place));
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(syntax: Syntax, text: &str) -> String {
        read(&"r".into(), syntax, text).expect_err("refused").to_string()
    }

    #[test]
    fn columns_count_characters() {
        let lines = Lines::of("a\nßx\r\n");
        let place = |at| (lines.place(at).line, lines.place(at).column);
        assert_eq!([place(0), place(1), place(2), place(4)], [(1, 1), (1, 2), (2, 1), (2, 2)]);
        assert_eq!(place(99), (3, 1));
        assert_eq!([place(4), place(2), place(5)], [(2, 2), (2, 1), (2, 3)], "in any order");
    }

    #[test]
    fn a_bomb_is_refused_and_not_recursed_into() {
        for depth in [MAX_DEPTH + 2, 100_000] {
            let lists = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            for refusal in
                [problem(Syntax::Json, &lists), problem(Syntax::Toml, &format!("a = {lists}"))]
            {
                assert!(refusal.contains("nest") || refusal.contains("recursion"), "{refusal}");
            }
            let table = vec!["a"; depth + 1].join(".");
            let refusal = problem(Syntax::Toml, &format!("[{table}]"));
            assert!(refusal.contains("nest") || refusal.contains("recursion"), "{refusal}");
        }
        let many = format!("[{}1]", "1,".repeat(MAX_VALUES));
        assert!(problem(Syntax::Json, &many).contains("more than 50000 values"));
        assert!(problem(Syntax::Toml, &" ".repeat(MAX_BYTES + 1)).contains("too many"));
    }
}
