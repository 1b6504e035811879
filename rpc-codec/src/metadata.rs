//! What travels beside a message: a few short keys and values.

use std::fmt;

use bytes::Bytes;

/// Keys of at most this length.
const MAX_KEY_BYTES: usize = 64;
/// Keys that begin so are the protocol's own.
const RESERVED: &str = "rpc-";

/// Keys and values beside a message, in the order they were put in. Empty it takes no memory.
///
/// ```
/// use rpc_codec::Metadata;
///
/// let mut metadata = Metadata::new();
/// metadata.insert("tenant", "eu")?;
/// assert_eq!(metadata.get("tenant"), Some("eu"));
/// assert!(metadata.insert("Tenant", "eu").is_err()); // keys are lower case
/// # Ok::<(), rpc_codec::MetadataError>(())
/// ```
#[derive(Clone, Default)]
pub struct Metadata {
    /// One word while there are none, which is the rule: this is moved with every call.
    #[expect(clippy::box_collection, reason = "a third of the size of a `Vec`")]
    entries: Option<Box<Vec<Entry>>>,
}

type Entry = (Box<str>, Bytes);

impl Metadata {
    /// Most entries there may be.
    pub const MAX_ENTRIES: usize = 64;
    /// Most bytes that keys and values may take together.
    pub const MAX_BYTES: usize = 16_384;

    /// Nothing.
    pub const fn new() -> Self {
        Self { entries: None }
    }

    /// Sets `key` to `value`, in place of what it had.
    ///
    /// # Errors
    /// If the key is not one, or there would be too much.
    pub fn insert(&mut self, key: &str, value: impl Into<Bytes>) -> Result<(), MetadataError> {
        let value = value.into();
        self.check(key, value.len(), true)?;
        self.remove(key);
        self.entries.get_or_insert_default().push((key.into(), value));
        Ok(())
    }

    /// Adds a value to those that `key` has.
    ///
    /// # Errors
    /// If the key is not one, or there would be too much.
    pub fn append(&mut self, key: &str, value: impl Into<Bytes>) -> Result<(), MetadataError> {
        let value = value.into();
        self.check(key, value.len(), false)?;
        self.entries.get_or_insert_default().push((key.into(), value));
        Ok(())
    }

    /// The first value of `key`, if it is text.
    pub fn get(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.get_bytes(key)?).ok()
    }

    /// The first value of `key`.
    pub fn get_bytes(&self, key: &str) -> Option<&Bytes> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Takes all values of `key` out; whether there were any.
    pub fn remove(&mut self, key: &str) -> bool {
        let Some(entries) = &mut self.entries else { return false };
        let before = entries.len();
        entries.retain(|(name, _)| &**name != key);
        entries.len() < before
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.entries().iter().map(|(key, value)| (&**key, value))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// Bytes that keys and values take together.
    pub fn byte_len(&self) -> usize {
        self.entries().iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    fn entries(&self) -> &[Entry] {
        self.entries.as_ref().map_or(&[], |entries| entries.as_slice())
    }

    /// Whether an entry may be put in, in place of those of the same key or beside them.
    fn check(&self, key: &str, value_len: usize, replace: bool) -> Result<(), MetadataError> {
        check_key(key)?;
        let staying = self.entries().iter().filter(|(name, _)| !(replace && &**name == key));
        let (entries, bytes) = staying.fold((0usize, 0usize), |(entries, bytes), (key, value)| {
            (entries + 1, bytes + key.len() + value.len())
        });
        if entries >= Self::MAX_ENTRIES {
            return Err(MetadataError::TooManyEntries);
        }
        match bytes.checked_add(key.len()).and_then(|bytes| bytes.checked_add(value_len)) {
            Some(bytes) if bytes <= Self::MAX_BYTES => Ok(()),
            _ => Err(MetadataError::TooLarge),
        }
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.entries() == other.entries()
    }
}

impl Eq for Metadata {}

fn check_key(key: &str) -> Result<(), MetadataError> {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
    };
    if key.is_empty() || key.len() > MAX_KEY_BYTES || !key.bytes().all(allowed) {
        // What is shown of it is bounded, as it may come from a peer.
        let shown = key.chars().take(MAX_KEY_BYTES).collect();
        return Err(MetadataError::BadKey(shown));
    }
    if key.starts_with(RESERVED) {
        return Err(MetadataError::Reserved(key.to_owned()));
    }
    Ok(())
}

/// Values that are nobody's business but the peer's.
fn is_secret(key: &str) -> bool {
    matches!(key, "authorization" | "cookie" | "set-cookie") || key.ends_with("-token")
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in self.iter() {
            match (is_secret(key), std::str::from_utf8(value)) {
                (true, _) => map.entry(&key, &format_args!("(redacted)")),
                (false, Ok(text)) => map.entry(&key, &text),
                (false, Err(_)) => map.entry(&key, value),
            };
        }
        map.finish()
    }
}

/// Metadata that can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataError {
    /// The key has characters it may not have, or too many or none.
    BadKey(String),
    /// The key is the protocol's own.
    Reserved(String),
    /// There are too many entries.
    TooManyEntries,
    /// Keys and values take too many bytes.
    TooLarge,
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadKey(key) => write!(
                f,
                "bad key `{}`, expected 1 to {MAX_KEY_BYTES} of a-z, 0-9, `-`, `_`, `.`",
                key.escape_debug()
            ),
            Self::Reserved(key) => {
                write!(
                    f,
                    "the key `{key}` begins with `{RESERVED}`, which is kept for the protocol"
                )
            }
            Self::TooManyEntries => {
                write!(f, "too many entries, expected at most {}", Metadata::MAX_ENTRIES)
            }
            Self::TooLarge => {
                write!(f, "too large, expected at most {} bytes in all", Metadata::MAX_BYTES)
            }
        }
    }
}

impl std::error::Error for MetadataError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn insert_replaces_and_append_adds() {
        let mut metadata = Metadata::new();
        metadata.insert("a", "1").unwrap();
        metadata.append("a", "2").unwrap();
        assert_eq!((metadata.len(), metadata.get("a")), (2, Some("1")));
        metadata.insert("a", "3").unwrap();
        assert_eq!((metadata.len(), metadata.get("a")), (1, Some("3")));
        assert!(metadata.remove("a") && !metadata.remove("a") && metadata.is_empty());
    }

    #[test]
    fn each_bound_is_kept() {
        let mut metadata = Metadata::new();
        for bad in ["", "A", "ä", "a b", &"a".repeat(65)] {
            assert!(matches!(metadata.insert(bad, ""), Err(MetadataError::BadKey(_))), "{bad}");
        }
        assert!(matches!(metadata.insert("rpc-x", ""), Err(MetadataError::Reserved(_))));
        for n in 0..Metadata::MAX_ENTRIES {
            metadata.append(&format!("k{n}"), "").unwrap();
        }
        assert_eq!(metadata.append("one-more", ""), Err(MetadataError::TooManyEntries));
        metadata.insert("k0", "in place of another").unwrap();

        let mut metadata = Metadata::new();
        let room = Metadata::MAX_BYTES - 1;
        assert_eq!(metadata.insert("a", vec![0; room + 1]), Err(MetadataError::TooLarge));
        metadata.insert("a", vec![0; room]).unwrap();
        metadata.insert("a", vec![1; room]).unwrap();
        assert_eq!(metadata.append("b", ""), Err(MetadataError::TooLarge));
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut metadata = Metadata::new();
        metadata.insert("authorization", "hunter2").unwrap();
        metadata.insert("x-csrf-token", "hunter2").unwrap();
        metadata.insert("tenant", "eu").unwrap();
        let shown = format!("{metadata:?}");
        assert!(!shown.contains("hunter2") && shown.contains("\"tenant\": \"eu\""), "{shown}");
    }
}
