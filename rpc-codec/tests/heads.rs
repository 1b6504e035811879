//! Heads: each is held equal to a real protobuf implementation reading `proto/wire.proto`, in both
//! directions, and keeps its bounds against whatever a peer sends.

use std::borrow::Cow;
use std::path::Path;
use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, Value};
use rpc_codec::{
    Cancel, Code, Compression, Credit, Detail, Executed, Goaway, Head, HeadError, Hello, Load,
    Metadata, NoHead, Origin, Priority, RequestHead, ResponseHead,
};

static WIRE: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let files = protox::compile(["wire.proto"], [proto]).expect("wire.proto compiles");
    DescriptorPool::from_file_descriptor_set(files).expect("wire.proto is whole")
});

/// A message of `wire.proto`, by its name there.
fn theirs(name: &str) -> DynamicMessage {
    let name = format!("rpc.wire.v1.{name}");
    DynamicMessage::new(WIRE.get_message_by_name(&name).expect("wire.proto has it"))
}

fn encoded<H: Head>(head: &H) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    head.encode(&mut bytes);
    bytes.to_vec()
}

/// That ours writes what theirs reads, and theirs writes what ours reads, whatever a newer version
/// adds.
fn same<H: Head>(
    ours: &H,
    theirs: &DynamicMessage,
    added: &[Added],
    read: impl Fn(&[u8]) -> Result<bool, HeadError>,
) -> Result<(), TestCaseError> {
    let bytes = encoded(ours);
    let read_by_theirs = DynamicMessage::decode(theirs.descriptor(), &bytes[..])
        .map_err(|error| TestCaseError::fail(format!("theirs can't read ours: {error}")))?;
    equal(&read_by_theirs, theirs)?;
    prop_assert_eq!(read_by_theirs.unknown_fields().count(), 0, "wire.proto lacks a field of ours");

    let bytes = theirs.encode_to_vec();
    prop_assert_eq!(read(&bytes), Ok(true), "ours reads theirs: {:02x?}", bytes);
    let newer = with_unknown_fields(theirs, added);
    prop_assert_eq!(read(&newer), Ok(true), "ours skips what is new: {:02x?}", newer);
    Ok(())
}

/// Compares without printing the descriptors of both.
fn equal(found: &DynamicMessage, expected: &DynamicMessage) -> Result<(), TestCaseError> {
    prop_assert!(found == expected, "found {found}, expected {expected}");
    Ok(())
}

/// A field that a newer version may have.
#[derive(Clone, Debug)]
enum Added {
    Varint(u32, u64),
    Fixed64(u32, u64),
    Bytes(u32, Vec<u8>),
    Fixed32(u32, u32),
}

fn added() -> impl Strategy<Value = Vec<Added>> {
    let number = 100u32..=(1 << 29) - 1;
    let one = prop_oneof![
        (number.clone(), any::<u64>()).prop_map(|(n, value)| Added::Varint(n, value)),
        (number.clone(), any::<u64>()).prop_map(|(n, value)| Added::Fixed64(n, value)),
        (number.clone(), vec(any::<u8>(), 0..20)).prop_map(|(n, value)| Added::Bytes(n, value)),
        (number, any::<u32>()).prop_map(|(n, value)| Added::Fixed32(n, value)),
    ];
    vec(one, 0..4)
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7F).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("seven bits"));
}

/// The message with new fields before and after those it has.
fn with_unknown_fields(message: &DynamicMessage, added: &[Added]) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = vec![message.encode_to_vec()];
    for (at, field) in added.iter().enumerate() {
        let mut out = Vec::new();
        let key = |number: u32, wire_type: u32| u64::from(number << 3 | wire_type);
        match field {
            Added::Varint(number, value) => {
                varint(&mut out, key(*number, 0));
                varint(&mut out, *value);
            }
            Added::Fixed64(number, value) => {
                varint(&mut out, key(*number, 1));
                out.extend(value.to_le_bytes());
            }
            Added::Bytes(number, value) => {
                varint(&mut out, key(*number, 2));
                varint(&mut out, value.len() as u64);
                out.extend(value);
            }
            Added::Fixed32(number, value) => {
                varint(&mut out, key(*number, 5));
                out.extend(value.to_le_bytes());
            }
        }
        let at = if at % 2 == 0 { 0 } else { parts.len() };
        parts.insert(at, out);
    }
    parts.concat()
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let entry = ("[a-qs-z0-9][a-z0-9_.-]{0,12}", vec(any::<u8>(), 0..20));
    vec(entry, 0..5).prop_map(|entries| {
        let mut metadata = Metadata::new();
        for (key, value) in entries {
            metadata.append(&key, value).expect("few, short, and none begins with an r");
        }
        metadata
    })
}

fn priority() -> impl Strategy<Value = Priority> {
    (0u32..4).prop_map(Priority::from_number)
}

fn compression() -> impl Strategy<Value = Compression> {
    prop_oneof![Just(Compression::None), Just(Compression::Lz4), Just(Compression::Zstd)]
}

/// Small and large, so that varints of all lengths come up.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
}

fn number32() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0u32..32).prop_map(|(value, shift)| value >> shift)
}

/// A request head with texts of its own, from which the borrowing one is made.
#[derive(Clone, Debug)]
struct Request {
    texts: [String; 4],
    compression: Compression,
    timeout_us: Option<u64>,
    priority: Priority,
    attempt: u32,
    flags: (bool, bool),
    metadata: Metadata,
}

impl Request {
    fn head(&self) -> RequestHead<'_> {
        let [method, format, trace_parent, trace_state] = &self.texts;
        let mut head = RequestHead::new(method);
        // Absent means the default, and that is what a head of no format is read as.
        head.format = if format.is_empty() { "msgpack" } else { format };
        head.compression = self.compression;
        head.timeout_us = self.timeout_us;
        head.priority = self.priority;
        head.attempt = self.attempt;
        (head.retried_upstream, head.oneway) = self.flags;
        (head.trace_parent, head.trace_state) = (trace_parent, trace_state);
        head.metadata = Cow::Borrowed(&self.metadata);
        head
    }
}

fn requests() -> impl Strategy<Value = Request> {
    (
        ["\\PC{1,30}", "[a-z]{0,8}", "[0-9a-f-]{0,55}", "\\PC{0,20}"],
        compression(),
        option::of(number()),
        priority(),
        number32(),
        any::<(bool, bool)>(),
        metadata(),
    )
        .prop_map(|(texts, compression, timeout_us, priority, attempt, flags, metadata)| {
            Request { texts, compression, timeout_us, priority, attempt, flags, metadata }
        })
}

fn responses() -> impl Strategy<Value = ResponseHead<'static>> {
    let detail = ("[a-z.A-Z]{0,12}", vec(any::<u8>(), 0..20))
        .prop_map(|(type_name, value)| Detail { type_name, value: value.into() });
    let load = (number32(), number32())
        .prop_map(|(in_flight, utilization_permille)| Load { in_flight, utilization_permille });
    (
        (0u32..17, "\\PC{0,30}", compression(), vec(detail, 0..4), metadata()),
        (
            option::of(number()),
            0u32..3,
            any::<(bool, bool)>(),
            option::of(load),
            0u32..2,
            "[a-z_]{0,12}",
        ),
    )
        .prop_map(|(first, second)| {
            let (code, message, compression, details, metadata) = first;
            let (retry_after_us, executed, (typed, degraded), load, origin, refused_by) = second;
            ResponseHead {
                code: Code::from_number(code),
                message: message.into(),
                typed,
                compression,
                details: details.into(),
                metadata: Cow::Owned(metadata),
                retry_after_us,
                executed: Executed::from_number(executed),
                degraded,
                load,
                origin: Origin::from_number(origin),
                refused_by: refused_by.into(),
            }
        })
}

fn hellos() -> impl Strategy<Value = Hello> {
    let names = || vec("[a-z0-9]{0,12}", 0..5);
    (
        (number32(), 65_536u32.., 32_768u64.., number(), 65_536u64.., 32u32..),
        (names(), names(), any::<bool>(), "\\PC{0,20}", "\\PC{0,20}", "\\PC{0,20}"),
    )
        .prop_map(|(numbers, names)| {
            let (version, max_frame_bytes, max_message_bytes, more, stream_credit, max_calls) =
                numbers;
            let (formats, compressions, checksum, peer_name, service, instance) = names;
            Hello {
                version,
                max_frame_bytes,
                max_message_bytes,
                connection_credit: max_message_bytes.saturating_add(more),
                stream_credit,
                max_calls,
                formats,
                compressions,
                checksum,
                peer_name,
                service,
                instance,
            }
        })
}

fn list<T>(values: impl IntoIterator<Item = T>, value: impl Fn(T) -> Value) -> Value {
    Value::List(values.into_iter().map(value).collect())
}

fn entries(metadata: &Metadata) -> Value {
    list(metadata.iter(), |(key, value)| {
        let fields =
            vec![("key", Value::String(key.to_owned())), ("value", Value::Bytes(value.clone()))];
        Value::Message(message("Entry", fields))
    })
}

fn enum_number(number: u32) -> Value {
    Value::EnumNumber(i32::try_from(number).expect("enums are small"))
}

/// Sets what is not its field's default, as an encoder of protobuf would.
fn message(name: &str, fields: Vec<(&str, Value)>) -> DynamicMessage {
    let mut message = theirs(name);
    for (field, value) in fields {
        let descriptor = message.descriptor().get_field_by_name(field).expect("wire.proto has it");
        if descriptor.supports_presence() || !value.is_default_for_field(&descriptor) {
            message.set_field(&descriptor, value);
        }
    }
    message
}

fn request_message(head: &RequestHead<'_>) -> DynamicMessage {
    let text = |text: &str| Value::String(text.to_owned());
    let format = if head.format == "msgpack" { "" } else { head.format };
    let mut fields = vec![
        ("method", text(head.method)),
        ("format", text(format)),
        ("compression", enum_number(head.compression.number())),
        ("priority", enum_number(head.priority.number())),
        ("attempt", Value::U32(head.attempt)),
        ("retried_upstream", Value::Bool(head.retried_upstream)),
        ("metadata", entries(&head.metadata)),
        ("oneway", Value::Bool(head.oneway)),
    ];
    if let Some(micros) = head.timeout_us {
        fields.push(("timeout_us", Value::U64(micros)));
    }
    if !head.trace_parent.is_empty() || !head.trace_state.is_empty() {
        let parts = vec![("parent", text(head.trace_parent)), ("state", text(head.trace_state))];
        fields.push(("trace", Value::Message(message("Trace", parts))));
    }
    message("RequestHead", fields)
}

fn response_message(head: &ResponseHead<'_>) -> DynamicMessage {
    let detail = |detail: &Detail| {
        let fields = vec![
            ("type", Value::String(detail.type_name.clone())),
            ("value", Value::Bytes(detail.value.clone())),
        ];
        Value::Message(message("Detail", fields))
    };
    let mut fields = vec![
        ("code", Value::U32(head.code.number())),
        ("message", Value::String(head.message.to_string())),
        ("typed", Value::Bool(head.typed)),
        ("compression", enum_number(head.compression.number())),
        ("details", list(head.details.iter(), detail)),
        ("metadata", entries(&head.metadata)),
        ("executed", enum_number(head.executed.number())),
        ("degraded", Value::Bool(head.degraded)),
        ("origin", enum_number(head.origin.number())),
        ("refused_by", Value::String(head.refused_by.to_string())),
    ];
    if let Some(micros) = head.retry_after_us {
        fields.push(("retry_after_us", Value::U64(micros)));
    }
    if let Some(load) = head.load {
        let parts = vec![
            ("in_flight", Value::U32(load.in_flight)),
            ("utilization_permille", Value::U32(load.utilization_permille)),
        ];
        fields.push(("load", Value::Message(message("Load", parts))));
    }
    message("ResponseHead", fields)
}

fn hello_message(hello: &Hello) -> DynamicMessage {
    let text = |text: &String| Value::String(text.clone());
    message(
        "Hello",
        vec![
            ("version", Value::U32(hello.version)),
            ("max_frame_bytes", Value::U32(hello.max_frame_bytes)),
            ("max_message_bytes", Value::U64(hello.max_message_bytes)),
            ("connection_credit", Value::U64(hello.connection_credit)),
            ("stream_credit", Value::U64(hello.stream_credit)),
            ("max_calls", Value::U32(hello.max_calls)),
            ("formats", list(&hello.formats, text)),
            ("compressions", list(&hello.compressions, text)),
            ("checksum", Value::Bool(hello.checksum)),
            ("peer_name", text(&hello.peer_name)),
            ("service", text(&hello.service)),
            ("instance", text(&hello.instance)),
        ],
    )
}

proptest! {
    #[test]
    fn request_heads_are_protobuf(request in requests(), added in added()) {
        let head = request.head();
        let bytes = encoded(&head);
        prop_assert_eq!(&RequestHead::decode(&bytes).unwrap(), &head);
        same(&head, &request_message(&head), &added, |bytes| Ok(RequestHead::decode(bytes)? == head))?;
    }

    #[test]
    fn a_request_head_known_by_its_beginning_is_the_same_head(request in requests()) {
        let head = request.head();
        let bytes = encoded(&head);
        let (beginning, rest) = RequestHead::split_beginning(&bytes);
        prop_assert_eq!([beginning, rest].concat(), &bytes[..]);
        if beginning == RequestHead::beginning(head.method, head.format) {
            let mut known = RequestHead { format: head.format, ..RequestHead::new(head.method) };
            known.merge(rest).unwrap();
            prop_assert_eq!(known, head);
        } else {
            // Lengths of one byte only are looked up.
            prop_assert!(head.method.len() > 127 || head.format.len() > 127);
        }
    }

    #[test]
    fn any_bytes_have_a_beginning(bytes: Vec<u8>) {
        let (beginning, rest) = RequestHead::split_beginning(&bytes);
        prop_assert_eq!([beginning, rest].concat(), bytes);
    }

    #[test]
    fn response_heads_are_protobuf(head in responses(), added in added()) {
        let bytes = encoded(&head);
        prop_assert_eq!(&ResponseHead::decode(&bytes).unwrap(), &head);
        same(&head, &response_message(&head), &added, |bytes| {
            Ok(ResponseHead::decode(bytes)? == head)
        })?;
    }

    #[test]
    fn hellos_are_protobuf(hello in hellos(), added in added()) {
        prop_assert_eq!(&Hello::decode(&encoded(&hello)).unwrap(), &hello);
        same(&hello, &hello_message(&hello), &added, |bytes| Ok(Hello::decode(bytes)? == hello))?;
    }

    #[test]
    fn goaways_are_protobuf(last_call in number(), code in number32(), text in "\\PC{0,30}", added in added()) {
        let goaway = Goaway { last_call, code, message: text.clone() };
        let fields = vec![
            ("last_call", Value::U64(last_call)),
            ("code", Value::U32(code)),
            ("message", Value::String(text)),
        ];
        prop_assert_eq!(&Goaway::decode(&encoded(&goaway)).unwrap(), &goaway);
        same(&goaway, &message("Goaway", fields), &added, |bytes| Ok(Goaway::decode(bytes)? == goaway))?;
    }

    #[test]
    fn credits_and_cancels_are_protobuf(bytes in number(), code in number32(), added in added()) {
        let (credit, cancel) = (Credit { bytes }, Cancel { code });
        prop_assert_eq!(Credit::decode(&encoded(&credit)), Ok(credit));
        prop_assert_eq!(Cancel::decode(&encoded(&cancel)), Ok(cancel));
        let theirs = message("Credit", vec![("bytes", Value::U64(bytes))]);
        same(&credit, &theirs, &added, |bytes| Ok(Credit::decode(bytes)? == credit))?;
        let theirs = message("Cancel", vec![("code", Value::U32(code))]);
        same(&cancel, &theirs, &added, |bytes| Ok(Cancel::decode(bytes)? == cancel))?;
    }

    #[test]
    fn no_bytes_make_a_head_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = RequestHead::decode(&bytes);
        let _ = ResponseHead::decode(&bytes);
        let _ = (Hello::decode(&bytes), Goaway::decode(&bytes));
        let _ = (Credit::decode(&bytes), Cancel::decode(&bytes));
    }

    /// Random bytes are soon refused; heads with a few bytes changed get further.
    #[test]
    fn no_damage_makes_a_head_panic(
        request in requests(),
        head in responses(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for mut bytes in [encoded(&request.head()), encoded(&head)] {
            for (at, byte) in &damage {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
            }
            let _ = (RequestHead::decode(&bytes), ResponseHead::decode(&bytes));
        }
    }

    /// What protobuf takes twice in a row, as one message merged into another, ours takes alike.
    #[test]
    fn a_head_said_twice_is_merged_as_protobuf_does(one in requests(), two in requests()) {
        let bytes = [encoded(&one.head()), encoded(&two.head())].concat();
        let merged = DynamicMessage::decode(theirs("RequestHead").descriptor(), &bytes[..]).unwrap();
        equal(&request_message(&RequestHead::decode(&bytes).unwrap()), &merged)?;
    }

    #[test]
    fn a_response_said_twice_is_merged_as_protobuf_does(one in responses(), two in responses()) {
        let bytes = [encoded(&one), encoded(&two)].concat();
        let merged = DynamicMessage::decode(theirs("ResponseHead").descriptor(), &bytes[..]).unwrap();
        equal(&response_message(&ResponseHead::decode(&bytes).unwrap()), &merged)?;
    }
}

#[test]
fn heads_that_say_nothing_take_no_bytes() {
    assert!(encoded(&NoHead).is_empty());
    assert!(encoded(&ResponseHead::default()).is_empty());
    assert!(encoded(&Cancel::default()).is_empty());
    assert_eq!(ResponseHead::decode(b"").unwrap(), ResponseHead::default());
}

#[test]
fn every_word_of_the_wire_has_its_number_there() {
    let number = |name: &str, word: &str| {
        let all = WIRE.get_enum_by_name(&format!("rpc.wire.v1.{name}")).expect("wire.proto has it");
        let value = all.get_value_by_name(word).expect("wire.proto has it");
        (all.values().count(), u32::try_from(value.number()).expect("they are not negative"))
    };
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
        let word = compression.name().to_uppercase();
        assert_eq!(number("Compression", &word), (3, compression.number()));
    }
    for (word, priority) in [
        ("NORMAL", Priority::Normal),
        ("CRITICAL", Priority::Critical),
        ("SHEDDABLE", Priority::Sheddable),
        ("BULK", Priority::Bulk),
    ] {
        assert_eq!(number("Priority", word), (4, priority.number()));
    }
    for (word, executed) in
        [("MAYBE", Executed::Maybe), ("NO", Executed::No), ("YES", Executed::Yes)]
    {
        assert_eq!(number("Executed", word), (3, executed.number()));
    }
    for (word, origin) in [("HANDLER", Origin::Handler), ("FRAMEWORK", Origin::Framework)] {
        assert_eq!(number("Origin", word), (2, origin.number()));
    }
}

#[test]
fn numbers_that_are_not_known_yet_have_a_meaning() {
    let head = ResponseHead::decode(&[0x08, 99, 0x40, 99, 0x58, 99]).unwrap();
    assert_eq!(head.code, Code::Unknown);
    assert_eq!((head.executed, head.origin), (Executed::Maybe, Origin::Handler));
    let head = RequestHead::decode(b"\x0a\x03s/m\x28\x63").unwrap();
    assert_eq!(head.priority, Priority::Normal);
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, HeadError>, message: &str) {
    assert_eq!(result.expect_err("it must be refused").to_string(), message);
}

#[test]
fn an_unknown_compression_fails_the_call() {
    let expected = "expected a compression of 0 (none), 1 (lz4) or 2 (zstd)";
    refused(RequestHead::decode(b"\x0a\x03s/m\x18\x09"), &format!("field 3: {expected}"));
    refused(ResponseHead::decode(b"\x20\x09"), &format!("field 4: {expected}"));
}

#[test]
fn a_method_has_1_to_255_bytes() {
    let expected = "field 1: expected a method path of 1 to 255 bytes, `service/method`";
    refused(RequestHead::decode(b""), expected);
    let longest = "a".repeat(255);
    assert_eq!(RequestHead::decode(&encoded(&RequestHead::new(&longest))).unwrap().method, longest);
    let longer = "a".repeat(256);
    refused(RequestHead::decode(&encoded(&RequestHead::new(&longer))), expected);
}

fn entry(key: &str, value: &[u8]) -> Vec<u8> {
    let mut entry = theirs("Entry");
    entry.set_field_by_name("key", Value::String(key.to_owned()));
    entry.set_field_by_name("value", Value::Bytes(Bytes::copy_from_slice(value)));
    let mut head = theirs("RequestHead");
    head.set_field_by_name("method", Value::String("s/m".to_owned()));
    head.set_field_by_name("metadata", Value::List(vec![Value::Message(entry)]));
    head.encode_to_vec()
}

#[test]
fn received_metadata_keeps_the_same_bounds() {
    let expected = "field 9: expected metadata of at most 64 entries and 16384 bytes, with keys of \
                    1 to 64 bytes of a-z, 0-9, -, _, . that do not begin with rpc-";
    for bad in ["", "Upper", "sp ace", "rpc-mine", &"a".repeat(65)] {
        refused(RequestHead::decode(&entry(bad, b"")), expected);
    }
    let longest = "a".repeat(64);
    assert_eq!(
        RequestHead::decode(&entry(&longest, b"")).unwrap().metadata.get(&longest),
        Some("")
    );
    let largest = vec![0; Metadata::MAX_BYTES - 1];
    assert!(RequestHead::decode(&entry("a", &largest)).is_ok());
    refused(RequestHead::decode(&entry("ab", &largest)), expected);

    let many = |count: usize| entry("a", b"").repeat(count);
    assert_eq!(RequestHead::decode(&many(64)).unwrap().metadata.len(), 64);
    refused(RequestHead::decode(&many(65)), expected);
}

fn least() -> Hello {
    Hello {
        version: 1,
        max_frame_bytes: 65_536,
        max_message_bytes: 32_768,
        connection_credit: 32_768,
        stream_credit: 65_536,
        max_calls: 32,
        ..Hello::default()
    }
}

#[test]
fn a_hello_at_the_floors_is_taken_and_one_below_is_not() {
    let check = |change: fn(&mut Hello), message: &str| {
        let mut hello = least();
        change(&mut hello);
        refused(Hello::decode(&encoded(&hello)), message);
    };
    assert_eq!(Hello::decode(&encoded(&least())).unwrap(), least());
    check(|h| h.max_frame_bytes -= 1, "field 2: expected max_frame_bytes of at least 65536");
    check(|h| h.max_message_bytes -= 1, "field 3: expected max_message_bytes of at least 32768");
    check(
        |h| h.max_message_bytes += 1,
        "field 4: expected connection_credit of at least max_message_bytes",
    );
    check(|h| h.stream_credit -= 1, "field 5: expected stream_credit of at least 65536");
    check(|h| h.max_calls -= 1, "field 6: expected max_calls of at least 32");
}

#[test]
fn a_hello_has_at_most_32_names_of_at_most_64_bytes() {
    let expected = "expected at most 32 names of at most 64 bytes";
    let names = |count: usize, len: usize| vec!["a".repeat(len); count];
    let most = Hello { formats: names(32, 64), compressions: names(32, 64), ..least() };
    assert_eq!(Hello::decode(&encoded(&most)).unwrap(), most);
    for bad in [names(33, 1), names(1, 65)] {
        let hello = Hello { formats: bad.clone(), ..least() };
        refused(Hello::decode(&encoded(&hello)), &format!("field 7: {expected}"));
        let hello = Hello { compressions: bad, ..least() };
        refused(Hello::decode(&encoded(&hello)), &format!("field 8: {expected}"));
    }
    let hello = Hello { instance: "a".repeat(256), ..least() };
    refused(Hello::decode(&encoded(&hello)), "field 12: expected a name of at most 255 bytes");
}

#[test]
fn what_is_wrong_with_bytes_is_said() {
    refused(Credit::decode(&[0x08]), "it ends in the middle of a field");
    refused(Goaway::decode(&[0x1A, 5, b'a']), "it ends in the middle of a field");
    refused(Goaway::decode(&[0x1A, 1, 0xFF]), "field 3 is not UTF-8");
    refused(Credit::decode(&[0x0A, 0]), "field 1: expected a number");
    refused(Goaway::decode(&[0x18, 1]), "field 3: expected bytes");
    refused(Credit::decode(&[0x0B]), "field 1 has wire type 3, expected 0, 1, 2 or 5");
    refused(Credit::decode(&[0x00, 1]), "field 0 is no number that fits");
    let long: Vec<u8> = [&[0x08][..], &[0xFF; 9], &[0x02]].concat();
    refused(Credit::decode(&long), "field 1 is no number that fits");
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    let mut bytes = BytesMut::from(&[0x1A][..]);
    bytes.put_slice(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]);
    refused(Goaway::decode(&bytes), "it ends in the middle of a field");
}

#[test]
fn a_hint_is_enough_for_usual_heads() {
    let mut head = RequestHead::new("shop.Inventory/price");
    head.timeout_us = Some(200_000);
    assert!(encoded(&head).len() <= head.encoded_len_hint());
    assert!(encoded(&ResponseHead::default()).len() <= ResponseHead::default().encoded_len_hint());
    assert!(encoded(&least()).len() <= least().encoded_len_hint());
}
