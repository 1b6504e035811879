//! A server that can do so much and no more, and callers who ask for more than that.
//!
//! The server has a pool of its own: calls queue for one of few workers, each of which takes its time.
//! Either they compute, or they wait as if for a database. The callers go on as often as they mean to,
//! whatever becomes of their calls, and give each up after a while.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::Duration;

use rpc_core::control::Governance;
use rpc_core::{Code, Server, ServerHandle, Status, service};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// How long a call is worked on, and how much longer some are.
const WORK: Duration = Duration::from_millis(15);
const MORE_WORK_MS: u64 = 10;
/// How long a caller waits.
pub(crate) const PATIENCE: Duration = Duration::from_millis(200);
/// How long a limit has to find out what it is up against.
pub(crate) const AT_FIRST: Duration = Duration::from_secs(1);

#[service(name = "bench.Desk")]
pub(crate) trait Desk {
    /// Works on one call. It does not notice when its caller goes away.
    async fn work(&self, number: u64) -> Result<u64, Status>;
}

/// What work is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// It takes a processor: so many steps a millisecond, as long as there are enough.
    Computes { steps_per_ms: u64 },
    /// It takes time, and no processor.
    Waits,
}

struct Pool {
    workers: Semaphore,
    work: Work,
}

impl Work {
    /// Computing, at the pace of this machine.
    pub(crate) fn computes() -> Self {
        const STEPS: u64 = 2_000_000;
        let begun = Instant::now();
        black_box(compute(STEPS));
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
        Self::Computes { steps_per_ms: STEPS * 1_000 / micros }
    }

    /// Calls that are worked on at a time.
    pub(crate) fn workers(self) -> usize {
        match self {
            Self::Computes { .. } => available_parallelism().map_or(1, usize::from),
            Self::Waits => 8,
        }
    }

    async fn takes(self, time: Duration) -> Result<(), Status> {
        match self {
            Self::Waits => sleep(time).await,
            Self::Computes { steps_per_ms } => {
                let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                let computing = spawn_blocking(move || black_box(compute(millis * steps_per_ms)));
                computing.await.map_err(|error| Status::internal(error.to_string()))?;
            }
        }
        Ok(())
    }
}

fn compute(steps: u64) -> u64 {
    (0..steps).fold(1, |hash: u64, step| (hash ^ step).wrapping_mul(0x0100_0000_01b3))
}

impl Desk for Pool {
    async fn work(&self, number: u64) -> Result<u64, Status> {
        let _worker = self.workers.acquire().await.map_err(|_| Status::internal("no pool"))?;
        // Not random, so that all runs have the same work to do.
        self.work.takes(WORK + Duration::from_millis(number * 7 % MORE_WORK_MS)).await?;
        Ok(number)
    }
}

/// A server under these rules, and a client of it without any.
pub(crate) struct Setup {
    server: ServerHandle,
    client: DeskClient,
    next: AtomicU64,
}

/// What became of the calls of some time.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Answered before their callers gave up.
    pub(crate) answered: usize,
    /// Refused by the server before anything ran.
    pub(crate) refused: usize,
    /// Given up by their callers.
    pub(crate) late: usize,
    /// Anything else, of which there should be nothing.
    pub(crate) failed: usize,
    /// How long it went on.
    pub(crate) took: Duration,
    /// Of those that were offered in the beginning.
    at_first: Vec<Duration>,
    latencies: Vec<Duration>,
}

impl Outcome {
    /// Calls that were made.
    pub(crate) fn offered(&self) -> usize {
        self.answered + self.refused + self.late + self.failed
    }

    /// Answers a second.
    pub(crate) fn goodput(&self) -> f64 {
        self.answered as f64 / self.took.as_secs_f64()
    }

    /// The time of all but the slowest hundredth of the answers, without those to calls offered
    /// in the beginning.
    pub(crate) fn p99(&self) -> Duration {
        p99(&self.latencies)
    }

    /// The same for calls offered in the [beginning](AT_FIRST).
    pub(crate) fn p99_at_first(&self) -> Duration {
        p99(&self.at_first)
    }

    fn note(&mut self, ended: Ended) {
        match ended.result {
            Ok(_) => {
                self.answered += 1;
                let latencies = match ended.is_first {
                    true => &mut self.at_first,
                    false => &mut self.latencies,
                };
                latencies.push(ended.took);
            }
            Err(status) if status.code() == Code::DeadlineExceeded => self.late += 1,
            Err(status) if status.is_refusal() => self.refused += 1,
            Err(_) => self.failed += 1,
        }
    }

    fn after(mut self, took: Duration) -> Self {
        self.latencies.sort_unstable();
        self.at_first.sort_unstable();
        self.took = took;
        self
    }
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default()
}

impl Setup {
    /// Over TCP, with rules for the server's side.
    pub(crate) async fn new(work: Work, rules: &str) -> Result<Self, Status> {
        let pool = DeskServer::new(Pool { workers: Semaphore::new(work.workers()), work });
        let server = Server::builder().add(pool).governance(&Governance::new()).rules(rules);
        let server = server.listen("127.0.0.1:0").await?;
        let client = DeskClient::builder().governance(&Governance::new()).connections(4);
        let client = client.timeout(PATIENCE).connect(&server.address().to_string()).await?;
        client.ready().await?;
        Ok(Self { server, client, next: AtomicU64::new(0) })
    }

    /// So many callers, each of whom waits for its answer before it asks again.
    pub(crate) async fn callers(&self, count: usize, time: Duration) -> Outcome {
        let begun = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..count as u64 {
            let client = self.client.clone();
            callers.spawn(async move {
                let mut outcome = Outcome::default();
                let mut number = caller;
                while begun.elapsed() < time {
                    outcome.note(call(&client, number, false).await);
                    number += 1;
                }
                outcome
            });
        }
        let mut all = Outcome::default();
        while let Some(Ok(outcome)) = callers.join_next().await {
            all.answered += outcome.answered;
            all.refused += outcome.refused;
            all.late += outcome.late;
            all.failed += outcome.failed;
            all.latencies.extend(outcome.latencies);
        }
        all.after(begun.elapsed())
    }

    /// So many calls a second, whatever becomes of them.
    pub(crate) async fn offer(&self, per_second: f64, time: Duration) -> Outcome {
        let apart = Duration::from_secs_f64(1.0 / per_second);
        let begun = Instant::now();
        let mut ticks = interval(Duration::from_millis(2));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut calls, mut sent) = (JoinSet::new(), 0);
        let mut outcome = Outcome::default();
        while begun.elapsed() < time {
            ticks.tick().await;
            let is_first = begun.elapsed() < AT_FIRST;
            let due = begun.elapsed().min(time).as_nanos() / apart.as_nanos();
            for _ in sent..due {
                let (client, number) =
                    (self.client.clone(), self.next.fetch_add(1, Ordering::Relaxed));
                calls.spawn(async move { call(&client, number, is_first).await });
            }
            sent = due.max(sent);
            while let Some(ended) = calls.try_join_next() {
                outcome.note(ended.expect("a call does not panic"));
            }
        }
        while let Some(ended) = calls.join_next().await {
            outcome.note(ended.expect("a call does not panic"));
        }
        outcome.after(time)
    }

    /// How long it takes, at half of what it can do, until nearly all are answered again; `None` if it
    /// takes longer than `patience`.
    pub(crate) async fn recovery(&self, capacity: f64, patience: Duration) -> Option<Duration> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let window = self.offer(capacity / 2.0, Duration::from_millis(250)).await;
            if window.answered * 100 >= window.offered() * 95 {
                return Some(begun.elapsed());
            }
        }
        None
    }

    /// Calls under way on the server.
    pub(crate) fn in_flight(&self) -> usize {
        self.server.in_flight()
    }

    /// Calls that the client has not heard the end of.
    pub(crate) fn pending(&self) -> usize {
        self.client.channel().in_flight()
    }

    /// Ends it at once.
    pub(crate) async fn end(self) {
        self.server.shutdown().await;
    }
}

struct Ended {
    result: Result<u64, Status>,
    took: Duration,
    is_first: bool,
}

async fn call(client: &DeskClient, number: u64, is_first: bool) -> Ended {
    let begun = Instant::now();
    let result = client.work(number).await;
    Ended { result, took: begun.elapsed(), is_first }
}

/// The rules of the three servers that are compared; the second one lets as many wait as work.
pub(crate) fn modes(work: Work) -> [(&'static str, String); 3] {
    let rule = |concurrency: &str| format!("[server.\"bench.Desk\"]\nconcurrency = {concurrency}");
    [
        ("none", String::new()),
        ("fixed", rule(&(2 * work.workers()).to_string())),
        ("adaptive", rule("\"adaptive\"")),
    ]
}
