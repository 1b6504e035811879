//! Each file of `broken/` is refused in the words beside it. After a change of words, run with
//! `BLESS=1 cargo test -p rpc-core --test rules` and read what has changed as one who has to act on it at night.

use std::fs;

use rpc_core::governance::rules::{RuleSet, Strength, Syntax};

use crate::{files, folder, parse};

#[test]
fn broken_files_are_refused_in_words_that_help() {
    let rewrite = std::env::var_os("BLESS").is_some();
    let broken = files(&folder("broken"), &["toml", "json"]);
    assert!(broken.len() >= 40, "only {} files", broken.len());
    let mut changed = Vec::new();
    for path in broken {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let refusal = match parse(&path) {
            Err(mistakes) => format!("{mistakes}\n"),
            Ok(set) => panic!("{name} is taken for\n{set}"),
        };
        let words = path.with_file_name(format!("{name}.txt"));
        if rewrite {
            fs::write(&words, &refusal).expect("a folder that can be written to");
        } else if fs::read_to_string(&words).ok().as_ref() != Some(&refusal) {
            changed.push(refusal);
        }
    }
    assert!(changed.is_empty(), "other words than expected:\n{}", changed.concat());
}

#[test]
fn a_file_of_nothing_but_mistakes_is_answered_shortly() {
    let entry =
        |at| format!("[client.\"a.B/c{at}\"]\ntimeuot = \"1s\"\ndark = [\"limt\", \"limt\"]\n");
    let text: String = (0..5_000).map(entry).collect();
    let read = RuleSet::parse(Strength::File, "r.toml", Syntax::Toml, &text, None);
    let mistakes = read.expect_err("nothing of it is right");
    let words = mistakes.to_string();
    assert!(mistakes.count() < 1_000 && words.lines().count() <= 101, "{}", mistakes.count());
    assert!(words.ends_with(" more, at least"), "{words}");

    let name = "n".repeat(100_000);
    let text = format!("[client.\"{name}\"]\n{name} = \"{name}\"");
    let read = RuleSet::parse(Strength::File, "r.toml", Syntax::Toml, &text, None);
    let words = read.expect_err("no name is so long").to_string();
    assert!(words.len() < 1_000, "{} bytes", words.len());
}
