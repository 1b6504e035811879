//! TOML into located values. The crate `toml` parses; it keeps the span of each key and value.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Fault, Field, Node, Reading, Value, said_twice};

pub(crate) fn read(text: &str, reading: &mut Reading<'_>) -> Result<Node, Vec<Fault>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(|error| fault(text, error)).collect());
    }
    let place = reading.enter(0, 0)?;
    Ok(Node { value: table(root.into_inner(), reading, 0)?, place })
}

fn fault(text: &str, error: &toml::de::Error) -> Fault {
    let at = error.span().map(|span| span.start);
    let word = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    let problem = match error.message() {
        "duplicate key" if !word.is_empty() => said_twice(word.trim_matches(['"', '\'']), None),
        message => format!("this is not TOML: {message}"),
    };
    Fault { at, problem }
}

fn node(
    value: Spanned<DeValue<'_>>,
    reading: &mut Reading<'_>,
    depth: usize,
) -> Result<Node, Vec<Fault>> {
    let place = reading.enter(value.span().start, depth)?;
    let value = match value.into_inner() {
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(whole) => Value::Whole(whole),
            Err(_) => Value::Number(number.to_string()),
        },
        DeValue::Float(number) => Value::Number(number.to_string()),
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => {
            let items = items.into_iter().map(|item| node(item, reading, depth + 1));
            Value::List(items.collect::<Result<_, _>>()?)
        }
        DeValue::Table(fields) => table(fields, reading, depth)?,
    };
    Ok(Node { value, place })
}

fn table(
    fields: DeTable<'_>,
    reading: &mut Reading<'_>,
    depth: usize,
) -> Result<Value, Vec<Fault>> {
    let mut fields: Vec<_> = fields.into_iter().collect();
    fields.sort_by_key(|(name, _)| name.span().start);
    let field = |(name, value): (Spanned<std::borrow::Cow<'_, str>>, _)| {
        let place = reading.enter(name.span().start, depth)?;
        let node = node(value, reading, depth + 1)?;
        Ok(Field { name: name.into_inner().into_owned(), place, node })
    };
    Ok(Value::Table(fields.into_iter().map(field).collect::<Result<_, Vec<Fault>>>()?))
}
