//! Holds the invariants of `ARCHITECTURE.md`, which are all absences: who does not know whom.

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below `dir` of the workspace, with its path from there.
fn sources(dir: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(dir);
    let mut found = Vec::new();
    let mut dirs: Vec<PathBuf> = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).expect("the workspace's folders are there") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below the root").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("UTF-8 source")));
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {dir}");
    found
}

/// The code of a file: without comments, and without its unit tests, which stand last.
fn code(source: &str) -> String {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// No file of `dir` whose name `concerns` names one of `words`.
fn absent(dir: &str, concerns: impl Fn(&str) -> bool, words: &[&str]) {
    let mut seen = 0;
    for (name, source) in sources(dir).iter().filter(|(name, _)| concerns(name)) {
        seen += 1;
        for word in words {
            assert!(!code(source).contains(word), "{dir}/{name} must not name `{word}`");
        }
    }
    assert!(seen > 0, "the rule about {words:?} concerns no file of {dir}: has one been renamed?");
}

#[test]
fn the_codec_is_a_function_of_bytes() {
    absent("rpc-codec/src", |_| true, &["async ", ".await", "tokio::", "tower"]);
}

#[test]
fn governance_knows_no_io() {
    let inside = |name: &str| name.starts_with("governance/");
    absent(
        "rpc-core/src",
        inside,
        &["crate::client", "crate::server", "crate::transport", "crate::connection"],
    );
}

#[test]
fn control_knows_neither_end() {
    absent(
        "rpc-core/src",
        |name| name.starts_with("control/"),
        &["crate::client", "crate::server", "crate::transport", "crate::connection"],
    );
}

#[test]
fn client_and_server_do_not_know_each_other() {
    absent("rpc-core/src", |name| name.starts_with("client/"), &["crate::server"]);
    absent("rpc-core/src", |name| name.starts_with("server/"), &["crate::client"]);
}

#[test]
fn connections_know_neither_end() {
    let inside = |name: &str| name.starts_with("connection/") || name.starts_with("transport/");
    absent("rpc-core/src", inside, &["crate::client", "crate::server"]);
}

#[test]
fn nouns_know_no_io() {
    let nouns = ["address", "context", "method", "reply", "report", "request", "service", "status"];
    let noun = |name: &str| nouns.iter().any(|noun| name == format!("{noun}.rs"));
    absent(
        "rpc-core/src",
        noun,
        &["crate::client", "crate::server", "crate::transport", "crate::connection", "tokio::net"],
    );
}

#[test]
fn pure_machines_never_ask_for_the_time() {
    let machines = ["connection/pending.rs", "connection/keepalive.rs", "connection/budget.rs"];
    let is_pure = |name: &str| name.starts_with("governance/") && !is_layer(name);
    let machine = |name: &str| is_pure(name) || machines.contains(&name);
    absent("rpc-core/src", machine, &["::now()", "tokio::spawn", "sleep"]);
}

/// The async skin of the machines, which has a clock and timers.
fn is_layer(name: &str) -> bool {
    name.starts_with("governance/layer/")
}

#[test]
fn layers_spawn_nothing_erase_no_future_and_hold_no_lock() {
    absent("rpc-core/src", is_layer, &["spawn", "BoxFuture", "dyn Future", "Mutex", "async fn"]);
}

#[test]
fn machines_do_not_know_their_layers() {
    let machine = |name: &str| name.starts_with("governance/") && !is_layer(name);
    absent("rpc-core/src", machine, &["governance::layer", "super::layer"]);
}

#[test]
fn only_transport_and_connection_touch_sockets() {
    let outside = |name: &str| {
        !["transport/", "connection/", "server/accept"]
            .iter()
            .any(|inside| name.starts_with(inside))
    };
    absent("rpc-core/src", outside, &["tokio::net", "tokio::io", "AsyncRead", "AsyncWrite"]);
}

#[test]
fn expansions_hold_no_control_flow() {
    let generated = |name: &str| name.starts_with("expand/");
    let quoted = |source: &str| {
        let mut inside = String::new();
        let mut rest = source;
        while let Some(at) = rest.find("quote! {") {
            let body = &rest[at + "quote! {".len()..];
            let mut depth = 1;
            let end = body
                .char_indices()
                .find(|(_, letter)| {
                    depth += match letter {
                        '{' => 1,
                        '}' => -1,
                        _ => 0,
                    };
                    depth == 0
                })
                .map_or(body.len(), |(end, _)| end);
            inside.push_str(&body[..end]);
            rest = &body[end..];
        }
        inside
    };
    for (name, source) in sources("rpc-macros/src").iter().filter(|(name, _)| generated(name)) {
        for word in ["if ", "match ", "loop ", "while ", "?;"] {
            assert!(!quoted(source).contains(word), "{name} generates `{word}`");
        }
    }
}

#[test]
fn unsafe_is_forbidden_everywhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let workspace = fs::read_to_string(root.join("Cargo.toml")).expect("the workspace's manifest");
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    let members = workspace
        .lines()
        .find(|line| line.starts_with("members"))
        .expect("a list of members on one line");
    for member in members.split('"').skip(1).step_by(2) {
        let manifest =
            fs::read_to_string(root.join(member).join("Cargo.toml")).expect("a manifest");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{member} does not take the workspace's lints"
        );
    }
}

/// A crate of macros can't lend its code, so each has its own.
#[test]
fn attribute_and_file_guess_keys_by_the_same_words() {
    let guess = |dir: &str, name: &str| {
        let all = sources(dir);
        let (_, source) = all.iter().find(|(found, _)| found == name).expect("it guesses keys");
        let (_, rest) = source.split_once("const ELSEWHERE").expect("what others call them");
        let (guess, _) = rest.split_once("/// The closest of").expect("the closest comes next");
        guess.to_owned()
    };
    assert_eq!(
        guess("rpc-macros/src", "suggest.rs"),
        guess("rpc-core/src", "governance/rules/suggest.rs")
    );
}
