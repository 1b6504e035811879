//! A rules file that is watched by a whole process: what it does to calls. The clock is paused: it goes
//! on when there is nothing left to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;

use crate::world::{World, price};

/// A folder of the test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn rules(&self) -> PathBuf {
        self.0.join("rules.toml")
    }

    fn write(&self, text: &str) {
        fs::write(self.rules(), text).expect("a file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ONE: &str = "[client.\"shop.Inventory/price\"]\nlimit = { rate = \"1/h\", burst = 1 }\n";
const FREE: &str = "[client.\"shop.Inventory/price\"]\nlimit = \"off\"\n";
const BROKEN: &str = "[client.\"shop.Inventory/price\"]\nlimit = { rate = \"fast\" }\n";

async fn a_moment() {
    sleep(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_file_takes_effect_and_a_mistake_in_it_does_not() {
    let (world, folder) = (World::of(1).await, Folder::new("changes"));
    let shop = world.client("").await;
    folder.write(FREE);
    let mut standing = world.governance.watch_file(folder.rules()).await.unwrap();
    assert!(standing.borrow_and_update().trouble.is_none());
    price(&shop).await.unwrap();
    price(&shop).await.unwrap();
    folder.write(ONE);
    a_moment().await;
    price(&shop).await.unwrap();
    price(&shop).await.unwrap_err();
    standing.changed().await.unwrap();
    assert!(standing.borrow_and_update().trouble.is_none());
    folder.write(BROKEN);
    standing.changed().await.unwrap();
    assert!(standing.borrow_and_update().trouble.is_some(), "it is told without being asked");
    price(&shop).await.unwrap_err();
    let told = world.governance.explain("shop.Inventory/price");
    let file = folder.rules().display().to_string();
    let why =
        format!("not in force: {file} as it is now; what it said before is. Wrong:\n  {file}:2");
    assert!(told.contains(&why), "{told}");
    assert!(told.contains("1/h burst 1"), "the last good rule is: {told}");
    folder.write(FREE);
    a_moment().await;
    price(&shop).await.unwrap();
    price(&shop).await.unwrap();
    let told = world.governance.explain("shop.Inventory/price");
    assert!(!told.contains("not in force"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_missing_at_the_start_is_told_and_comes_into_force_when_it_is_there() {
    let (world, folder) = (World::of(1).await, Folder::new("missing"));
    let shop = world.client("").await;
    let trouble = world.governance.watch_file(folder.rules()).await.unwrap_err();
    let why = format!("{}: there is no such file", folder.rules().display());
    assert_eq!(trouble.to_string(), why);
    price(&shop).await.unwrap();
    folder.write(ONE);
    a_moment().await;
    price(&shop).await.unwrap();
    price(&shop).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_process_starts_under_its_last_good_rules_while_the_file_is_missing_or_broken() {
    let folder = Folder::new("last-good");
    folder.write(ONE);
    World::of(1).await.governance.watch_file(folder.rules()).await.unwrap();
    for text in [None, Some(BROKEN)] {
        match text {
            None => fs::remove_file(folder.rules()).unwrap(),
            Some(text) => folder.write(text),
        }
        let world = World::of(1).await;
        let shop = world.client("").await;
        let standing = world.governance.watch_file(folder.rules()).await.unwrap();
        assert!(standing.borrow().trouble.is_some(), "who starts under old rules can know it");
        price(&shop).await.unwrap();
        price(&shop).await.unwrap_err();
        let told = world.governance.explain("shop.Inventory/price");
        assert!(told.contains("not in force: "), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_is_not_watched_for_a_governance_that_is_gone() {
    let (world, folder) = (World::of(1).await, Folder::new("gone"));
    folder.write(FREE);
    world.governance.watch_file(folder.rules()).await.unwrap();
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    drop(world.governance);
    a_moment().await;
    let after = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(before - after, 2, "the one that reads it and the one that obeys it");
}
