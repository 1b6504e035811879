//! What the project asks of itself.

use crate::suite::Measured;

/// The most nanoseconds that a row of ours may take on one thread.
pub(crate) fn at_most(what: &str) -> Option<f64> {
    match what {
        TOKEN_BUCKET => Some(25.0),
        _ if what.starts_with("breaker closed") => Some(30.0),
        "chain" => Some(150.0),
        _ => None,
    }
}

/// The row in which two threads share a limiter.
pub(crate) const TOKEN_BUCKET: &str = "token bucket";

/// Each thing that is wanted, in words, and whether it is so.
pub(crate) fn verdicts(rows: &[Measured]) -> Vec<(String, bool)> {
    let ours = || rows.iter().filter(|row| row.peer == "ours");
    let alone = ours().filter(|row| row.threads == 1);
    let timed = alone.filter_map(|row| Some((row, at_most(row.what)?)));
    let mut verdicts: Vec<_> = timed
        .map(|(row, most)| {
            (format!("{}: {:.1} ns of {most} ns", row.what, row.least), row.least <= most)
        })
        .collect();
    let of = |peer| {
        let is_it = |row: &&Measured| row.what == TOKEN_BUCKET && row.threads == 2;
        rows.iter().filter(is_it).find(|row| row.peer == peer)
    };
    if let (Some(ours), Some(governor)) = (of("ours"), of("governor")) {
        verdicts.push((
            format!(
                "2 threads at one limiter: {:.1} ns, governor {:.1} ns",
                ours.least, governor.least
            ),
            ours.least <= governor.least,
        ));
    }
    if let Some(chain) = ours().find(|row| row.what == "chain") {
        verdicts.push((
            format!("chain: {} allocations a call", chain.allocations),
            chain.allocations == 0.0,
        ));
    }
    verdicts
}
