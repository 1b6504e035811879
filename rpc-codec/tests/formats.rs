//! Formats: one suite for all that read through serde, and what each adds.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use rpc_codec::format::{DecodeLimits, Format, FormatError, Formats, Json, MessagePack, Raw};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Order {
    sku: String,
    count: u32,
    delta: i64,
    price: f64,
    note: Option<String>,
    lines: Vec<Line>,
    labels: BTreeMap<String, u8>,
    nothing: (),
    pair: (bool, char),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Line {
    Blank,
    Text(String),
    Pair(u8, i16),
    Named { left: Option<u64>, right: Box<Option<Line>> },
}

fn lines() -> impl Strategy<Value = Line> {
    let leaf = prop_oneof![
        Just(Line::Blank),
        "\\PC{0,8}".prop_map(Line::Text),
        any::<(u8, i16)>().prop_map(|(left, right)| Line::Pair(left, right)),
    ];
    leaf.prop_recursive(4, 8, 1, |inner| {
        (option::of(any::<u64>()), option::of(inner))
            .prop_map(|(left, right)| Line::Named { left, right: Box::new(right) })
    })
}

fn orders() -> impl Strategy<Value = Order> {
    (
        ("\\PC{0,12}", any::<u32>(), any::<i64>(), -1e9f64..1e9, option::of("\\PC{0,8}")),
        (vec(lines(), 0..5), btree_map("[a-z]{0,6}", any::<u8>(), 0..4), any::<(bool, char)>()),
    )
        .prop_map(|((sku, count, delta, price, note), (lines, labels, pair))| Order {
            sku,
            count,
            delta,
            price,
            note,
            lines,
            labels,
            nothing: (),
            pair,
        })
}

fn encode<F: Format<T>, T>(value: &T) -> Bytes {
    let mut out = BytesMut::new();
    F::encode(value, &mut out).expect("it can be written");
    out.freeze()
}

fn decode<F: Format<T>, T>(bytes: impl Into<Bytes>) -> Result<T, FormatError> {
    F::decode(bytes.into(), &DecodeLimits::default())
}

/// Whole it comes back; with a byte more or any bytes less it is refused.
fn comes_back<F: Format<Order>>(order: &Order) -> Result<(), TestCaseError> {
    let bytes = encode::<F, _>(order);
    prop_assert_eq!(&decode::<F, Order>(bytes.clone()).unwrap(), order);
    let longer = [&bytes[..], &[0]].concat();
    let error = decode::<F, Order>(longer).expect_err("a byte follows");
    prop_assert!(matches!(error, FormatError::Decode { .. }), "{error:?}");
    for len in 0..bytes.len() {
        prop_assert!(decode::<F, Order>(bytes.slice(..len)).is_err(), "{len} of {}", bytes.len());
    }
    Ok(())
}

fn survives<F: Format<Order> + Format<Line> + Format<Chain> + Format<Vec<()>>>(bytes: &Bytes) {
    let _ = decode::<F, Order>(bytes.clone());
    let _ = decode::<F, Line>(bytes.clone());
    let _ = decode::<F, Chain>(bytes.clone());
    let _ = decode::<F, Vec<()>>(bytes.clone());
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Chain>>,
}

fn chain(links: usize) -> Chain {
    (1..links).fold(Chain::default(), |chain, _| Chain { next: Some(Box::new(chain)) })
}

#[derive(Debug, Serialize, Deserialize)]
enum Nested {
    End,
    List(Vec<Nested>),
    Tuple(Box<Nested>, ()),
    Inside(Box<Nested>),
    Struct { inside: Box<Nested> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Empty {}

#[track_caller]
fn too_deep<T: Debug>(result: Result<T, FormatError>) {
    let error = result.expect_err("it must be refused");
    let expected = "values are nested too deeply, expected at most 64 levels";
    assert_eq!(error.to_string(), expected, "{error:?}");
}

#[track_caller]
fn too_many<T: Debug>(result: Result<T, FormatError>) {
    let error = result.expect_err("it must be refused");
    assert_eq!(
        error.to_string(),
        "too many values in one message, expected at most 1000000",
        "{error:?}"
    );
}

/// How deep and how many a format lets values be, for every kind of container.
fn is_bounded<F>()
where
    F: Format<Chain> + Format<Nested> + Format<Vec<String>> + Format<Vec<u8>>,
{
    // A chain's link is a struct in an option: 31 of them are 62 levels, and 33 are 66.
    let fits = chain(31);
    assert_eq!(decode::<F, Chain>(encode::<F, _>(&fits)).unwrap(), fits);
    too_deep(decode::<F, Chain>(encode::<F, _>(&chain(34))));

    let nest = |wrap: fn(Nested) -> Nested| (0..70).fold(Nested::End, |inner, _| wrap(inner));
    for wrap in [
        (|inner| Nested::List(vec![inner])) as fn(Nested) -> Nested,
        |inner| Nested::Tuple(Box::new(inner), ()),
        |inner| Nested::Inside(Box::new(inner)),
        |inner| Nested::Struct { inside: Box::new(inner) },
    ] {
        too_deep(decode::<F, Nested>(encode::<F, _>(&nest(wrap))));
    }

    let strings = vec![String::new(); 1_000_000];
    too_many(decode::<F, Vec<String>>(encode::<F, _>(&strings)));
    // One for the list.
    let most = decode::<F, Vec<String>>(encode::<F, _>(&strings[1..].to_vec()));
    assert_eq!(most.unwrap().len(), 999_999);
    let numbers = vec![7u8; 1_500_000];
    let decoded = decode::<F, Vec<u8>>(encode::<F, _>(&numbers)).unwrap();
    assert!(decoded == numbers, "plain numbers are not counted");

    let limits = DecodeLimits { max_depth: 3, max_elements: 2 };
    let error =
        <F as Format<Vec<String>>>::decode(encode::<F, _>(&vec![String::new(); 2]), &limits);
    assert_eq!(
        error.unwrap_err().to_string(),
        "too many values in one message, expected at most 2"
    );
    let error = <F as Format<Chain>>::decode(encode::<F, _>(&chain(3)), &limits).unwrap_err();
    assert!(matches!(
        error,
        FormatError::TooDeep { max: 3 } | FormatError::TooManyElements { max: 2 }
    ));
}

/// Bytes of a hundred thousand levels. A format may refuse them by a limit of its own.
fn bomb_is_stopped<F, T>(bomb: Vec<u8>)
where
    F: Format<T>,
    T: Debug,
{
    assert!(bomb.len() >= 100_000);
    decode::<F, T>(bomb).expect_err("it must be refused");
}

macro_rules! suite {
    ($($(#[$cfg:meta])* $module:ident: $format:ident, $name:literal;)*) => {$(
        $(#[$cfg])*
        mod $module {
            use super::*;
            use rpc_codec::format::$format;

            proptest! {
                #[test]
                fn values_come_back(order in orders()) {
                    comes_back::<$format>(&order)?;
                }

                #[test]
                fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300)) {
                    survives::<$format>(&bytes.into());
                }

                #[test]
                fn no_damage_makes_it_panic(
                    order in orders(),
                    damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
                ) {
                    let mut bytes = encode::<$format, _>(&order).to_vec();
                    for (at, byte) in damage {
                        let at = at.index(bytes.len());
                        bytes[at] = byte;
                    }
                    survives::<$format>(&bytes.into());
                }
            }

            #[test]
            fn depth_and_elements_are_bounded() {
                is_bounded::<$format>();
            }

            #[test]
            fn floods_of_values_of_no_size_are_stopped() {
                fn flood<T: Clone + Debug>(value: T) where $format: Format<Vec<T>> {
                    too_many(decode::<$format, Vec<T>>(encode::<$format, _>(&vec![value; 1_000_000])));
                }
                flood(());
                flood(Unit);
                flood(Empty {});
                flood([0u8; 0]);
                flood(Option::<u8>::None);
                flood(Vec::<u8>::new());
                let inside = vec![vec![(); 1_000]; 1_000];
                too_many(decode::<$format, Vec<Vec<()>>>(encode::<$format, _>(&inside)));
            }

            #[test]
            fn it_is_called_by_its_name() {
                assert_eq!(<$format as Format<Order>>::NAME, $name);
                let error = decode::<$format, Order>(&b"\xFF\xFF"[..]).unwrap_err();
                let message = error.to_string();
                assert!(message.starts_with(concat!("bad ", $name, ": ")), "{message}");
                assert!(std::error::Error::source(&error).is_some());
            }

            #[test]
            fn values_of_no_size_come_back() {
                fn same<T: PartialEq + Debug>(value: T) where $format: Format<T> {
                    assert_eq!(decode::<$format, T>(encode::<$format, _>(&value)).unwrap(), value);
                }
                same(());
                same(Unit);
                same(Empty {});
                same(vec![(); 3]);
                same(Vec::<u8>::new());
                same([0u8; 0]);
            }

            #[test]
            fn wide_numbers_come_back() {
                for value in [0, u64::MAX] {
                    let bytes = encode::<$format, _>(&value);
                    assert_eq!(decode::<$format, u64>(bytes).unwrap(), value);
                }
                for value in [i64::MIN, -1] {
                    let bytes = encode::<$format, _>(&value);
                    assert_eq!(decode::<$format, i64>(bytes).unwrap(), value);
                }
            }
        }
    )*};
}

suite! {
    msgpack: MessagePack, "msgpack";
    json: Json, "json";
    #[cfg(feature = "cbor")]
    cbor: Cbor, "cbor";
    #[cfg(feature = "postcard")]
    postcard: Postcard, "postcard";
}

#[test]
fn arguments_are_a_map_by_name_in_formats_with_names() {
    #[derive(Serialize, Deserialize)]
    struct Arguments {
        sku: String,
    }
    let arguments = Arguments { sku: "A-17".to_owned() };
    assert_eq!(encode::<Json, _>(&arguments), r#"{"sku":"A-17"}"#);
    assert_eq!(encode::<MessagePack, _>(&arguments), &b"\x81\xA3sku\xA4A-17"[..]);
    #[cfg(feature = "cbor")]
    assert_eq!(encode::<rpc_codec::format::Cbor, _>(&arguments), &b"\xA1\x63sku\x64A-17"[..]);
}

/// What PROTOCOL.md tells other languages about values.
#[test]
fn values_have_the_shapes_that_the_protocol_says() {
    assert_eq!(encode::<Json, _>(&()), "null");
    assert_eq!(encode::<MessagePack, _>(&()), &[0xC0][..]);
    assert_eq!(encode::<Json, _>(&Empty {}), "{}");
    assert_eq!(encode::<MessagePack, _>(&Empty {}), &[0x80][..]);
    #[cfg(feature = "cbor")]
    {
        use rpc_codec::format::Cbor;
        assert_eq!(encode::<Cbor, _>(&()), &[0x80][..]);
        assert_eq!(encode::<Cbor, _>(&Empty {}), &[0xA0][..]);
        assert_eq!(encode::<Cbor, _>(&None::<u8>), &[0xF6][..]);
    }
    #[cfg(feature = "postcard")]
    assert_eq!(encode::<rpc_codec::format::Postcard, _>(&()), "");

    let named = Line::Named { left: Some(1), right: Box::new(None) };
    assert_eq!(encode::<Json, _>(&Line::Blank), r#""Blank""#);
    assert_eq!(encode::<Json, _>(&Line::Text("a".to_owned())), r#"{"Text":"a"}"#);
    assert_eq!(encode::<Json, _>(&Line::Pair(1, 2)), r#"{"Pair":[1,2]}"#);
    assert_eq!(encode::<Json, _>(&named), r#"{"Named":{"left":1,"right":null}}"#);
    assert_eq!(encode::<MessagePack, _>(&Line::Blank), &b"\xA5Blank"[..]);
    assert_eq!(encode::<MessagePack, _>(&Line::Pair(1, 2)), &b"\x81\xA4Pair\x92\x01\x02"[..]);
    let bytes = &b"\x81\xA5Named\x82\xA4left\x01\xA5right\xC0"[..];
    assert_eq!(encode::<MessagePack, _>(&named), bytes);
    #[cfg(feature = "cbor")]
    assert_eq!(
        encode::<rpc_codec::format::Cbor, _>(&Line::Pair(1, 2)),
        &b"\xA1\x64Pair\x82\x01\x02"[..]
    );
    // A one as wide as it gets.
    assert_eq!(decode::<MessagePack, u8>(&b"\xCF\0\0\0\0\0\0\0\x01"[..]).unwrap(), 1);
}

#[test]
fn nesting_bombs_are_stopped() {
    let many = 100_000;
    bomb_is_stopped::<Json, serde_json::Value>(vec![b'['; many]);
    bomb_is_stopped::<Json, serde_json::Value>(b"{\"a\":".repeat(many));
    bomb_is_stopped::<Json, Chain>(b"{\"next\":".repeat(many));
    // Arrays of one, maps of one.
    bomb_is_stopped::<MessagePack, serde_json::Value>(vec![0x91; many]);
    bomb_is_stopped::<MessagePack, serde_json::Value>(b"\x81\xA1a".repeat(many));
    bomb_is_stopped::<MessagePack, Chain>(b"\x81\xA4next".repeat(many));
    #[cfg(feature = "cbor")]
    {
        use rpc_codec::format::Cbor;
        bomb_is_stopped::<Cbor, serde_json::Value>(vec![0x81; many]);
        bomb_is_stopped::<Cbor, serde_json::Value>(vec![0x9F; many]);
        bomb_is_stopped::<Cbor, serde_json::Value>(b"\xA1\x61a".repeat(many));
        bomb_is_stopped::<Cbor, serde_json::Value>(vec![0xC6; many]); // tags
        bomb_is_stopped::<Cbor, Chain>(b"\xA1\x64next".repeat(many));
    }
    #[cfg(feature = "postcard")]
    {
        use rpc_codec::format::Postcard;
        #[derive(Debug, Serialize, Deserialize)]
        struct Wrapped(Option<Box<Wrapped>>);
        // "It is there", a hundred thousand times: overflowed the stack before depth was counted.
        too_deep(decode::<Postcard, Chain>(vec![1; many]));
        too_deep(decode::<Postcard, Wrapped>(vec![1; many]));
        for variant in 1..=4 {
            too_deep(decode::<Postcard, Nested>(vec![variant; many]));
        }
    }
}

/// A field that the type does not have is skipped, and skipping recurses too in most libraries.
#[test]
fn nesting_bombs_in_skipped_fields_are_stopped() {
    let many = 100_000;
    decode::<Json, Empty>([b"{\"new\":", &vec![b'['; many][..]].concat()).unwrap_err();
    // JSON is skipped without recursion, so that this one is well-formed and does no harm.
    let closed = [b"{\"new\":", &vec![b'['; many][..], &vec![b']'; many], b"}"].concat();
    assert_eq!(decode::<Json, Empty>(closed).unwrap(), Empty {});
    too_deep(decode::<MessagePack, Empty>([b"\x81\xA3new", &vec![0x91; many][..]].concat()));
    #[cfg(feature = "cbor")]
    decode::<rpc_codec::format::Cbor, Empty>([b"\xA1\x63new", &vec![0x81; many][..]].concat())
        .unwrap_err();
}

#[test]
fn lengths_that_lie_are_not_believed() {
    // Four billion elements, and none of them there.
    decode::<MessagePack, Vec<u64>>(&b"\xDD\xFF\xFF\xFF\xFF"[..]).unwrap_err();
    decode::<MessagePack, String>(&b"\xDB\xFF\xFF\xFF\xFF"[..]).unwrap_err();
    decode::<MessagePack, BTreeMap<u8, u8>>(&b"\xDF\xFF\xFF\xFF\xFF"[..]).unwrap_err();
    #[cfg(feature = "cbor")]
    {
        use rpc_codec::format::Cbor;
        let length = *b"\x9B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF";
        decode::<Cbor, Vec<u64>>(Bytes::copy_from_slice(&length)).unwrap_err();
        for kind in [0x5B, 0x7B, 0xBB] {
            let mut length = length;
            length[0] = kind;
            decode::<Cbor, String>(Bytes::copy_from_slice(&length)).unwrap_err();
            decode::<Cbor, BTreeMap<u8, u8>>(Bytes::copy_from_slice(&length)).unwrap_err();
        }
    }
    #[cfg(feature = "postcard")]
    {
        use rpc_codec::format::Postcard;
        let length = &b"\xFF\xFF\xFF\xFF\x0F"[..];
        decode::<Postcard, Vec<u64>>(length).unwrap_err();
        decode::<Postcard, Vec<[u64; 32]>>(length).unwrap_err();
        decode::<Postcard, String>(length).unwrap_err();
    }
}

/// What five bytes of postcard say: four billion values of no size.
#[cfg(feature = "postcard")]
#[test]
fn five_bytes_are_not_four_billion_values() {
    use rpc_codec::format::Postcard;
    let length = &b"\xFF\xFF\xFF\xFF\x0F"[..];
    too_many(decode::<Postcard, Vec<()>>(length));
    too_many(decode::<Postcard, Vec<Unit>>(length));
    too_many(decode::<Postcard, Vec<Empty>>(length));
    too_many(decode::<Postcard, Vec<[u8; 0]>>(length));
    too_many(decode::<Postcard, Vec<std::marker::PhantomData<u8>>>(length));
    too_many(decode::<Postcard, Vec<((), Unit)>>(length));
    too_many(decode::<Postcard, BTreeMap<(), ()>>(length));
}

/// A sequence's declared length is passed on, but never believed further than this.
#[test]
fn a_size_hint_is_capped() {
    struct Hint(usize);

    impl<'de> Deserialize<'de> for Hint {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Look;
            impl<'de> serde::de::Visitor<'de> for Look {
                type Value = Hint;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a list")
                }

                fn visit_seq<A: serde::de::SeqAccess<'de>>(
                    self,
                    mut seq: A,
                ) -> Result<Hint, A::Error> {
                    let hint = seq.size_hint().unwrap_or_default();
                    while seq.next_element::<u8>()?.is_some() {}
                    Ok(Hint(hint))
                }
            }
            deserializer.deserialize_seq(Look)
        }
    }

    let hint = |len: usize| {
        let bytes = encode::<MessagePack, _>(&vec![1u8; len]);
        let mut msgpack = rmp_serde::Deserializer::new(&bytes[..]);
        let hint: Hint =
            rpc_codec::format::bounded::deserialize(&mut msgpack, &DecodeLimits::default())
                .expect("it is a list");
        hint.0
    };
    assert_eq!((hint(3), hint(1024), hint(100_000)), (3, 1024, 1024));
}

/// Types look at this to choose between text and bytes; a wrapper must not change the answer.
#[test]
fn being_readable_is_passed_on() {
    let address: std::net::IpAddr = "10.0.0.1".parse().unwrap();
    assert_eq!(encode::<Json, _>(&address), "\"10.0.0.1\"");
    assert_eq!(decode::<Json, std::net::IpAddr>("\"10.0.0.1\"").unwrap(), address);
    let bytes = encode::<MessagePack, _>(&address);
    assert_eq!(decode::<MessagePack, std::net::IpAddr>(bytes).unwrap(), address);
}

/// serde reads these into a buffer of its own first.
#[test]
fn untagged_and_flattened_types_are_bounded_too() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Loose {
        Number(u64),
        List(Vec<Loose>),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, Loose>,
    }
    let flat = Flat { id: 1, rest: [("a".to_owned(), Loose::List(vec![Loose::Number(2)]))].into() };
    assert_eq!(decode::<Json, Flat>(encode::<Json, _>(&flat)).unwrap(), flat);
    assert_eq!(decode::<MessagePack, Flat>(encode::<MessagePack, _>(&flat)).unwrap(), flat);
    let deep = [vec![b'['; 100], vec![b']'; 100]].concat();
    too_deep(decode::<Json, Loose>(deep));
}

#[test]
fn raw_is_the_bytes_without_a_copy() {
    let bytes = Bytes::from(vec![1, 2, 3]);
    assert_eq!(encode::<Raw, _>(&bytes), bytes);
    let decoded = decode::<Raw, Bytes>(bytes.clone()).unwrap();
    assert_eq!(decoded.as_ptr(), bytes.as_ptr());
    assert_eq!(<Raw as Format<Bytes>>::NAME, "raw");
}

#[cfg(feature = "protobuf")]
mod protobuf {
    use super::*;
    use prost::Message;
    use rpc_codec::format::Protobuf;

    #[derive(Clone, PartialEq, Message)]
    struct Reply {
        #[prost(uint64, tag = "1")]
        cents: u64,
        #[prost(string, repeated, tag = "2")]
        notes: Vec<String>,
        #[prost(message, optional, boxed, tag = "3")]
        inner: Option<Box<Reply>>,
    }

    proptest! {
        #[test]
        fn values_come_back(cents: u64, notes in vec("\\PC{0,8}", 0..4)) {
            let inner = Some(Box::new(Reply { cents, ..Reply::default() }));
            let reply = Reply { cents, notes, inner };
            prop_assert_eq!(decode::<Protobuf, Reply>(encode::<Protobuf, _>(&reply)).unwrap(), reply);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..300)) {
            let _ = decode::<Protobuf, Reply>(bytes);
        }
    }

    #[test]
    fn depth_is_bounded() {
        // A field of the rest of the bytes, in a field of the rest of the bytes, ..
        let mut bomb = Vec::new();
        for _ in 0..500 {
            let mut outer = vec![0x1A];
            prost::encode_length_delimiter(bomb.len(), &mut outer).unwrap();
            outer.extend(bomb);
            bomb = outer;
        }
        let error = decode::<Protobuf, Reply>(bomb).unwrap_err().to_string();
        assert!(error.starts_with("bad protobuf: ") && error.contains("recursion"), "{error}");
    }
}

type Both = (MessagePack, Json);

#[test]
fn a_list_of_formats_speaks_each_by_its_name() {
    assert_eq!(<Both as Formats<u64>>::names(), ["msgpack", "json"]);
    assert_eq!(<Both as Formats<u64>>::resolve("json"), Some("json"));
    assert_eq!(<Both as Formats<u64>>::resolve("xml"), None);
    for name in <Both as Formats<Order>>::names() {
        let order = Order { sku: "A-17".to_owned(), ..Order::default() };
        let mut out = BytesMut::new();
        Both::encode(name, &order, &mut out).unwrap();
        let back: Order = Both::decode(name, out.freeze(), &DecodeLimits::default()).unwrap();
        assert_eq!(back, order);
    }
    let mut out = BytesMut::from(&b"before "[..]);
    Both::encode("json", &4999u64, &mut out).unwrap();
    assert_eq!(&out[..], b"before 4999");
}

#[test]
fn an_unknown_format_is_named_with_those_there_are() {
    let expected = "unknown format `xml`: this method speaks msgpack, json";
    let error = Both::encode("xml", &1u64, &mut BytesMut::new()).unwrap_err();
    assert_eq!(error.to_string(), expected);
    let decoded: Result<u64, _> = Both::decode("xml", Bytes::new(), &DecodeLimits::default());
    assert_eq!(decoded.unwrap_err().to_string(), expected);

    let long = "\n".repeat(1000);
    let error = Both::encode(&long, &1u64, &mut BytesMut::new()).unwrap_err().to_string();
    assert!(error.len() < 200 && !error.contains('\n'), "{error}");
}

#[test]
fn a_format_of_ones_own_stands_in_a_list() {
    struct Shouting;

    impl<T: Serialize + DeserializeOwned> Format<T> for Shouting {
        const NAME: &'static str = "shouting";

        fn encode(value: &T, out: &mut BytesMut) -> Result<(), FormatError> {
            let text = serde_json::to_string(value)
                .map_err(|error| FormatError::encode("shouting", error))?;
            out.extend_from_slice(text.to_uppercase().as_bytes());
            Ok(())
        }

        fn decode(bytes: Bytes, limits: &DecodeLimits) -> Result<T, FormatError> {
            Json::decode(bytes, limits)
        }
    }

    type List = (Json, Shouting);
    let mut out = BytesMut::new();
    List::encode("shouting", &"hello".to_owned(), &mut out).unwrap();
    assert_eq!(&out[..], b"\"HELLO\"");
    assert_eq!(<List as Formats<String>>::names(), ["json", "shouting"]);
}

#[test]
fn what_can_not_be_written_says_so() {
    let map: BTreeMap<Vec<u8>, u8> = [(vec![1], 2)].into();
    let error = Json::encode(&map, &mut BytesMut::new()).unwrap_err();
    assert!(matches!(error, FormatError::Encode { format: "json", .. }), "{error:?}");
    assert_eq!(error.to_string(), "json: key must be a string");
}
