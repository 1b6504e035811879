//! The client's process: what a user's program would do, and a check of each thing it sees.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use examples::rates::{Amount, Conversion, Rates, RatesClient, RatesError, Seen};
use rpc_core::{CallReport, Code, Error, Status};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::PATIENCE;

type Result<T> = std::result::Result<T, String>;

/// The file that the servers read too; what they answer is worked out from it once more, in another
/// way, by [`by_hand`].
const FILE: &str = include_str!("../data/eurofxref.csv");

/// Amounts, currencies, days: three for each server.
const CONVERSIONS: [(&str, &str, &str, &str); 9] = [
    ("100", "USD", "EUR", "2024-03-01"),
    ("2500", "EUR", "JPY", "2020-03-19"),
    ("19.99", "GBP", "USD", "2022-09-28"),
    ("1000000", "IDR", "CHF", "2026-10-30"),
    ("0.01", "EUR", "HUF", "2020-01-02"),
    ("750.5", "HRK", "EUR", "2022-12-30"),
    ("12345.6789", "SEK", "NOK", "2023-08-15"),
    ("88", "RUB", "TRY", "2022-02-28"),
    ("3", "EUR", "EUR", "2025-07-01"),
];

/// Callers at a time while a server is killed.
const CALLERS: usize = 8;
/// Answers before it is, and of calls begun after.
const ANSWERS_BEFORE: usize = 60;
const ANSWERS_AFTER: usize = 60;

pub(crate) async fn run(addresses: [&str; 3]) -> Result<()> {
    let rates = connect(&addresses.join(",")).await?;
    let slow = connect(addresses[2]).await?;
    convert_amounts(&rates).await?;
    deadlines(&slow).await?;
    cancel(&slow).await?;
    typed_error(&rates).await?;
    lose_a_server(&rates).await
}

async fn connect(address: &str) -> Result<RatesClient> {
    let client = RatesClient::builder().name("quickstart").connect(address).await;
    client.map_err(|status| status.to_string())
}

async fn convert_amounts(rates: &RatesClient) -> Result<()> {
    println!("Nine amounts at the rates of the day, nine calls at a time to three servers:");
    let calls = CONVERSIONS.map(|line| {
        let rates = rates.clone();
        tokio::spawn(async move { converted(&rates, &conversion(line)?).await })
    });
    let (mut right, mut servers) = (0, BTreeSet::new());
    for (line, call) in CONVERSIONS.into_iter().zip(calls) {
        let answer = call.await.map_err(|error| error.to_string())??;
        let (amount, from, to, date) = line;
        println!(
            "  {amount:>10} {from} = {:>14} {to} on {date}   server {}, {:.1} ms",
            answer.amount.to_string(),
            answer.server,
            answer.took.as_secs_f64() * 1000.0,
        );
        right += usize::from(is_right(answer.amount, line)?);
        servers.insert(answer.server);
    }
    check(right == CONVERSIONS.len(), "all nine amounts are what the file says, worked out anew");
    let all: Vec<&str> = servers.iter().map(String::as_str).collect();
    check(all == ["A", "B", "C"], "the calls were spread over all three servers");
    Ok(())
}

async fn deadlines(slow: &RatesClient) -> Result<()> {
    let wanted = conversion(CONVERSIONS[0])?;
    println!("Two calls to the slow server C, one with time enough:");
    let met = converted(&slow.with_timeout(Duration::from_secs(10)), &wanted).await;
    check(met.is_ok(), "given 10 s, it answered");

    let before = seen(slow).await?;
    let begun = Instant::now();
    let missed = call(&slow.with_timeout(Duration::from_millis(100)), &wanted).await;
    let code = missed.err().and_then(|error| error.as_status().map(Status::code));
    println!("  given 100 ms, the caller had its answer after {:?}", begun.elapsed());
    let gave_up =
        eventually(slow, |now| now.given_up > before.given_up && now.running == 0).await?;
    check(
        code == Some(Code::DeadlineExceeded) && gave_up,
        "given 100 ms, it was too late: the caller went on, and C stopped working on it",
    );
    Ok(())
}

async fn cancel(slow: &RatesClient) -> Result<()> {
    println!("A call that nobody wants any more:");
    let mut noticed = false;
    // On a machine that stalls, the call may be done before it is cancelled; then once more.
    for _ in 0..3 {
        noticed = noticed || cancel_one(slow).await?;
    }
    check(noticed, "it was cancelled while C worked on it, and C says it noticed");
    Ok(())
}

async fn cancel_one(slow: &RatesClient) -> Result<bool> {
    let before = seen(slow).await?;
    let task = tokio::spawn({
        let (slow, wanted) = (slow.clone(), conversion(CONVERSIONS[0])?);
        async move { call(&slow, &wanted).await }
    });
    let is_done = |now: &Seen| now.finished > before.finished;
    eventually(slow, |now| now.running == 1 || is_done(now)).await?;
    task.abort();
    let cancelled = task.await.is_err_and(|error| error.is_cancelled());
    let gave_up = |now: &Seen| now.given_up > before.given_up;
    eventually(slow, |now| gave_up(now) || is_done(now)).await?;
    Ok(cancelled && gave_up(&seen(slow).await?))
}

async fn typed_error(rates: &RatesClient) -> Result<()> {
    println!("A day without rates:");
    let sunday = conversion(("100", "USD", "EUR", "2024-03-03"))?;
    let error = call(rates, &sunday).await.err().ok_or("there are no rates on a Sunday")?;
    println!("  {error}");
    let days = match error.as_app() {
        Some(RatesError::NoRate { before: Some(before), after: Some(after), .. }) => {
            Some((before.to_string(), after.to_string()))
        }
        _ => None,
    };
    let expected = ("2024-03-01".to_owned(), "2024-03-04".to_owned());
    check(days == Some(expected), "the error came as a value: it names the days before and after");
    Ok(())
}

/// Eight callers go on converting while a server is killed.
async fn lose_a_server(rates: &RatesClient) -> Result<()> {
    println!("Eight callers, and a server that is killed under them:");
    let going_on = Arc::new(GoingOn { killed: watch::Sender::new(false), ..GoingOn::default() });
    std::thread::spawn({
        let going_on = going_on.clone();
        move || {
            let word = std::io::stdin().lock().lines().next();
            going_on.killed.send_replace(matches!(word, Some(Ok(word)) if word == "killed"));
        }
    });
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| tokio::spawn(going_on.clone().call_on(rates.clone(), caller)))
        .collect();
    let all = async {
        for caller in callers {
            caller.await.map_err(|error| error.to_string())??;
        }
        Ok::<(), String>(())
    };
    timeout(PATIENCE, all).await.map_err(|_| "the callers never came to an end")??;

    let answers = going_on.answers.load(Ordering::SeqCst);
    let again = going_on.again.load(Ordering::SeqCst);
    println!(
        "  {answers} conversions; {again} of their calls were with B when it died, and asked again"
    );
    check(
        again <= CALLERS,
        "every conversion was answered, and right; at most one call a caller was lost",
    );
    let after = going_on.servers_after.lock().unwrap_or_else(PoisonError::into_inner);
    let after: Vec<&str> = after.iter().map(String::as_str).collect();
    check(after == ["A", "C"], "calls that were begun since then were answered by A and C");
    Ok(())
}

/// What the callers share.
#[derive(Default)]
struct GoingOn {
    killed: watch::Sender<bool>,
    answers: AtomicUsize,
    again: AtomicUsize,
    /// Answers of calls that began after the server was killed, and who gave them.
    answers_after: AtomicUsize,
    servers_after: Mutex<BTreeSet<String>>,
}

impl GoingOn {
    async fn call_on(self: Arc<Self>, rates: RatesClient, first: usize) -> Result<()> {
        for turn in first.. {
            if self.answers_after.load(Ordering::SeqCst) >= ANSWERS_AFTER {
                break;
            }
            let line = CONVERSIONS[turn % CONVERSIONS.len()];
            let is_after = *self.killed.borrow();
            let answer = self.until_answered(&rates, &conversion(line)?).await?;
            if !is_right(answer.amount, line)? {
                return Err(format!("{line:?} became {}", answer.amount));
            }
            if self.answers.fetch_add(1, Ordering::SeqCst) + 1 == ANSWERS_BEFORE {
                println!("kill\tB");
            }
            if is_after {
                self.answers_after.fetch_add(1, Ordering::SeqCst);
                let mut servers = self.servers_after.lock().unwrap_or_else(PoisonError::into_inner);
                servers.insert(answer.server);
            }
        }
        Ok(())
    }

    /// A call that was with the server when it died may or may not have run. This one only reads,
    /// so that it may be asked again.
    async fn until_answered(&self, rates: &RatesClient, wanted: &Conversion) -> Result<Converted> {
        loop {
            let report = CallReport::new();
            match call(&rates.with_report(&report), wanted).await {
                Err(Error::Status(status)) if status.code() == Code::Unavailable => {
                    if self.again.fetch_add(1, Ordering::SeqCst) >= CALLERS {
                        return Err(format!("too many calls were lost: {status}"));
                    }
                }
                result => return Converted::new(result, &report),
            }
        }
    }
}

/// An answer, and who gave it.
struct Converted {
    amount: Amount,
    server: String,
    took: Duration,
}

impl Converted {
    fn new(
        result: std::result::Result<Amount, Error<RatesError>>,
        report: &CallReport,
    ) -> Result<Self> {
        let amount = result.map_err(|error| error.to_string())?;
        let server = report.metadata().get("server").unwrap_or("?").to_owned();
        Ok(Self { amount, server, took: report.elapsed() })
    }
}

async fn converted(rates: &RatesClient, wanted: &Conversion) -> Result<Converted> {
    let report = CallReport::new();
    let result = call(&rates.with_report(&report), wanted).await;
    Converted::new(result, &report)
}

async fn call(
    rates: &RatesClient,
    wanted: &Conversion,
) -> std::result::Result<Amount, Error<RatesError>> {
    let Conversion { amount, from, to, date } = wanted.clone();
    rates.convert(amount, from, to, date).await
}

async fn seen(rates: &RatesClient) -> Result<Seen> {
    rates.seen().await.map_err(|status| status.to_string())
}

/// Asks a server until what it has seen is as it should be; whether it ever was.
async fn eventually(rates: &RatesClient, holds: impl Fn(&Seen) -> bool) -> Result<bool> {
    let until = Instant::now() + PATIENCE / 2;
    while Instant::now() < until {
        if holds(&seen(rates).await?) {
            return Ok(true);
        }
        sleep(Duration::from_millis(2)).await;
    }
    Ok(false)
}

fn check(held: bool, what: &str) {
    println!("{}\t{what}", if held { "held" } else { "failed" });
}

fn conversion((amount, from, to, date): (&str, &str, &str, &str)) -> Result<Conversion> {
    Ok(Conversion {
        amount: amount.parse().map_err(|error| format!("{error}"))?,
        from: from.to_owned(),
        to: to.to_owned(),
        date: date.parse().map_err(|error| format!("{error}"))?,
    })
}

/// Whether the answer is the amount worked out by hand, but for rounding to four digits.
fn is_right(answer: Amount, line: (&str, &str, &str, &str)) -> Result<bool> {
    let expected = by_hand(line).ok_or_else(|| format!("{line:?} is not in the file"))?;
    let answer: f64 = answer.to_string().parse().map_err(|error| format!("{error}"))?;
    Ok((answer - expected).abs() <= 0.00005 + expected.abs() * 1e-12)
}

/// The amount in the plainest way: two cells of the file, as floating-point numbers.
fn by_hand((amount, from, to, date): (&str, &str, &str, &str)) -> Option<f64> {
    let names: Vec<&str> = FILE.lines().next()?.split(',').collect();
    let row: Vec<&str> = FILE.lines().find(|line| line.starts_with(date))?.split(',').collect();
    let rate = |currency: &str| match currency {
        "EUR" => Some(1.0),
        _ => row.get(names.iter().position(|name| *name == currency)?)?.parse::<f64>().ok(),
    };
    Some(amount.parse::<f64>().ok()? / rate(from)? * rate(to)?)
}
