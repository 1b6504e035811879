//! The message.

use serde::{Deserialize, Serialize};

/// What is sent and echoed: a number, a short text, and as many bytes as the benchmark asks for.
/// The same type for every peer, and owned: decoding it allocates the text and the bytes.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
pub struct Note {
    /// Tells one note from another.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Sixteen characters.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Base64 where the format is for people to read, as JSON is: an array of numbers would be
    /// several times as long and make REST slower than it need be.
    #[prost(bytes = "vec", tag = "3")]
    #[serde(with = "payload")]
    pub payload: Vec<u8>,
}

impl Note {
    /// A note that carries `payload_bytes`.
    pub fn new(id: u64, payload_bytes: usize) -> Self {
        let payload = (0..=u8::MAX).cycle().take(payload_bytes).collect();
        Self { id, name: "sixteen letters.".into(), payload }
    }
}

mod payload {
    use std::borrow::Cow;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.serialize_str(&STANDARD_NO_PAD.encode(bytes))
        } else {
            to.serialize_bytes(bytes)
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        if from.is_human_readable() {
            let text = Cow::<'_, str>::deserialize(from)?;
            STANDARD_NO_PAD.decode(text.as_bytes()).map_err(D::Error::custom)
        } else {
            serde_bytes::ByteBuf::deserialize(from).map(serde_bytes::ByteBuf::into_vec)
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::Note;

    #[test]
    fn survives_json_and_protobuf() {
        let note = Note::new(7, 300);
        let json = serde_json::to_string(&note).expect("a note is plain data");
        assert!(json.len() < 500, "the payload is base64 and not numbers: {json}");
        assert_eq!(serde_json::from_str::<Note>(&json).expect("as it was written"), note);
        assert_eq!(Note::decode(&note.encode_to_vec()[..]).expect("as it was written"), note);
    }
}
