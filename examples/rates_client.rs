//! A client of [`Rates`](examples::rates::Rates) for the command line.
//!
//! ```text
//! cargo run --release --example rates_client -- convert 100 USD EUR 2024-03-01
//! ```

use std::process::ExitCode;
use std::time::Duration;

use examples::rates::{Amount, Date, Rates, RatesClient, RatesError};
use rpc_core::{CallReport, Error};

const HELP: &str = "\
Asks a rates_server.

usage: rates_client [OPTIONS] COMMAND

  convert AMOUNT FROM TO DATE   what an amount was worth on a day, as in `convert 100 USD EUR 2024-03-01`
  currencies                    the currencies there are
  viewed CURRENCY               says that somebody looked at a currency; nothing is answered
  seen                          what the server has seen so far

  --connect ADDRESS   tcp://HOST:PORT, several as in tcp://A:1,B:1, or unix:///PATH;
                      default tcp://127.0.0.1:7000
  --timeout TIME      how long it may take: 50ms, 2s; default 10s
  --format NAME       how arguments and answers travel: msgpack (the default) or json
  --help              print this

It exits with 0 if the call was answered, 1 if it failed, 2 for a bad command line, and 3 if the server said no:
an unknown currency, or a day without rates.";

const ANSWERED: u8 = 0;
const FAILED: u8 = 1;
const MISUSED: u8 = 2;
const REFUSED: u8 = 3;

struct Options {
    connect: String,
    timeout: Duration,
    format: Option<String>,
    command: Command,
}

enum Command {
    Convert { amount: Amount, from: String, to: String, date: Date },
    Currencies,
    Viewed { currency: String },
    Seen,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::from(ANSWERED);
        }
        Err(mistake) => {
            eprintln!("rates_client: {mistake} (see --help)");
            return ExitCode::from(MISUSED);
        }
    };
    ExitCode::from(match run(options).await {
        Ok(()) => ANSWERED,
        Err(Error::App(error)) => {
            eprintln!("rates_client: the server says: {error}");
            REFUSED
        }
        Err(Error::Status(status)) => {
            eprintln!("rates_client: {status}");
            FAILED
        }
    })
}

async fn run(options: Options) -> Result<(), Error<RatesError>> {
    let report = CallReport::new();
    let mut client = RatesClient::connect(&options.connect)
        .await?
        .with_timeout(options.timeout)
        .with_report(&report);
    if let Some(format) = options.format {
        client = client.with_format(format);
    }
    match options.command {
        Command::Convert { amount, from, to, date } => {
            let result = client.convert(amount, from.clone(), to.clone(), date.clone()).await?;
            println!("{amount} {from} = {result} {to} on {date}");
        }
        Command::Currencies => {
            for currency in client.currencies().await? {
                println!("{} from {} to {}", currency.name, currency.first, currency.last);
            }
        }
        Command::Viewed { currency } => {
            client.viewed(currency).await?;
            // A one-way call is done once the connection has it, and this process is about to end:
            // an answer to a call behind it on the same connection says that it has arrived.
            client.seen().await?;
        }
        Command::Seen => println!("{:#?}", client.seen().await?),
    }
    eprintln!("{}", answered(&report));
    Ok(())
}

/// Who answered, and how fast.
fn answered(report: &CallReport) -> String {
    let node = report.node().map_or_else(|| "nobody".to_owned(), |node| node.to_string());
    let metadata = report.metadata();
    let name = metadata.get("server").unwrap_or("without a name");
    format!("server {name} at {node} answered in {:?}", report.elapsed())
}

impl Options {
    /// `None` if help is wanted.
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut connect = "tcp://127.0.0.1:7000".to_owned();
        let mut timeout = Duration::from_secs(10);
        let mut format = None;
        let mut words = Vec::new();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--connect" => connect = value()?,
                "--timeout" => timeout = duration(&value()?)?,
                "--format" => format = Some(value()?),
                "--help" | "-h" => return Ok(None),
                option if option.starts_with("--") => {
                    return Err(format!("unknown option `{option}`"));
                }
                _ => words.push(arg),
            }
        }
        Ok(Some(Self { connect, timeout, format, command: Command::parse(words)? }))
    }
}

impl Command {
    fn parse(words: Vec<String>) -> Result<Self, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match *words.as_slice() {
            ["convert", amount, from, to, date] => Ok(Self::Convert {
                amount: amount.parse().map_err(|error| format!("{error}"))?,
                from: from.to_owned(),
                to: to.to_owned(),
                date: date.parse().map_err(|error| format!("{error}"))?,
            }),
            ["convert", ..] => Err("convert takes AMOUNT FROM TO DATE".to_owned()),
            ["currencies"] => Ok(Self::Currencies),
            ["viewed", currency] => Ok(Self::Viewed { currency: currency.to_owned() }),
            ["viewed", ..] => Err("viewed takes one CURRENCY".to_owned()),
            ["seen"] => Ok(Self::Seen),
            [] => Err("no command".to_owned()),
            [other, ..] => Err(format!("unknown command `{other}`")),
        }
    }
}

/// `50ms` or `2s`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(millis), _) => millis.parse().map(Duration::from_millis),
        (None, Some(seconds)) => seconds.parse().map(Duration::from_secs),
        (None, None) => {
            return Err(format!("bad --timeout `{text}`, expected one as in 50ms or 2s"));
        }
    };
    parsed.map_err(|_| format!("bad --timeout `{text}`, expected one as in 50ms or 2s"))
}
