//! Holds `docs/BOUNDS.md` to the code: every setting is in its tables, with its real default, and
//! every test that is named there, or in `docs/THREAT_MODEL.md`, exists.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rpc_core::format::DecodeLimits;
use rpc_core::{Limits, Server, ServerLimits};

/// A row of one of the tables.
struct Row {
    bound: String,
    default: String,
    tests: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("docs/BOUNDS.md")).expect("the page");
    let lines = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Bound "));
    let rows: Vec<_> = lines
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let &["", bound, default, _, tests, ""] = cells.as_slice() else {
                panic!("four cells: {line}")
            };
            Row {
                bound: bound.to_owned(),
                default: default.to_owned(),
                tests: tests.split_whitespace().map(|test| test.replace('`', "")).collect(),
            }
        })
        .collect();
    assert!(rows.len() > 50, "{} rows", rows.len());
    rows
}

/// Every Rust file of both crates, by its path from the workspace's root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut dirs: Vec<_> = ["rpc-core/src", "rpc-core/tests", "rpc-codec/src", "rpc-codec/tests"]
        .map(PathBuf::from)
        .into();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(root().join(&dir)).expect("a folder of the workspace") {
            let entry = entry.expect("a readable entry");
            let path = dir.join(entry.file_name());
            if entry.path().is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(entry.path()).expect("UTF-8 source");
                found.push((path.display().to_string(), source));
            }
        }
    }
    found
}

/// The one file of this name.
fn source<'a>(sources: &'a [(String, String)], name: &str) -> &'a str {
    let exact = ["", "rpc-core/tests/", "rpc-core/src/", "rpc-codec/src/"];
    let mut named = sources
        .iter()
        .filter(|(path, _)| exact.iter().any(|before| *path == format!("{before}{name}")));
    let (_, source) = named.next().unwrap_or_else(|| panic!("there is no {name}"));
    assert!(named.next().is_none(), "there are two {name}");
    source
}

#[derive(Debug, PartialEq)]
enum Value {
    Number(u128),
    Time(Duration),
    Off,
}

impl Value {
    /// As the page writes it: `4 MiB`, `10 s`, `1,024`, `off`.
    fn of_cell(cell: &str) -> Self {
        let (number, unit) = cell.split_once(' ').unwrap_or((cell, ""));
        if ["off", "none", "never"].contains(&number) {
            return Self::Off;
        }
        let number: u64 =
            number.replace(',', "").parse().unwrap_or_else(|_| panic!("no number: {cell}"));
        match unit {
            "" => Self::Number(number.into()),
            "MiB" => Self::Number(u128::from(number) << 20),
            "TiB" => Self::Number(u128::from(number) << 40),
            "ns" => Self::Time(Duration::from_nanos(number)),
            "ms" => Self::Time(Duration::from_millis(number)),
            "s" => Self::Time(Duration::from_secs(number)),
            "min" => Self::Time(Duration::from_secs(number * 60)),
            "h" => Self::Time(Duration::from_secs(number * 3600)),
            other => panic!("what is `{other}`?"),
        }
    }

    /// As `Debug` writes it: `4194304`, `10s`, `false`, `None`.
    fn of_debug(text: &str) -> Self {
        match text {
            "false" | "None" | "0ns" => Self::Off,
            _ => match text.strip_suffix('s') {
                Some(seconds) => {
                    Self::Time(Duration::from_secs(seconds.parse().expect("whole seconds")))
                }
                None => Self::Number(text.parse().unwrap_or_else(|_| panic!("no number: {text}"))),
            },
        }
    }

    /// As the code writes it: `1 << 40`, `256 * 1024`, `Duration::from_secs(1)`.
    fn of_code(code: &str) -> Self {
        let inside = |name: &str| code.strip_prefix(name)?.strip_suffix(')');
        let time = |number: u128| u64::try_from(number).expect("a time");
        if let Some(seconds) = inside("Duration::from_secs(") {
            return Self::Time(Duration::from_secs(time(calculated(seconds))));
        }
        if let Some(nanos) = inside("Duration::from_nanos(") {
            return Self::Time(Duration::from_nanos(time(calculated(nanos))));
        }
        match inside("Duration::from_millis(") {
            Some(millis) => Self::Time(Duration::from_millis(time(calculated(millis)))),
            None => Self::Number(calculated(code)),
        }
    }
}

fn calculated(code: &str) -> u128 {
    let code = code.trim();
    if let Some((left, right)) = code.rsplit_once(" - ") {
        return calculated(left) - calculated(right);
    }
    let code = code.trim_start_matches('(').trim_end_matches(')');
    if let Some((left, right)) = code.split_once(" << ") {
        return calculated(left) << calculated(right);
    }
    let factors = code.split('*').map(|factor| {
        let factor = factor.trim().replace('_', "");
        factor.parse::<u128>().unwrap_or_else(|_| panic!("no number: {code}"))
    });
    factors.product()
}

/// The fields of a struct and their values, as `Debug` shows them.
fn fields(settings: &dyn Debug) -> Vec<(String, String)> {
    let shown = format!("{settings:#?}");
    let lines = shown.lines().filter_map(|line| line.strip_prefix("    "));
    let own = lines.filter(|line| !line.starts_with([' ', '}']));
    own.map(|line| {
        let (name, value) = line.split_once(": ").expect("a field");
        (name.to_owned(), value.trim_end_matches(',').to_owned())
    })
    .collect()
}

fn check_all(owner: &str, settings: &dyn Debug) {
    let rows = rows();
    let prefix = format!("`{owner}::");
    let fields = fields(settings);
    assert!(fields.len() >= 2);
    for (name, value) in &fields {
        let bound = format!("{prefix}{name}`");
        let row = rows.iter().find(|row| row.bound == bound);
        let row = row.unwrap_or_else(|| panic!("docs/BOUNDS.md says nothing of {bound}"));
        // One that has bounds of its own.
        if !value.ends_with('{') {
            assert_eq!(Value::of_cell(&row.default), Value::of_debug(value), "{bound}");
        }
    }
    for row in rows.iter().filter(|row| row.bound.starts_with(&prefix)) {
        let known = fields.iter().any(|(name, _)| row.bound == format!("{prefix}{name}`"));
        assert!(known, "docs/BOUNDS.md names {}, which is not there", row.bound);
    }
}

#[test]
fn every_setting_stands_there_with_its_default() {
    check_all("Limits", &Limits::default());
    check_all("ServerLimits", &ServerLimits::default());
    check_all("DecodeLimits", &DecodeLimits::default());
}

#[test]
fn the_builders_defaults_are_those() {
    let server = fields(&Server::builder());
    let sources = sources();
    let client = source(&sources, "client/builder.rs");
    let mut seen = 0;
    for row in rows() {
        let bound = row.bound.replace('`', "");
        let real = if let Some(name) = bound.strip_prefix("ServerBuilder::") {
            let (_, value) = server.iter().find(|(field, _)| field == name).expect("a field");
            Value::of_debug(value)
        } else if let Some(name) = bound.strip_prefix("ChannelBuilder::") {
            Value::of_code(between(client, &format!("                {name}: "), ",\n"))
        } else {
            continue;
        };
        assert_eq!(Value::of_cell(&row.default), real, "{bound}");
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

fn between<'a>(source: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = source.split_once(before).unwrap_or_else(|| panic!("no `{before}`"));
    rest.split_once(after).expect("an end").0
}

#[test]
fn constants_are_those_of_the_code() {
    let sources = sources();
    let mut seen = 0;
    for row in rows() {
        let Some((name, file)) = row.bound.split_once(" in ") else { continue };
        let (name, file) = (name.replace('`', ""), file.replace('`', ""));
        let declared = between(source(&sources, &file), &format!("const {name}: "), ";");
        let (_, code) = declared.split_once(" = ").expect("a value");
        assert_eq!(Value::of_cell(&row.default), Value::of_code(code), "{name} in {file}");
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}

/// Whether `file::name` is a test there is.
fn check_test(sources: &[(String, String)], test: &str) {
    let (file, name) = test.split_once("::").expect("file::name");
    let found = source(sources, file).contains(&format!("fn {name}("));
    assert!(found, "there is no test {name} in {file}");
}

#[test]
fn every_bound_is_met_by_tests_that_exist() {
    let sources = sources();
    for row in rows() {
        assert!(!row.tests.is_empty(), "nothing meets {}", row.bound);
        row.tests.iter().for_each(|test| check_test(&sources, test));
    }
}

#[test]
fn every_test_of_the_threat_model_exists() {
    let sources = sources();
    let page = fs::read_to_string(root().join("docs/THREAT_MODEL.md")).expect("the page");
    let code = page.split('`').skip(1).step_by(2);
    let tests: Vec<_> = code.filter(|code| code.contains(".rs::")).collect();
    assert!(tests.len() > 50, "{} tests", tests.len());
    tests.into_iter().for_each(|test| check_test(&sources, test));
}
