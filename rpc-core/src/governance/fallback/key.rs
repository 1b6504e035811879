//! What makes two calls the same question.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use rpc_codec::Metadata;

/// A question: method, format, arguments, and the metadata that tells answers apart.
///
/// All of it, byte by byte, and not a digest: two tenants' questions that happen to share one would
/// get each other's answers, and a user who can choose arguments could look for them. Each part has its
/// length before it, so that no two questions run into the same bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<[u8]>);

impl Key {
    /// The question that `method` is asked with these arguments, as they are encoded in `format`; and
    /// with what `metadata` has of the entries that `vary` names, all values of each.
    pub fn new(
        method: &str,
        format: &str,
        arguments: &[u8],
        metadata: &Metadata,
        vary: &[Cow<'static, str>],
    ) -> Self {
        let mut bytes = Vec::with_capacity(method.len() + format.len() + arguments.len() + 64);
        for part in [method.as_bytes(), format.as_bytes(), arguments] {
            push(&mut bytes, part);
        }
        for name in vary {
            push(&mut bytes, name.as_bytes());
            let values = || metadata.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
            push_number(&mut bytes, values().count());
            values().for_each(|value| push(&mut bytes, value));
        }
        Self(bytes.into())
    }

    /// How long it is.
    pub fn byte_len(&self) -> usize {
        self.0.len()
    }
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    push_number(bytes, part.len());
    bytes.extend_from_slice(part);
}

fn push_number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend_from_slice(&(number as u64).to_le_bytes());
}

impl fmt::Debug for Key {
    /// Without the arguments, which are nobody else's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bytes)", self.byte_len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Parts = (String, String, Vec<u8>, Vec<(usize, Vec<u8>)>, Vec<usize>);

    const NAMES: [&str; 3] = ["tenant", "user", "locale"];

    fn key((method, format, arguments, entries, vary): &Parts) -> (Key, Vec<Vec<Vec<u8>>>) {
        let mut metadata = Metadata::new();
        for (name, value) in entries {
            metadata.append(NAMES[*name], value.clone()).expect("a small entry");
        }
        let of = |index: &usize| {
            let same = entries.iter().filter(|(name, _)| name == index);
            same.map(|(_, value)| value.clone()).collect()
        };
        let told = vary.iter().map(of).collect();
        let vary: Vec<_> = vary.iter().map(|name| Cow::Borrowed(NAMES[*name])).collect();
        (Key::new(method, format, arguments, &metadata, &vary), told)
    }

    fn parts() -> impl Strategy<Value = Parts> {
        let value = proptest::collection::vec(0..2_u8, 0..3);
        let entries = proptest::collection::vec((0..3_usize, value.clone()), 0..4);
        ("[ab]{0,2}", "[ab]{0,2}", value, entries, proptest::collection::vec(0..3_usize, 0..3))
    }

    proptest! {
        #[test]
        fn keys_are_equal_just_when_the_questions_are(one in parts(), other in parts()) {
            let ((key_one, told_one), (key_other, told_other)) = (key(&one), key(&other));
            let same = (&one.0, &one.1, &one.2, &one.4, told_one)
                == (&other.0, &other.1, &other.2, &other.4, told_other);
            prop_assert_eq!(key_one == key_other, same);
        }
    }

    #[test]
    fn tenants_never_see_each_others_answers() {
        let key = |tenant: Option<&'static str>, vary: &[&'static str]| {
            let mut metadata = Metadata::new();
            if let Some(tenant) = tenant {
                metadata.insert("tenant", tenant).expect("a key");
            }
            let vary: Vec<_> = vary.iter().map(|name| Cow::Borrowed(*name)).collect();
            Key::new("shop.Inventory/price", "json", b"{}", &metadata, &vary)
        };
        let all =
            [key(Some("eu"), &["tenant"]), key(Some("us"), &["tenant"]), key(None, &["tenant"])];
        for (index, one) in all.iter().enumerate() {
            assert!(all.iter().skip(index + 1).all(|other| one != other));
        }
        assert_ne!(key(Some(""), &["tenant"]), key(None, &["tenant"]), "empty is not absent");
        assert_eq!(key(Some("eu"), &[]), key(Some("us"), &[]), "only what is named tells apart");
    }

    #[test]
    fn arguments_do_not_show() {
        let key = Key::new("a", "json", b"secret", &Metadata::new(), &[]);
        assert!(!format!("{key:?}").contains("secret"));
    }
}
