//! The two processes of a measurement.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::Failure;
use crate::cell::Measurement;
use crate::figures::Figures;

/// For what takes milliseconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a server listens.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    pub(crate) peer: SocketAddr,
    pub(crate) control: SocketAddr,
    /// The server's.
    pub(crate) process: u32,
}

/// Makes one measurement, with a server and a driver that nothing else has run in.
pub(crate) async fn measure(measurement: &Measurement) -> Result<Figures, Failure> {
    let told = serde_json::to_string(measurement)?;
    let mut server = spawn(&["serve", &told])?;
    let endpoints = first_line(&mut server, PATIENCE).await?;
    let mut driver = spawn(&["drive", &told, &endpoints])?;
    let figures =
        first_line(&mut driver, PATIENCE + measurement.warm_up + measurement.window).await;
    // Neither has anything left to say, and a driver that hangs must not be waited for.
    driver.kill().await?;
    server.kill().await?;
    Ok(serde_json::from_str(&figures?)?)
}

fn spawn(args: &[&str]) -> Result<Child, Failure> {
    // Its input is closed when this process ends, however it does; a server takes that for its end.
    Ok(Command::new(std::env::current_exe()?)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?)
}

async fn first_line(child: &mut Child, patience: Duration) -> Result<String, Failure> {
    let stdout = child.stdout.as_mut().ok_or("a child's output is a pipe")?;
    let mut lines = BufReader::new(stdout).lines();
    let line = timeout(patience, lines.next_line()).await;
    let line = line.map_err(|_| format!("a child said nothing for {patience:?}"))??;
    line.ok_or_else(|| "a child ended before it had an answer".into())
}
