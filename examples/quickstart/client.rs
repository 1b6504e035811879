//! The client's process: what a user's program would do, and a check of each thing it sees.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use examples::rates::{Conversion, RatesClient, RatesError, Seen};
use rpc_core::{CallReport, Code, Error, Status};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::asking::{
    CONVERSIONS, Converted, Result, call, check, connect, conversion, converted, eventually,
    is_right, seen,
};
use super::{PATIENCE, governed, rules_file};

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
    governed::run(addresses).await?;
    rules_file::run(addresses[2]).await?;
    lose_a_server(&rates).await
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
