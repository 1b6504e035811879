//! Which changes of a type old and new ends survive, format by format. The table in
//! `docs/FORMATS.md` states what is found here, to the word.
//!
//! A change is sent both ways, with several values; what counts is the worst that happens.

use std::fmt::{Debug, Display};
use std::{fmt, fs};

use bytes::BytesMut;
use prost::Message;
use rpc_codec::format::{Cbor, DecodeLimits, Format, Json, MessagePack, Postcard, Protobuf};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What comes of a value, from good to bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It arrives.
    Ok,
    /// A field that was not sent is read as its type's default, though nobody asked for that.
    Default,
    /// An error says so.
    Fails,
    /// It is read as another value, and nobody notices.
    Misread,
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Default => "default",
            Self::Fails => "fails",
            Self::Misread => "**misread**",
        })
    }
}

/// Values sent, each with what should arrive; nothing where the other end can't know.
type Sent<'a, A, B> = &'a [(A, Option<B>)];

fn outcome<F, A, B>(sent: Sent<'_, A, B>) -> Outcome
where
    F: Format<A> + Format<B>,
    B: PartialEq,
{
    let one = |(value, right): &(A, Option<B>)| {
        let mut bytes = BytesMut::new();
        if F::encode(value, &mut bytes).is_err() {
            return Outcome::Fails;
        }
        match (<F as Format<B>>::decode(bytes.freeze(), &DecodeLimits::default()), right) {
            (Ok(found), Some(right)) if found == *right => Outcome::Ok,
            (Ok(_), Some(_)) => Outcome::Misread,
            (Ok(_), None) => Outcome::Default,
            (Err(_), _) => Outcome::Fails,
        }
    };
    sent.iter().map(one).max().expect("each direction sends something")
}

/// `new end reads old / old end reads new`
fn cell<F, Old, New>(to_new: Sent<'_, Old, New>, to_old: Sent<'_, New, Old>) -> String
where
    F: Format<Old> + Format<New>,
    Old: PartialEq,
    New: PartialEq,
{
    format!("{} / {}", outcome::<F, _, _>(to_new), outcome::<F, _, _>(to_old))
}

/// A line of the table.
struct Row {
    change: &'static str,
    serde: [String; 4],
    protobuf: String,
}

impl Row {
    fn new<Old, New>(
        change: &'static str,
        to_new: Sent<'_, Old, New>,
        to_old: Sent<'_, New, Old>,
    ) -> Self
    where
        Old: Serialize + DeserializeOwned + PartialEq,
        New: Serialize + DeserializeOwned + PartialEq,
    {
        let serde = [
            cell::<MessagePack, _, _>(to_new, to_old),
            cell::<Json, _, _>(to_new, to_old),
            cell::<Cbor, _, _>(to_new, to_old),
            cell::<Postcard, _, _>(to_new, to_old),
        ];
        // What protobuf has no counterpart for.
        Self { change, serde, protobuf: "-".to_owned() }
    }

    fn protobuf<Old, New>(mut self, to_new: Sent<'_, Old, New>, to_old: Sent<'_, New, Old>) -> Self
    where
        Old: Message + Default + PartialEq,
        New: Message + Default + PartialEq,
    {
        self.protobuf = cell::<Protobuf, _, _>(to_new, to_old);
        self
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | {} |", self.change, self.serde.join(" | "), self.protobuf)
    }
}

/// Types of `serde`, all of the same traits.
macro_rules! types {
    ($($(#[$attribute:meta])* $name:ident $fields:tt)*) => {$(
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        $(#[$attribute])*
        struct $name $fields
    )*};
}

macro_rules! enums {
    ($($name:ident { $($variants:tt)* })*) => {$(
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        enum $name { $($variants)* }
    )*};
}

macro_rules! messages {
    ($($name:ident $fields:tt)*) => {$(
        #[derive(Clone, PartialEq, Message)]
        struct $name $fields
    )*};
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn option_added() -> Row {
    types! {
        Old { sku: String }
        New { sku: String, note: Option<String> }
    }
    messages! {
        POld { #[prost(string, tag = "1")] sku: String }
        PNew {
            #[prost(string, tag = "1")] sku: String,
            #[prost(string, optional, tag = "2")] note: Option<String>,
        }
    }
    let (old, bare) = (Old { sku: text("A") }, New { sku: text("A"), note: None });
    let full = New { note: Some(text("x")), ..bare.clone() };
    let (pold, pbare) = (POld { sku: text("A") }, PNew { sku: text("A"), note: None });
    let pfull = PNew { note: Some(text("x")), ..pbare.clone() };
    Row::new(
        "a field added: `Option`",
        &[(old.clone(), Some(bare.clone()))],
        &[(bare, Some(old.clone())), (full, Some(old))],
    )
    .protobuf(
        &[(pold.clone(), Some(pbare.clone()))],
        &[(pbare, Some(pold.clone())), (pfull, Some(pold))],
    )
}

fn default_added() -> Row {
    types! {
        Old { sku: String }
        New { sku: String, #[serde(default)] count: u32 }
    }
    messages! {
        POld { #[prost(string, tag = "1")] sku: String }
        PNew { #[prost(string, tag = "1")] sku: String, #[prost(uint32, tag = "2")] count: u32 }
    }
    let old = Old { sku: text("A") };
    let pold = POld { sku: text("A") };
    Row::new(
        "a field added: `#[serde(default)]`",
        &[(old.clone(), Some(New { sku: text("A"), count: 0 }))],
        &[(New { sku: text("A"), count: 2 }, Some(old))],
    )
    .protobuf(
        &[(pold.clone(), Some(PNew { sku: text("A"), count: 0 }))],
        &[(PNew { sku: text("A"), count: 2 }, Some(pold))],
    )
}

fn required_added() -> Row {
    types! {
        Old { sku: String }
        New { sku: String, count: u32 }
    }
    messages! {
        POld { #[prost(string, tag = "1")] sku: String }
        PNew { #[prost(string, tag = "1")] sku: String, #[prost(uint32, tag = "2")] count: u32 }
    }
    let old = Old { sku: text("A") };
    let pold = POld { sku: text("A") };
    Row::new(
        "a field added: neither",
        &[(old.clone(), None)],
        &[(New { sku: text("A"), count: 2 }, Some(old))],
    )
    .protobuf(&[(pold.clone(), None)], &[(PNew { sku: text("A"), count: 2 }, Some(pold))])
}

fn added_before_a_list() -> Row {
    types! {
        Old { id: u8, tail: Vec<u32> }
        New { id: u8, #[serde(default)] level: u8, tail: Vec<u32> }
    }
    messages! {
        POld { #[prost(uint32, tag = "1")] id: u32, #[prost(uint32, repeated, tag = "2")] tail: Vec<u32> }
        PNew {
            #[prost(uint32, tag = "1")] id: u32,
            #[prost(uint32, tag = "3")] level: u32,
            #[prost(uint32, repeated, tag = "2")] tail: Vec<u32>,
        }
    }
    let old = |tail: &[u32]| Old { id: 7, tail: tail.to_vec() };
    let new = |level, tail: &[u32]| New { id: 7, level, tail: tail.to_vec() };
    let pold = |tail: &[u32]| POld { id: 7, tail: tail.to_vec() };
    let pnew = |level, tail: &[u32]| PNew { id: 7, level, tail: tail.to_vec() };
    Row::new(
        "a field added before others: `#[serde(default)]`",
        &[(old(&[5]), Some(new(0, &[5]))), (old(&[0]), Some(new(0, &[0])))],
        &[(new(0, &[5]), Some(old(&[5]))), (new(1, &[]), Some(old(&[])))],
    )
    .protobuf(
        &[(pold(&[5]), Some(pnew(0, &[5]))), (pold(&[0]), Some(pnew(0, &[0])))],
        &[(pnew(0, &[5]), Some(pold(&[5]))), (pnew(1, &[]), Some(pold(&[])))],
    )
}

fn added_where_unknown_is_denied() -> Row {
    types! {
        #[serde(deny_unknown_fields)]
        Old { sku: String }
        New { sku: String, note: Option<String> }
    }
    let old = Old { sku: text("A") };
    let new = New { sku: text("A"), note: None };
    Row::new(
        "a field added: `Option`, to a type with `#[serde(deny_unknown_fields)]`",
        &[(old.clone(), Some(new.clone()))],
        &[(new, Some(old))],
    )
}

fn optional_removed() -> Row {
    types! {
        Old { note: Option<String>, sku: String }
        New { sku: String }
    }
    messages! {
        POld {
            #[prost(string, optional, tag = "1")] note: Option<String>,
            #[prost(string, tag = "2")] sku: String,
        }
        PNew { #[prost(string, tag = "2")] sku: String }
    }
    let old = |note: Option<&str>| Old { note: note.map(text), sku: text("A") };
    let pold = |note: Option<&str>| POld { note: note.map(text), sku: text("A") };
    let (new, pnew) = (New { sku: text("A") }, PNew { sku: text("A") });
    Row::new(
        "a field removed: `Option`",
        &[(old(None), Some(new.clone())), (old(Some("x")), Some(new.clone()))],
        &[(new, Some(old(None)))],
    )
    .protobuf(
        &[(pold(None), Some(pnew.clone())), (pold(Some("x")), Some(pnew.clone()))],
        &[(pnew, Some(pold(None)))],
    )
}

fn required_removed() -> Row {
    types! {
        Old { sku: String, count: u32 }
        New { sku: String }
    }
    messages! {
        POld { #[prost(string, tag = "1")] sku: String, #[prost(uint32, tag = "2")] count: u32 }
        PNew { #[prost(string, tag = "1")] sku: String }
    }
    let (new, pnew) = (New { sku: text("A") }, PNew { sku: text("A") });
    Row::new(
        "a field removed: neither `Option` nor default",
        &[(Old { sku: text("A"), count: 2 }, Some(new.clone()))],
        &[(new, None)],
    )
    .protobuf(&[(POld { sku: text("A"), count: 2 }, Some(pnew.clone()))], &[(pnew, None)])
}

fn reordered() -> Row {
    types! {
        Old { from: u32, to: u32 }
        New { to: u32, from: u32 }
    }
    messages! {
        POld { #[prost(uint32, tag = "1")] from: u32, #[prost(uint32, tag = "2")] to: u32 }
        PNew { #[prost(uint32, tag = "2")] to: u32, #[prost(uint32, tag = "1")] from: u32 }
    }
    let (old, new) = (Old { from: 1, to: 2 }, New { to: 2, from: 1 });
    let (pold, pnew) = (POld { from: 1, to: 2 }, PNew { to: 2, from: 1 });
    Row::new("fields reordered", &[(old.clone(), Some(new.clone()))], &[(new, Some(old))])
        .protobuf(&[(pold.clone(), Some(pnew.clone()))], &[(pnew, Some(pold))])
}

fn required_renamed() -> Row {
    types! {
        Old { sku: String }
        New { article: String }
    }
    messages! {
        POld { #[prost(string, tag = "1")] sku: String }
        PNew { #[prost(string, tag = "1")] article: String }
    }
    let (old, new) = (Old { sku: text("A") }, New { article: text("A") });
    let (pold, pnew) = (POld { sku: text("A") }, PNew { article: text("A") });
    Row::new("a field renamed", &[(old.clone(), Some(new.clone()))], &[(new, Some(old))])
        .protobuf(&[(pold.clone(), Some(pnew.clone()))], &[(pnew, Some(pold))])
}

fn optional_renamed() -> Row {
    types! {
        Old { note: Option<String> }
        New { remark: Option<String> }
    }
    messages! {
        POld { #[prost(string, optional, tag = "1")] note: Option<String> }
        PNew { #[prost(string, optional, tag = "1")] remark: Option<String> }
    }
    let value = Some(text("x"));
    let (old, new) = (Old { note: value.clone() }, New { remark: value.clone() });
    let (pold, pnew) = (POld { note: value.clone() }, PNew { remark: value });
    Row::new("a field renamed: `Option`", &[(old.clone(), Some(new.clone()))], &[(new, Some(old))])
        .protobuf(&[(pold.clone(), Some(pnew.clone()))], &[(pnew, Some(pold))])
}

fn alias_renamed() -> Row {
    types! {
        Old { sku: String }
        New { #[serde(rename = "sku")] article: String }
    }
    let (old, new) = (Old { sku: text("A") }, New { article: text("A") });
    Row::new(
        "a field renamed: `#[serde(rename = \"its old name\")]`",
        &[(old.clone(), Some(new.clone()))],
        &[(new, Some(old))],
    )
}

fn made_optional() -> Row {
    types! {
        Old { count: u32 }
        New { count: Option<u32> }
    }
    messages! {
        POld { #[prost(uint32, tag = "1")] count: u32 }
        PNew { #[prost(uint32, optional, tag = "1")] count: Option<u32> }
    }
    let (old, new) = (|count| Old { count }, |count| New { count });
    let (pold, pnew) = (|count| POld { count }, |count| PNew { count });
    Row::new(
        "`T` made `Option<T>`",
        &[(old(5), Some(new(Some(5)))), (old(0), Some(new(Some(0))))],
        &[(new(Some(5)), Some(old(5))), (new(None), None)],
    )
    .protobuf(
        &[(pold(5), Some(pnew(Some(5)))), (pold(0), Some(pnew(Some(0))))],
        &[(pnew(Some(5)), Some(pold(5))), (pnew(None), None)],
    )
}

fn widened() -> Row {
    types! {
        Old { cents: u32 }
        New { cents: u64 }
    }
    messages! {
        POld { #[prost(uint32, tag = "1")] cents: u32 }
        PNew { #[prost(uint64, tag = "1")] cents: u64 }
    }
    let all = [0, 5, 70_000, u32::MAX];
    let there = all.map(|cents| (Old { cents }, Some(New { cents: cents.into() })));
    let back = all.map(|cents| (New { cents: cents.into() }, Some(Old { cents })));
    let pthere = all.map(|cents| (POld { cents }, Some(PNew { cents: cents.into() })));
    let pback = all.map(|cents| (PNew { cents: cents.into() }, Some(POld { cents })));
    Row::new("a number widened: `u32` to `u64`, values that fit", &there, &back)
        .protobuf(&pthere, &pback)
}

fn too_wide() -> Row {
    types! {
        Old { cents: u32 }
        New { cents: u64 }
    }
    messages! {
        POld { #[prost(uint32, tag = "1")] cents: u32 }
        PNew { #[prost(uint64, tag = "1")] cents: u64 }
    }
    let big = 1 << 40;
    // An end that can't hold the number has no right answer but an error: any other is a misread.
    let never = Old { cents: 77 };
    let pnever = POld { cents: 77 };
    Row::new(
        "a number widened: `u32` to `u64`, values that do not fit",
        &[(Old { cents: u32::MAX }, Some(New { cents: u32::MAX.into() }))],
        &[(New { cents: big }, Some(never))],
    )
    .protobuf(
        &[(POld { cents: u32::MAX }, Some(PNew { cents: u32::MAX.into() }))],
        &[(PNew { cents: big }, Some(pnever))],
    )
}

fn made_signed() -> Row {
    types! {
        Old { count: u32 }
        New { count: i64 }
    }
    messages! {
        POld { #[prost(uint32, tag = "1")] count: u32 }
        PNew { #[prost(int64, tag = "1")] count: i64 }
    }
    Row::new(
        "a number made signed: `u32` to `i64`, values that fit",
        &[(Old { count: 5 }, Some(New { count: 5 }))],
        &[(New { count: 5 }, Some(Old { count: 5 }))],
    )
    .protobuf(
        &[(POld { count: 5 }, Some(PNew { count: 5 }))],
        &[(PNew { count: 5 }, Some(POld { count: 5 }))],
    )
}

fn made_text() -> Row {
    types! {
        Old { id: u64 }
        New { id: String }
    }
    messages! {
        POld { #[prost(uint64, tag = "1")] id: u64 }
        PNew { #[prost(string, tag = "1")] id: String }
    }
    let there = [5, 0].map(|id: u64| (Old { id }, Some(New { id: id.to_string() })));
    let pthere = [5].map(|id: u64| (POld { id }, Some(PNew { id: id.to_string() })));
    Row::new(
        "a number made text",
        &there,
        &[
            (New { id: text("5") }, Some(Old { id: 5 })),
            (New { id: text("") }, Some(Old { id: 77 })),
        ],
    )
    .protobuf(&pthere, &[(PNew { id: text("5") }, Some(POld { id: 5 }))])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
enum POldState {
    Open = 0,
    Closed = 1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
enum PNewState {
    Open = 0,
    Closed = 1,
    Held = 2,
}

messages! {
    POldTicket { #[prost(enumeration = "POldState", tag = "1")] state: i32 }
    PNewTicket { #[prost(enumeration = "PNewState", tag = "1")] state: i32 }
}

fn variant_added_last() -> Row {
    enums! {
        Old { Open, Closed }
        New { Open, Closed, Held }
    }
    let number = |state: PNewState| state as i32;
    let pnew = |state| PNewTicket { state: number(state) };
    let pold = |state: POldState| POldTicket { state: state as i32 };
    Row::new(
        "an enum variant added last: known ones sent",
        &[(Old::Open, Some(New::Open)), (Old::Closed, Some(New::Closed))],
        &[(New::Open, Some(Old::Open)), (New::Closed, Some(Old::Closed))],
    )
    .protobuf(
        &[(pold(POldState::Closed), Some(pnew(PNewState::Closed)))],
        &[(pnew(PNewState::Open), Some(pold(POldState::Open)))],
    )
}

fn new_variant_sent() -> Row {
    enums! {
        Old { Open, Closed }
        New { Open, Closed, Held }
    }
    let held = PNewState::Held as i32;
    Row::new(
        "an enum variant added last: the new one sent",
        &[(Old::Open, Some(New::Open))],
        &[(New::Held, Some(Old::Closed))],
    )
    // Kept as a number that the old end has no name for.
    .protobuf(
        &[(POldTicket { state: 0 }, Some(PNewTicket { state: 0 }))],
        &[(PNewTicket { state: held }, Some(POldTicket { state: held }))],
    )
}

fn variant_added_between() -> Row {
    enums! {
        Old { Open, Closed }
        New { Open, Held, Closed }
    }
    Row::new(
        "an enum variant added between others: known ones sent",
        &[(Old::Open, Some(New::Open)), (Old::Closed, Some(New::Closed))],
        &[(New::Open, Some(Old::Open)), (New::Closed, Some(Old::Closed))],
    )
}

fn argument_added() -> Row {
    types! {
        Old { sku: String }
        New { sku: String, count: Option<u32> }
    }
    let (old, new) = (Old { sku: text("A") }, |count| New { sku: text("A"), count });
    Row::new(
        "an argument added: `Option` or `#[serde(default)]`",
        &[(old.clone(), Some(new(None)))],
        &[(new(None), Some(old.clone())), (new(Some(2)), Some(old))],
    )
}

fn arguments_reordered() -> Row {
    types! {
        Old { from: String, to: String }
        New { to: String, from: String }
    }
    let old = Old { from: text("A"), to: text("B") };
    let new = New { to: text("B"), from: text("A") };
    Row::new("arguments reordered", &[(old.clone(), Some(new.clone()))], &[(new, Some(old))])
}

fn skipped_if_none() -> Row {
    types! {
        Same {
            #[serde(skip_serializing_if = "Option::is_none")] note: Option<u8>,
            count: u8,
        }
    }
    let values = [None, Some(5)].map(|note| Same { note, count: 0 });
    let same = values.map(|value| (value.clone(), Some(value)));
    Row::new("no change, but `#[serde(skip_serializing_if = ..)]`", &same, &same)
}

fn flattened() -> Row {
    types! {
        Inner { count: u8 }
        Same { sku: String, #[serde(flatten)] inner: Inner }
    }
    let value = Same { sku: text("A"), inner: Inner { count: 1 } };
    let same = [(value.clone(), Some(value))];
    Row::new("no change, but `#[serde(flatten)]`", &same, &same)
}

fn untagged() -> Row {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Same {
        Number(u32),
        Text(String),
    }
    let same = [Same::Number(1), Same::Text(text("A"))].map(|value| (value.clone(), Some(value)));
    Row::new("no change, but `#[serde(untagged)]`", &same, &same)
}

fn table() -> Vec<String> {
    let rows = [
        option_added(),
        default_added(),
        required_added(),
        added_before_a_list(),
        added_where_unknown_is_denied(),
        optional_removed(),
        required_removed(),
        reordered(),
        required_renamed(),
        optional_renamed(),
        alias_renamed(),
        made_optional(),
        widened(),
        too_wide(),
        made_signed(),
        made_text(),
        variant_added_last(),
        new_variant_sent(),
        variant_added_between(),
        argument_added(),
        arguments_reordered(),
        skipped_if_none(),
        flattened(),
        untagged(),
    ];
    rows.iter().map(Row::to_string).collect()
}

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/FORMATS.md");
    fs::read_to_string(path).expect("docs/FORMATS.md is there")
}

#[test]
fn the_page_says_what_happens() {
    let page = page();
    let stated: Vec<&str> = page
        .lines()
        .skip_while(|line| !line.starts_with("| Change |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let found = table();
    assert_eq!(stated, found, "what was found:\n{}\n", found.join("\n"));
}

fn show<T: Debug>(bytes: &[u8]) -> String
where
    Postcard: Format<T>,
{
    let value: T = Postcard::decode(bytes.to_vec().into(), &DecodeLimits::default())
        .expect("it is read without an error");
    format!("{value:?}")
}

/// What the page's examples of silent misreads show, to the letter.
#[test]
fn postcard_reads_one_value_as_another() {
    types! {
        Transfer { from: u32, to: u32 }
        Reordered { to: u32, from: u32 }
        Count { count: u32 }
        Signed { count: i32 }
    }
    enums! {
        State { Open, Closed }
        Longer { Open, Held, Closed }
    }
    fn bytes<T: Serialize + DeserializeOwned>(value: &T) -> BytesMut {
        let mut bytes = BytesMut::new();
        Postcard::encode(value, &mut bytes).expect("it can be written");
        bytes
    }
    assert_eq!(
        show::<Reordered>(&bytes(&Transfer { from: 1, to: 2 })),
        "Reordered { to: 1, from: 2 }"
    );
    assert_eq!(show::<Signed>(&bytes(&Count { count: 5 })), "Signed { count: -3 }");
    assert_eq!(show::<Longer>(&bytes(&State::Closed)), "Held");
}
