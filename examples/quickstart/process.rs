//! The processes of the story, as their parent sees them. Each is waited for, each wait ends, and
//! one that is dropped is killed.

use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::PATIENCE;

type Result<T> = std::result::Result<T, String>;

/// This program once more, with other arguments.
fn start<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Child> {
    let this = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
    Command::new(this)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("can't start a process: {error}"))
}

/// `future`, unless it takes too long.
async fn bounded<T>(what: &str, future: impl Future<Output = std::io::Result<T>>) -> Result<T> {
    match timeout(PATIENCE, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{what}: {error}")),
        Err(_) => Err(format!("{what}: nothing for {PATIENCE:?}")),
    }
}

/// Both pipes of a process that has just been started.
fn pipes(child: &mut Child) -> Result<(ChildStdin, Lines<BufReader<ChildStdout>>)> {
    match (child.stdin.take(), child.stdout.take()) {
        (Some(input), Some(output)) => Ok((input, BufReader::new(output).lines())),
        _ => Err("a process was started without its pipes".to_owned()),
    }
}

/// A server.
pub(crate) struct ServerProcess {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) id: u32,
    child: Child,
    /// Closing it asks for a drain.
    input: Option<ChildStdin>,
}

impl ServerProcess {
    /// Starts one, and waits until it listens.
    pub(crate) async fn start(name: &str, slow_ms: &str) -> Result<Self> {
        let mut child = start(["serve", name, slow_ms])?;
        let id = child.id().ok_or("a process ended as it was started")?;
        let (input, mut lines) = pipes(&mut child)?;
        let address = bounded("a server's address", lines.next_line()).await?;
        let address = address.ok_or_else(|| format!("server {name} ended at once"))?;
        Ok(Self { name: name.to_owned(), address, id, child, input: Some(input) })
    }

    /// Ends it by signal 9 and waits for its end; whether that is what ended it.
    pub(crate) async fn kill(&mut self) -> Result<bool> {
        bounded("a server's end", self.child.kill()).await?;
        let status = bounded("a server's end", self.child.wait()).await?;
        self.input = None;
        Ok(is_killed(status))
    }

    /// Asks it to finish what it has begun, and waits for its end.
    pub(crate) async fn drain(&mut self) -> Result<ExitStatus> {
        self.input = None;
        bounded("a server's drain", self.child.wait()).await
    }

    pub(crate) fn is_running(&self) -> bool {
        self.input.is_some()
    }

    /// Makes sure that it is gone.
    pub(crate) async fn end(mut self) {
        if self.is_running() {
            // What is wrong with it has been told by then.
            let _ = self.kill().await;
        }
    }
}

#[cfg(unix)]
fn is_killed(status: ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(9)
}

#[cfg(not(unix))]
fn is_killed(status: ExitStatus) -> bool {
    !status.success()
}

/// The client.
pub(crate) struct ClientProcess {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What the client says: a line, whose first word says what it is.
pub(crate) enum Said {
    /// Something to print.
    Note(String),
    /// Something was checked.
    Check { held: bool, what: String },
    /// It wants this server killed, and to be told `killed`.
    Kill(String),
    /// It is done.
    Ended(ExitStatus),
}

impl ClientProcess {
    pub(crate) fn start<'a>(addresses: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut child = start(["client"].into_iter().chain(addresses))?;
        let (input, lines) = pipes(&mut child)?;
        Ok(Self { child, input, lines })
    }

    pub(crate) async fn next(&mut self) -> Result<Said> {
        let Some(line) = bounded("the client's next word", self.lines.next_line()).await? else {
            return Ok(Said::Ended(bounded("the client's end", self.child.wait()).await?));
        };
        Ok(match line.split_once('\t') {
            Some(("held", what)) => Said::Check { held: true, what: what.to_owned() },
            Some(("failed", what)) => Said::Check { held: false, what: what.to_owned() },
            Some(("kill", name)) => Said::Kill(name.to_owned()),
            _ => Said::Note(line),
        })
    }

    pub(crate) async fn tell(&mut self, word: &str) -> Result<()> {
        bounded("telling the client", self.input.write_all(format!("{word}\n").as_bytes())).await
    }
}
