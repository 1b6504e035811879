//! JSON into located values. The crate `jsonc-parser` parses, with its leniencies off: other
//! programs have to read these files too.

use std::collections::HashMap;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::document::{Fault, Field, Node, Reading, Value, said_twice};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(crate) fn read(text: &str, reading: &mut Reading<'_>) -> Result<Node, Vec<Fault>> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &STRICT).map_err(|error| {
        let what = error.kind().to_string();
        let mut letters = what.chars();
        let first = letters.next().map(char::to_lowercase).into_iter().flatten();
        let problem = format!("this is not JSON: {}", first.chain(letters).collect::<String>());
        vec![Fault { at: Some(error.range().start), problem }]
    })?;
    match parsed.value {
        Some(value) => node(value, reading, 0),
        None => Err(vec![Fault { at: Some(0), problem: "this is not JSON: it is empty".into() }]),
    }
}

fn node(
    value: ast::Value<'_>,
    reading: &mut Reading<'_>,
    depth: usize,
) -> Result<Node, Vec<Fault>> {
    let place = reading.enter(value.start(), depth)?;
    let value = match value {
        ast::Value::BooleanLit(flag) => Value::Flag(flag.value),
        ast::Value::NumberLit(number) => match number.value.parse() {
            Ok(whole) => Value::Whole(whole),
            Err(_) => Value::Number(number.value.to_owned()),
        },
        ast::Value::StringLit(text) => Value::Text(text.value.into_owned()),
        ast::Value::NullKeyword(_) => Value::Other("null"),
        ast::Value::Array(items) => {
            let items = items.elements.into_iter().map(|item| node(item, reading, depth + 1));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        ast::Value::Object(object) => {
            let mut fields: Vec<Field> = Vec::with_capacity(object.properties.len());
            let mut seen = HashMap::new();
            for property in object.properties {
                let at = property.name.start();
                let place = reading.enter(at, depth)?;
                let name = property.name.into_string();
                if let Some(first) = seen.insert(name.clone(), place) {
                    reading.note(at, said_twice(&name, Some(first)));
                }
                fields.push(Field { name, place, node: node(property.value, reading, depth + 1)? });
            }
            Value::Table(fields)
        }
    };
    Ok(Node { value, place })
}
