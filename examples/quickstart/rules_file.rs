//! The client's process: rules in a file that is changed while calls go on, once rightly and once
//! wrongly.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use examples::rates::RatesClient;
use rpc_core::Code;
use rpc_core::Governance;
use tokio::time::{Instant, sleep};

use super::PATIENCE;
use super::asking::{CONVERSIONS, Result, call, check, connect, conversion};

const HURRIED: &str = "[client.\"bank.Rates/convert\"]\ntimeout = \"100ms\"\n";
const PATIENT: &str = "[client.\"bank.Rates/convert\"]\ntimeout = \"5s\"\n";
const WRONG: &str = "[client.\"bank.Rates/convert\"]\ntimeout = \"100 msec\"\n";

pub(crate) async fn run(slow: &str) -> Result<()> {
    println!("Rules in a file, which is watched:");
    let file = RulesFile::new()?;
    let slow = connect(slow).await?;
    file.write(HURRIED)?;
    Governance::global().watch_file(file.path()).await.map_err(|trouble| trouble.to_string())?;
    let missed = is_too_late(&slow).await?;
    check(missed, "a call to C had 100 ms, since the file says so, and was too late");

    file.write(PATIENT)?;
    let begun = Instant::now();
    let changed = within(async || Ok(!is_too_late(&slow).await?)).await?;
    println!("  {:.1?} after the file was changed, C was in time", begun.elapsed());
    check(changed, "the change is in force, and neither client nor server was started anew");

    file.write(WRONG)?;
    let troubles = || Governance::global().troubles();
    let noticed = within(async || Ok(!troubles().is_empty())).await?;
    troubles().iter().for_each(|trouble| println!("  {trouble}"));
    let still = !is_too_late(&slow).await?;
    check(noticed && still, "a mistake was noticed and changed nothing");
    Ok(())
}

/// Whether a call to the slow server misses its deadline.
async fn is_too_late(slow: &RatesClient) -> Result<bool> {
    match call(slow, &conversion(CONVERSIONS[0])?).await {
        Ok(_) => Ok(false),
        Err(error) => match error.as_status().map(|status| status.code()) {
            Some(Code::DeadlineExceeded) => Ok(true),
            _ => Err(error.to_string()),
        },
    }
}

/// Whether something holds in the end.
async fn within(mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<bool> {
    let until = Instant::now() + PATIENCE / 2;
    while Instant::now() < until {
        if holds().await? {
            return Ok(true);
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(false)
}

/// A file in a folder of its own, which goes with it.
struct RulesFile(PathBuf);

impl RulesFile {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("quickstart-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self(folder))
    }

    fn path(&self) -> PathBuf {
        self.0.join("rules.toml")
    }

    fn write(&self, text: &str) -> Result<()> {
        println!("  rules.toml:");
        text.lines().for_each(|line| println!("    {line}"));
        // Written beside it and put in its place, so that nobody reads half of it.
        let draft = self.0.join("draft");
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, self.path()));
        written.map_err(|error| format!("{}: {error}", self.path().display()))
    }
}

impl Drop for RulesFile {
    fn drop(&mut self) {
        // A folder that stays in the place for temporary files does no harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}
