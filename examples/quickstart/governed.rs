//! The client's process: calls that are governed. Each part has one rule, which it prints as a rules
//! file would say it.

use std::time::Duration;

use examples::rates::RatesClient;
use rpc_core::Governance;
use rpc_core::{CallReport, Error, Status};
use tokio::time::{Instant, sleep};

use super::PATIENCE;
use super::asking::{
    CONVERSIONS, Converted, Result, call, check, connect, conversion, converted, eventually,
    is_right, seen,
};
use super::outage::{Outage, OutageClient};

/// What is in force for each part, of one method.
const METHOD: &str = "bank.Rates/convert";
const LIMIT: &str = r#"limit = { rate = "2/s", burst = 3 }"#;
const BREAKER: &str = r#"breaker = { consecutive = 3, open = "1s" }
fallback = { last_good = "60s" }"#;
const RETRY: &str = r#"retry = { attempts = 3, backoff = "10ms" }"#;
const HEDGE: &str = r#"hedge = { after = "100ms" }"#;

/// Calls after which something should have happened.
const ENOUGH: usize = 100;

pub(crate) async fn run([a, b, c]: [&str; 3]) -> Result<()> {
    limit(a).await?;
    let outage = OutageClient::connect(a).await.map_err(text)?;
    breaker(a, &outage).await?;
    retry(&format!("{a},{b}"), &outage).await?;
    hedge(&format!("{a},{c}"), &connect(c).await?).await
}

/// A client under these rules and no others, which it shares with nobody.
async fn under(rules: &str, address: &str) -> Result<(RatesClient, Governance)> {
    rules.lines().for_each(|line| println!("    {line}"));
    let governance = Governance::new();
    let builder = RatesClient::builder().name("quickstart").governance(&governance);
    let builder = builder.rules(&format!("[client.\"{METHOD}\"]\n{rules}"));
    Ok((builder.connect(address).await.map_err(text)?, governance))
}

async fn limit(a: &str) -> Result<()> {
    println!("A limit:");
    let (rates, _governance) = under(LIMIT, a).await?;
    let wanted = conversion(CONVERSIONS[0])?;
    let mut answered = 0;
    let refused = loop {
        match call(&rates, &wanted).await {
            Ok(_) if answered < ENOUGH => answered += 1,
            Ok(_) => return Err(format!("{answered} calls passed the limit")),
            Err(error) => break status(error)?,
        }
    };
    println!("  {answered} calls were answered, then one was not: {refused}");
    let come_back = refused.retry_after().unwrap_or_default();
    check(
        answered >= 3 && refused.is_refusal() && !come_back.is_zero(),
        "it was refused in this process, nothing was sent, and it says when to come back",
    );
    sleep(come_back).await;
    check(call(&rates, &wanted).await.is_ok(), "that much later, the next one was answered");
    Ok(())
}

async fn breaker(a: &str, outage: &OutageClient) -> Result<()> {
    println!("A breaker, with the last good answer to fall back on, and an outage:");
    let (rates, governance) = under(BREAKER, a).await?;
    let line = CONVERSIONS[2];
    let ask = || asked(&rates, line);
    let (good, _) = ask().await?;
    outage.begin().await.map_err(text)?;
    println!("  the database of server A is down ..");

    let (mut sent, mut degraded, mut right) = (0, 0, is_right(good.amount, line)?);
    loop {
        let (answer, report) = ask().await?;
        right &= is_right(answer.amount, line)?;
        degraded += usize::from(report.is_degraded());
        if report.attempts() == 0 {
            break;
        }
        sent += 1;
        if sent == ENOUGH {
            return Err("the breaker never opened".to_owned());
        }
    }
    println!("  {sent} calls went to server A and failed, the next one was not sent any more:");
    governance.explain(METHOD).lines().for_each(|line| println!("    {line}"));
    check(sent >= 3, "the breaker has opened: calls no longer go to a server that fails");
    check(
        right && degraded == sent + 1,
        "meanwhile each call was answered, by the last good answer, and says that it is degraded",
    );

    outage.end().await.map_err(text)?;
    println!("  the database is back ..");
    let until = Instant::now() + PATIENCE / 2;
    let mut healed = false;
    while !healed && Instant::now() < until {
        sleep(Duration::from_millis(20)).await;
        healed = !ask().await?.1.is_degraded();
    }
    let is_closed = !governance.explain(METHOD).contains("OPEN");
    check(healed && is_closed, "one call tried whether it is better, and the breaker has closed");
    Ok(())
}

async fn retry(address: &str, outage: &OutageClient) -> Result<()> {
    println!("Retries, and an outage of A alone:");
    let (rates, _governance) = under(RETRY, address).await?;
    outage.begin().await.map_err(text)?;
    let (mut all_right, mut again) = (true, 0);
    for line in &CONVERSIONS[..6] {
        let (answer, report) = asked(&rates, *line).await?;
        all_right &= answer.server == "B" && is_right(answer.amount, *line)?;
        again += usize::from(report.attempts() > 1);
    }
    outage.end().await.map_err(text)?;
    println!("  six calls to A and B; {again} of them began at A, failed, and went on to B");
    check(all_right && again > 0, "all six were answered, by B: their callers noticed nothing");
    Ok(())
}

async fn hedge(address: &str, slow: &RatesClient) -> Result<()> {
    println!("Hedging, as C takes 400 ms:");
    let (rates, _governance) = under(HEDGE, address).await?;
    let wanted = conversion(CONVERSIONS[0])?;
    let before = seen(slow).await?.given_up;
    let mut gave_up = false;
    // Not every call begins at C; and on a machine that stalls C may be faster even so. Then once
    // more.
    for _ in 0..10 {
        let Converted { server, took, .. } = converted(&rates, &wanted).await?;
        println!("  server {server} answered after {took:.1?}");
        eventually(slow, |now| now.running == 0).await?;
        gave_up = server == "A" && seen(slow).await?.given_up > before;
        if gave_up {
            break;
        }
    }
    check(gave_up, "a call that began at C was answered by A, and C was told to stop");
    Ok(())
}

/// An answer, and what the call went through.
async fn asked(
    rates: &RatesClient,
    line: (&str, &str, &str, &str),
) -> Result<(Converted, CallReport)> {
    let report = CallReport::new();
    let result = call(&rates.with_report(&report), &conversion(line)?).await;
    Ok((Converted::new(result, &report)?, report))
}

/// The failure of a call, which is not one of the bank's.
fn status<E: std::fmt::Display>(error: Error<E>) -> Result<Status> {
    match error {
        Error::Status(status) => Ok(status),
        Error::App(error) => Err(error.to_string()),
    }
}

fn text(status: Status) -> String {
    status.to_string()
}
