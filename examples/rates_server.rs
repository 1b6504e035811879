//! A server of [`Rates`](examples::rates::Rates) that stays up until it is told to end, and then
//! finishes what it has begun.
//!
//! ```text
//! cargo run --release --example rates_server -- --listen 127.0.0.1:7000 --name A
//! ```

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use examples::rates::{Bank, RatesServer};
use rpc_core::{Server, ServerHandle, Status};

const HELP: &str = "\
Serves currency conversion at the reference rates of the European Central Bank.

usage: rates_server [--listen ADDRESS] [--name NAME] [--slow MS]

  --listen ADDRESS  where to listen: HOST:PORT or unix:///PATH; default 127.0.0.1:7000.
                    With port 0 the system chooses one. The first line printed says where it is.
  --name NAME       what it calls itself in its answers; default `rates`
  --slow MS         take so many milliseconds for every conversion
  --help            print this

Ctrl-C or SIGTERM drains it: no new calls, those it has are finished. A second one ends it at once.";

struct Options {
    listen: String,
    name: String,
    slow: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprintln!("rates_server: {mistake} (see --help)");
            return ExitCode::from(2);
        }
    };
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(status) => {
            eprintln!("rates_server: {status}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: Options) -> Result<(), Status> {
    // Before listening, so that a signal sent on the first line printed is not missed.
    let mut signals = Signals::new().map_err(|error| Status::internal(error.to_string()))?;
    let bank = Bank::new(options.name.clone()).with_delay(options.slow);
    let server = Server::builder()
        .add(RatesServer::new(bank))
        .name(options.name)
        .listen(&options.listen)
        .await?;
    say(&format!("listening on {}", server.address()));

    signals.next().await;
    say(&format!("draining, {} calls in flight", server.in_flight()));
    let drained = tokio::select! {
        drained = server.drain() => drained,
        () = signals.next() => end_now(&server).await,
    };
    say(&format!("drained, {} calls aborted", drained.aborted));
    Ok(())
}

async fn end_now(server: &ServerHandle) -> rpc_core::server::Drained {
    say("ending at once");
    server.shutdown().await
}

/// Whoever started this may read it through a pipe, and may be gone: that is no reason to fail.
fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

impl Options {
    /// `None` if help is wanted.
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self {
            listen: "127.0.0.1:7000".to_owned(),
            name: "rates".to_owned(),
            slow: Duration::ZERO,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--listen" => options.listen = value()?,
                "--name" => options.name = value()?,
                "--slow" => {
                    let text = value()?;
                    let millis = text.parse();
                    options.slow = Duration::from_millis(millis.map_err(|_| {
                        format!("bad --slow `{text}`, expected a number of milliseconds")
                    })?);
                }
                "--help" | "-h" => return Ok(None),
                other => return Err(format!("unknown argument `{other}`")),
            }
        }
        Ok(Some(options))
    }
}

/// Ctrl-C, and where there is one the signal by which service managers end a process.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
