//! A format of one's own is one marker and one impl: here one line of text for each value, with the
//! way to it in front, so that `grep` and `diff` work on captured messages.
//!
//! ```text
//! ["article","sku"] "A-17"
//! ["article","tags",0] "red"
//! ```

use bytes::{Bytes, BytesMut};
use rpc_core::format::bounded;
use rpc_core::{DecodeLimits, Format, FormatError, Server, Status, service};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The marker.
struct Lines;

const NAME: &str = "lines";

/// The impl: for every type that can be written as JSON, so that users' types need nothing new.
impl<T: Serialize + DeserializeOwned> Format<T> for Lines {
    const NAME: &'static str = NAME;

    fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
        let value =
            serde_json::to_value(value).map_err(|error| FormatError::encode(NAME, error))?;
        write(&value, &mut Vec::new(), out);
        Ok(())
    }

    fn decode(bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError> {
        let text = std::str::from_utf8(&bytes).map_err(|error| FormatError::decode(NAME, error))?;
        let mut value = Value::Null;
        for line in text.lines() {
            read(line, &mut value, limits)?;
        }
        bounded::deserialize(value, limits).map_err(|error| FormatError::decode(NAME, error))
    }
}

/// A line for each value inside of `value`; what is empty is a value of its own.
fn write(value: &Value, path: &mut Vec<Value>, out: &mut BytesMut) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                path.push(name.as_str().into());
                write(value, path, out);
                path.pop();
            }
        }
        Value::Array(elements) if !elements.is_empty() => {
            for (index, value) in elements.iter().enumerate() {
                path.push(index.into());
                write(value, path, out);
                path.pop();
            }
        }
        leaf => {
            let path = Value::Array(path.clone());
            out.extend_from_slice(format!("{path} {leaf}\n").as_bytes());
        }
    }
}

/// Puts what a line says in its place inside of `root`. The line may come from anyone: it neither
/// nests deeper than the limits say nor makes room for more than it brings.
fn read(line: &str, root: &mut Value, limits: &DecodeLimits) -> Result<(), FormatError> {
    let mut parts = serde_json::Deserializer::from_str(line).into_iter::<Value>();
    let (path, leaf) = match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(Value::Array(path))), Some(Ok(leaf)), None) => (path, leaf),
        _ => return Err(bad("expected a path and a value", line)),
    };
    if path.len() >= limits.max_depth as usize {
        return Err(FormatError::TooDeep { max: limits.max_depth });
    }
    let mut place = root;
    for step in path {
        place = inside(place, step).ok_or_else(|| bad("a path that leads nowhere", line))?;
    }
    *place = leaf;
    Ok(())
}

/// The place one step further in, made if it is the next there can be.
fn inside(place: &mut Value, step: Value) -> Option<&mut Value> {
    match step {
        Value::String(name) => {
            if place.is_null() {
                *place = Value::Object(serde_json::Map::new());
            }
            Some(place.as_object_mut()?.entry(name).or_insert(Value::Null))
        }
        Value::Number(index) => {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            let elements = place.as_array_mut()?;
            let index = usize::try_from(index.as_u64()?).ok()?;
            if index == elements.len() {
                elements.push(Value::Null);
            }
            elements.get_mut(index)
        }
        _ => None,
    }
}

fn bad(what: &str, line: &str) -> FormatError {
    let shown: String = line.chars().take(80).collect();
    FormatError::decode(NAME, format!("{what} in `{shown}`"))
}

#[service(name = "shop.Catalog", formats(Json, Lines))]
trait Catalog {
    /// Adds an article; returns it as it was understood.
    async fn add(&self, article: Article) -> Result<Article, Status>;
}

/// Something to sell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Article {
    sku: String,
    cents: u64,
    tags: Vec<String>,
}

struct Shop;

impl Catalog for Shop {
    async fn add(&self, article: Article) -> Result<Article, Status> {
        Ok(article)
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().add(CatalogServer::new(Shop)).listen("127.0.0.1:0").await?;
    let catalog = CatalogClient::connect(&server.address().to_string()).await?.with_format(NAME);

    let article = Article { sku: "A 17".into(), cents: 1999, tags: vec!["red".into(), "".into()] };
    let same = catalog.add(article.clone()).await?;
    assert_eq!(same, article);

    let mut text = BytesMut::new();
    Lines::encode(&article, &mut text).map_err(|error| Status::internal(error.to_string()))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    print!("{text}");
    assert_eq!(
        text,
        "[\"cents\"] 1999\n[\"sku\"] \"A 17\"\n[\"tags\",0] \"red\"\n[\"tags\",1] \"\"\n"
    );

    // Neither of these makes room for what it does not bring.
    let decode = |text: &'static str| -> Result<Vec<u64>, FormatError> {
        Lines::decode(Bytes::from_static(text.as_bytes()), &DecodeLimits::default())
    };
    assert_eq!(decode("[0] 7\n[1] 8").ok(), Some(vec![7, 8]));
    for hostile in ["[4000000000] 7", "[0] 7\n[0,\"x\"] 8", "7", "[0]", "[0] 7 8", "[null] 7"] {
        let error = decode(hostile).expect_err("it is no list of numbers");
        println!("{error}");
    }
    Ok(())
}
