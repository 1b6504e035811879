//! A watched file: what a change does, and what a broken, half-written, empty or missing one does
//! not. The clock is paused: it goes on when there is nothing left to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rpc_core::control::{FileSource, News, Source, Trouble};
use rpc_core::governance::rules::MAX_BYTES;

/// A folder of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), text).expect("a file");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(name)).expect("it was there");
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.join(name)).ok()
    }

    fn watch(&self, name: &str) -> FileSource {
        FileSource::new(self.0.join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn rules(concurrency: u32) -> String {
    format!("[client.defaults]\nconcurrency = {concurrency}\n\n")
}

/// The next news: the rules as they are written, or what the trouble is, from the file's name on.
async fn next(source: &mut FileSource) -> Result<String, String> {
    match source.next().await {
        News::Rules(rules) => Ok(rules.to_string()),
        News::Trouble(trouble) => {
            let folder = source.name().rsplit_once('/').map_or("", |(folder, _)| folder);
            Err(trouble.to_string().replacen(&format!("{folder}/"), "", 1))
        }
    }
}

/// There are no news for a minute.
async fn is_silent(source: &mut FileSource) {
    let minute = Duration::from_secs(60);
    let news = tokio::time::timeout(minute, source.next()).await;
    assert!(news.is_err(), "{news:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_told_once() {
    let folder = Folder::new("change");
    folder.write("r.toml", rules(1));
    let mut source = folder.watch("r.toml");
    assert_eq!(next(&mut source).await, Ok(rules(1)));
    is_silent(&mut source).await;
    folder.write("r.toml", rules(2));
    assert_eq!(next(&mut source).await, Ok(rules(2)));
    is_silent(&mut source).await;
    assert_eq!(source.name(), folder.0.join("r.toml").to_str().expect("UTF-8"), "as it was given");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_replaced_by_renaming_is_found() {
    let folder = Folder::new("rename");
    folder.write("r.toml", rules(1));
    let mut source = folder.watch("r.toml");
    assert_eq!(next(&mut source).await, Ok(rules(1)));
    folder.write("new", rules(2));
    fs::rename(folder.0.join("new"), folder.0.join("r.toml")).expect("renamed");
    assert_eq!(next(&mut source).await, Ok(rules(2)));
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_is_told_and_a_repaired_one_is_in_force_again() {
    let folder = Folder::new("broken");
    folder.write("r.toml", rules(1));
    let mut source = folder.watch("r.toml");
    assert_eq!(next(&mut source).await, Ok(rules(1)));
    folder.write("r.toml", "[client.defaults]\nconcurrency = 0\n");
    let why = next(&mut source).await.expect_err("broken");
    assert!(why.starts_with("r.toml:2:15: client.defaults.concurrency: 0 is too few"), "{why}");
    assert_eq!(folder.read("r.toml.last-good"), Some(rules(1)), "only what is good is kept");
    is_silent(&mut source).await;
    folder.write("r.toml", rules(1));
    assert_eq!(next(&mut source).await, Ok(rules(1)), "which also ends the trouble");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_gone_empty_too_big_or_no_text_takes_no_rules_away() {
    let folder = Folder::new("gone");
    folder.write("r.toml", rules(1));
    let mut source = folder.watch("r.toml");
    assert_eq!(next(&mut source).await, Ok(rules(1)));
    folder.remove("r.toml");
    assert_eq!(next(&mut source).await, Err("r.toml: there is no such file".to_owned()));
    folder.write("r.toml", " \n");
    let why = next(&mut source).await.expect_err("empty");
    assert!(why.starts_with("r.toml: the file is empty"), "{why}");
    folder.write("r.toml", b"# one\n\xff\n");
    assert_eq!(next(&mut source).await, Err("r.toml: line 2 is not UTF-8".to_owned()));
    folder.write("r.toml", "#".repeat(MAX_BYTES + 1));
    let why = next(&mut source).await.expect_err("too big");
    assert!(why.contains("more than 1048576 bytes"), "{why}");
    folder.remove("r.toml");
    fs::create_dir(folder.0.join("r.toml")).expect("a folder");
    assert_eq!(next(&mut source).await, Err("r.toml: it is not a file".to_owned()));
    fs::remove_dir(folder.0.join("r.toml")).expect("it was there");
    folder.write("r.toml", "# no rules any more\n");
    assert_eq!(next(&mut source).await, Ok(String::new()), "unless it says so");
}

#[tokio::test(start_paused = true)]
async fn a_process_starts_under_the_last_good_rules_while_the_file_is_broken() {
    let folder = Folder::new("restart");
    folder.write("r.json", "{\"client\":{\"defaults\":{\"concurrency\":1}}}");
    assert_eq!(next(&mut folder.watch("r.json")).await, Ok(rules(1)));
    for broken in [Some("{"), Some(""), None] {
        match broken {
            Some(text) => folder.write("r.json", text),
            None => folder.remove("r.json"),
        }
        let mut source = folder.watch("r.json");
        let News::Rules(restored) = source.next().await else { panic!("no rules") };
        assert_eq!(restored.to_string(), rules(1));
        assert!(
            restored.source().ends_with("/r.json.last-good"),
            "explain says where they are from"
        );
        assert!(next(&mut source).await.is_err(), "and what is wrong is told");
    }
}

#[tokio::test(start_paused = true)]
async fn last_good_rules_that_are_broken_themselves_are_not_used() {
    let folder = Folder::new("both");
    folder.write("r.toml.last-good", "[client.defaults]\nconcurrency = 0");
    let mut source = folder.watch("r.toml");
    assert_eq!(next(&mut source).await, Err("r.toml: there is no such file".to_owned()));
    is_silent(&mut source).await;
}

#[tokio::test(start_paused = true)]
async fn a_place_that_keeps_nothing_is_told_and_the_rules_are_in_force() {
    let folder = Folder::new("nowhere");
    folder.write("r.toml", rules(1));
    let mut source = folder.watch("r.toml").with_last_good(folder.0.join("no/such/place"));
    assert_eq!(next(&mut source).await, Ok(rules(1)));
    let News::Trouble(trouble) = source.next().await else { panic!("no trouble") };
    assert!(matches!(&*trouble, Trouble::NotKept { .. }), "{trouble}");
    let mut source = folder.watch("r.toml").without_last_good();
    assert_eq!(next(&mut source).await, Ok(rules(1)));
    assert_eq!(folder.read("r.toml.last-good"), None);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_written_in_place_is_not_taken_half() {
    let folder = Folder::new("half");
    folder.write("r.toml", rules(1));
    let mut source = folder.watch("r.toml");
    assert_eq!(next(&mut source).await, Ok(rules(1)));
    let whole = format!("{}[client.caps]\nconcurrency = 5\n\n", rules(2));
    // Half of it is valid. The other half comes 30 ms after the file was looked at.
    let writer = async {
        tokio::time::sleep(Duration::from_millis(990)).await;
        folder.write("r.toml", rules(2));
        tokio::time::sleep(Duration::from_millis(40)).await;
        folder.write("r.toml", &whole);
    };
    let ((), news) = tokio::join!(writer, next(&mut source));
    assert_eq!(news, Ok(whole));
}
