//! Reads single values off a document, and notes at which key something is wrong.

use std::sync::Arc;
use std::time::Duration;

use super::super::document::{Field, Node, Value};
use super::super::mistake::{Mistake, Place, Wrong};
use super::super::set::{Origin, Strength};
use super::super::suggest::{listed, nearest};
use super::super::types::Share;
use super::super::units::{
    A_DURATION, A_SHARE, Misread, guess_unit, parse_duration, parse_share, quoted,
};
use super::super::words::Quoted;
use super::Catalogue;

/// Beyond so many mistakes this is no set of rules with mistakes in it.
const MAX_MISTAKES: usize = 500;

/// The mistakes so far, and the way to the value at hand.
pub(super) struct Reader<'a> {
    source: &'a Arc<str>,
    strength: Strength,
    /// What is known of methods, if anything is.
    pub(super) methods: Option<Catalogue<'a>>,
    path: Vec<String>,
    pub(super) mistakes: Vec<Mistake>,
}

/// A table of which every key is known.
pub(super) struct Table<'n> {
    fields: &'n [Field],
}

impl<'n> Table<'n> {
    pub(super) fn get(&self, name: &str) -> Option<&'n Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl<'a> Reader<'a> {
    pub(super) fn of(
        source: &'a Arc<str>,
        strength: Strength,
        methods: Option<Catalogue<'a>>,
    ) -> Self {
        Self { source, strength, methods, path: Vec::new(), mistakes: Vec::new() }
    }

    /// Who says what stands at `place`.
    pub(super) fn origin(&self, place: Place) -> Origin {
        let (strength, source) = (self.strength, self.source.clone());
        Origin { strength, source, place: Some(place), expires: None }
    }

    /// Whether so much is wrong that the rest need not be looked at: nobody repairs that much at once,
    /// and to guess what each was meant to be takes its time.
    pub(super) fn has_enough(&self) -> bool {
        self.mistakes.len() >= MAX_MISTAKES
    }

    /// Whether something is wrong with the value at hand, or inside of it.
    pub(super) fn has_mistakes_here(&self) -> bool {
        let here = self.path.join(".");
        self.mistakes.iter().any(|mistake| mistake.field.starts_with(&here))
    }

    /// Notes what is wrong with the value at hand.
    pub(super) fn refuse(&mut self, place: Place, wrong: impl Into<Wrong>) {
        let Wrong { problem, meant, expected } = wrong.into();
        let (source, field) = (self.source.clone(), self.path.join("."));
        let place = Some(place);
        self.mistakes.push(Mistake { source, place, field, problem, meant, expected });
    }

    /// Reads what is inside `name`.
    pub(super) fn inside<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        self.path.push(match name.len() {
            // It may be a megabyte of anything.
            0 | 101.. => quoted(name),
            _ if name.bytes().all(is_bare) => name.to_owned(),
            _ => Quoted(name).to_string(),
        });
        let read = read(self);
        self.path.pop();
        read
    }

    /// A table's fields, of which those that are not `known` are noted.
    pub(super) fn table<'n>(&mut self, fields: &'n [Field], known: &[&str]) -> Table<'n> {
        for field in fields {
            if self.has_enough() {
                break;
            }
            if !known.contains(&&*field.name) {
                let wrong = Wrong::new("there is no such key")
                    .meant(nearest(&field.name, known).map(|near| format!("`{near}`")))
                    .expected(listed(known));
                self.inside(&field.name, |reader| reader.refuse(field.place, wrong));
            }
        }
        Table { fields }
    }

    /// The value of `name`, if it is there and right.
    pub(super) fn field<'n, T>(
        &mut self,
        table: &Table<'n>,
        name: &str,
        read: impl FnOnce(&mut Self, &'n Node) -> Option<T>,
    ) -> Option<T> {
        let field = table.get(name)?;
        self.inside(name, |reader| read(reader, &field.node))
    }

    /// Notes that `name` says nothing, or something impossible, beside the other keys.
    pub(super) fn refuse_field(&mut self, table: &Table<'_>, name: &str, wrong: Wrong) {
        if let Some(field) = table.get(name) {
            self.inside(name, |reader| reader.refuse(field.node.place, wrong));
        }
    }

    /// What a text means.
    pub(super) fn unit<T>(
        &mut self,
        node: &Node,
        read: impl FnOnce(&str) -> Result<T, Misread>,
        otherwise: impl FnOnce(&Value) -> Wrong,
    ) -> Option<T> {
        let read = match &node.value {
            Value::Text(text) => read(text).map_err(Wrong::from),
            other => Err(otherwise(other)),
        };
        read.map_err(|wrong| self.refuse(node.place, wrong)).ok()
    }

    /// A duration, which may be zero.
    pub(super) fn time(&mut self, node: &Node) -> Option<Duration> {
        self.unit(node, parse_duration, |other| {
            let meant = match other {
                Value::Whole(number @ 0..) => Some(guess_unit(number.unsigned_abs())),
                Value::Flag(false) => Some("\"off\"".to_owned()),
                _ => None,
            };
            let problem = format!("{} is no duration", described(other));
            Wrong::new(problem).meant(meant).expected(A_DURATION)
        })
    }

    /// A duration above zero.
    pub(super) fn some_time(&mut self, node: &Node) -> Option<Duration> {
        let time = self.time(node)?;
        if time.is_zero() {
            let problem = format!("{} is no time at all", described(&node.value));
            self.refuse(node.place, Wrong::new(problem).expected("more than zero"));
            return None;
        }
        Some(time)
    }

    /// A whole number from `least` to `most`.
    pub(super) fn count(&mut self, node: &Node, least: u32, most: u32) -> Option<u32> {
        let expected = match most {
            u32::MAX => format!("a whole number, at least {least}"),
            most => format!("a whole number from {least} to {most}"),
        };
        let shown = described(&node.value);
        let wrong = match &node.value {
            Value::Whole(number) => match u32::try_from(*number) {
                Ok(number) if (least..=most).contains(&number) => return Some(number),
                _ if *number < i64::from(least) => Wrong::new(format!("{shown} is too few")),
                _ => Wrong::new(format!("{shown} is too many")),
            },
            Value::Text(text) => Wrong::new(format!("{shown} is no number"))
                .meant(text.trim().parse::<u32>().ok().map(|number| number.to_string())),
            Value::Number(_) => Wrong::new(format!("{shown} is no whole number")),
            _ => Wrong::new(format!("{shown} is no number")),
        };
        self.refuse(node.place, wrong.expected(expected));
        None
    }

    /// A share above nothing.
    pub(super) fn share(&mut self, node: &Node) -> Option<Share> {
        let share = self.unit(node, parse_share, |other| {
            let meant = match other {
                Value::Whole(percent @ 1..=100) => Some(format!("\"{percent}%\"")),
                Value::Number(number) => {
                    parse_share(number).err().and_then(|misread| misread.meant)
                }
                Value::Flag(false) => Some("\"off\"".to_owned()),
                _ => None,
            };
            Wrong::new(format!("{} is no share", described(other))).meant(meant).expected(A_SHARE)
        })?;
        if share == Share::ZERO {
            let wrong = Wrong::new("0% is reached by calls that all succeed");
            self.refuse(node.place, wrong.expected("more than 0%"));
            return None;
        }
        Some(share)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        known: &[(&str, T)],
    ) -> Option<T> {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let quotes: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let near = match &node.value {
            Value::Text(text) => match known.iter().find(|(name, _)| name == text) {
                Some((_, meaning)) => return Some(*meaning),
                None => nearest(text, &names).map(|near| format!("\"{near}\"")),
            },
            _ => None,
        };
        let wrong = Wrong::new(format!("{} is no {what}", described(&node.value)));
        self.refuse(node.place, wrong.meant(near).expected(one_of(&quotes)));
        None
    }
}

/// `"a", "b" or "c"`.
pub(super) fn one_of(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A value as a message shows it.
pub(super) fn described(value: &Value) -> String {
    match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Whole(number) => number.to_string(),
        Value::Number(number) if number.len() <= 40 => number.clone(),
        Value::Number(_) => "a number".to_owned(),
        Value::Text(text) => quoted(text),
        Value::List(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
        Value::Other(what) => (*what).to_owned(),
    }
}
