//! The whole story in one run: three servers and a client, each a process of its own, convert real
//! amounts; then a deadline is missed, a call is cancelled, and a server says no. Calls are governed:
//! a limit refuses, a breaker opens and closes while the last good answers help out, a retry lands on
//! another server, a hedge beats a slow one, and a rules file is changed. In the end a server is
//! killed while calls are going on.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```
//!
//! It ends with 0 only if everything it says has been checked. This file tells the story and starts
//! the processes, which are this same program with another argument; `quickstart/client.rs`,
//! `governed.rs` and `rules_file.rs` are what a user's program would look like.

#[path = "quickstart/asking.rs"]
mod asking;
#[path = "quickstart/client.rs"]
mod client;
#[path = "quickstart/governed.rs"]
mod governed;
#[path = "quickstart/outage.rs"]
mod outage;
#[path = "quickstart/process.rs"]
mod process;
#[path = "quickstart/report.rs"]
mod report;
#[path = "quickstart/rules_file.rs"]
mod rules_file;
#[path = "quickstart/server.rs"]
mod server;

use std::process::ExitCode;
use std::time::Duration;

use process::{ClientProcess, Said, ServerProcess};
use report::Checks;

/// Every wait ends, at the latest after this: a loaded machine may take some of it.
const PATIENCE: Duration = Duration::from_secs(20);
/// What server C takes for a conversion, in milliseconds.
const SLOW_MS: &str = "400";
/// How many checks there are; one that was never made has not held.
const CHECKS: usize = 20;

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        [] => story().await,
        ["serve", name, slow] => server::run(name, slow).await,
        ["client", a, b, c] => client::run([a, b, c]).await,
        _ => Err("quickstart takes no arguments".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("quickstart: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn story() -> Result<(), String> {
    let mut checks = Checks::default();
    let mut servers = Vec::new();
    let told = tell(&mut servers, &mut checks).await;
    // However the story went, no process is left behind.
    for server in servers {
        server.end().await;
    }
    told?;
    checks.summary(CHECKS)
}

async fn tell(servers: &mut Vec<ServerProcess>, checks: &mut Checks) -> Result<(), String> {
    println!("Three servers and a client, each a process of its own.\n");
    for (name, slow) in [("A", "0"), ("B", "0"), ("C", SLOW_MS)] {
        let server = ServerProcess::start(name, slow).await?;
        println!("  server {name} at {}, process {}", server.address, server.id);
        servers.push(server);
    }
    let addresses = servers.iter().map(|server| server.address.as_str());
    let mut client = ClientProcess::start(addresses)?;
    println!("  (C takes {SLOW_MS} ms for each conversion, on purpose)\n");

    let ended = loop {
        match client.next().await? {
            Said::Note(text) => println!("{text}"),
            Said::Check { held, what } => checks.add(held, &what),
            Said::Kill(name) => {
                let victim = servers.iter_mut().find(|server| server.name == name);
                let victim = victim.ok_or_else(|| format!("there is no server {name}"))?;
                println!("  kill -9 {} (server {name}), with calls going on ..", victim.id);
                let died = victim.kill().await?;
                client.tell("killed").await?;
                checks
                    .add(died, &format!("server {name} was ended by signal 9, without a good-bye"));
            }
            Said::Ended(status) => break status,
        }
    };
    if !ended.success() {
        return Err(format!("the client failed: {ended}"));
    }

    println!("\nThe other two are asked to drain.");
    let mut drained = Vec::new();
    for server in servers.iter_mut().filter(|server| server.is_running()) {
        drained.push((server.name.clone(), server.drain().await?));
    }
    let all = drained.len() == 2 && drained.iter().all(|(_, status)| status.success());
    checks.add(all, "servers A and C drained, and ended with 0");
    Ok(())
}
