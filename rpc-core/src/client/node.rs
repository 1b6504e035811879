//! One node: its connections, made when first needed and made anew when they are lost.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::channel::Config;
use crate::address::Address;
use crate::connection::{self, Connection, Limits, Sequel, State};
use crate::governance::backoff::Backoff;
use crate::status::{Code, Executed, Origin, Status};

/// Pauses between attempts to reach a node: from a blink, for a server that restarts, to a few
/// seconds, for one that is gone.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// A connection that ended before it was of use for this long proves nothing: the pauses go on growing.
const WORTHWHILE: Duration = Duration::from_secs(1);

pub(crate) struct Node {
    address: Address,
    config: Arc<Config>,
    lines: Vec<Arc<Line>>,
}

/// One connection to a node, now this and later that one.
struct Line {
    address: Address,
    config: Arc<Config>,
    state: Mutex<Link>,
    changed: Notify,
}

enum Link {
    /// Never needed so far, or not needed for long.
    Idle,
    /// Being made.
    Connecting,
    Up(Connection),
    /// Could not be made or was lost; will be tried again.
    Down(Status),
}

impl Node {
    pub(super) fn new(address: Address, config: Arc<Config>) -> Arc<Self> {
        let lines = (0..config.connections).map(|_| {
            Arc::new(Line {
                address: address.clone(),
                config: config.clone(),
                state: Mutex::new(Link::Idle),
                changed: Notify::new(),
            })
        });
        Arc::new(Self { lines: lines.collect(), address, config })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.config.limits
    }

    pub(super) fn in_flight(&self) -> usize {
        self.lines.iter().map(|line| line.in_flight()).sum()
    }

    /// Whether a call has a chance here: false after a failure, until the node is reached again.
    pub(super) fn is_promising(&self) -> bool {
        self.lines.iter().any(|line| !matches!(*line.lock(), Link::Down(_)))
    }

    /// A connection that is there; of several, the less busy of two that are looked at.
    ///
    /// Two choices do nearly as well as all of them: Mitzenmacher, The Power of Two Choices in
    /// Randomized Load Balancing, 2001.
    pub(super) fn up(&self) -> Option<Connection> {
        let count = self.lines.len();
        if count == 1 {
            return self.lines[0].up();
        }
        let one = fastrand::usize(..count);
        let other = (one + fastrand::usize(1..count)) % count;
        match (self.lines[one].up_or_begin(), self.lines[other].up_or_begin()) {
            (Some(one), Some(other)) if other.free_slots() > one.free_slots() => Some(other),
            (Some(up), _) | (None, Some(up)) => Some(up),
            // At the beginning: every line is begun, so that they share the load once they are there.
            (None, None) => {
                self.lines.iter().fold(None, |found, line| line.up_or_begin().or(found))
            }
        }
    }

    /// A new connection, which is waited for.
    ///
    /// # Cancel safety
    /// Dropping it leaves a connection being made alone.
    pub(super) async fn connection(&self, deadline: Option<Instant>) -> Result<Connection, Status> {
        match self.up() {
            Some(connection) => Ok(connection),
            None => self.lines[fastrand::usize(..self.lines.len())].connection(deadline).await,
        }
    }

    /// Waits until the server has said hello.
    pub(super) async fn greeted(&self) -> Result<(), Status> {
        let connection = self.connection(None).await?;
        let mut state = connection.watch();
        let greeted = state.wait_for(|state| !matches!(state, State::Greeting)).await;
        match greeted.as_deref() {
            Ok(State::Ended { why, .. }) => Err(unreachable(&self.address, why)),
            _ => Ok(()),
        }
    }
}

impl Line {
    fn up(&self) -> Option<Connection> {
        match &*self.lock() {
            Link::Up(connection) if !connection.is_retired() => Some(connection.clone()),
            _ => None,
        }
    }

    fn in_flight(&self) -> usize {
        match &*self.lock() {
            Link::Up(connection) => connection.in_flight(),
            _ => 0,
        }
    }

    async fn connection(self: &Arc<Self>, deadline: Option<Instant>) -> Result<Connection, Status> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            {
                let mut state = self.lock();
                match &*state {
                    Link::Up(connection) if !connection.is_retired() => {
                        return Ok(connection.clone());
                    }
                    Link::Down(why) => return Err(why.clone()),
                    Link::Idle => self.begin_locked(&mut state),
                    // A retired one is about to be replaced.
                    Link::Up(_) | Link::Connecting => {}
                }
                changed.as_mut().enable();
            }
            match deadline {
                None => changed.await,
                Some(deadline) => timeout_at(deadline, changed).await.map_err(|_| {
                    Status::local(
                        Code::DeadlineExceeded,
                        format!("the time was over before {} was reached", self.address),
                    )
                })?,
            }
        }
    }

    fn up_or_begin(self: &Arc<Self>) -> Option<Connection> {
        let mut state = self.lock();
        match &*state {
            Link::Up(connection) if !connection.is_retired() => Some(connection.clone()),
            Link::Idle => {
                self.begin_locked(&mut state);
                None
            }
            _ => None,
        }
    }

    fn begin_locked(self: &Arc<Self>, state: &mut Link) {
        *state = Link::Connecting;
        tokio::spawn(keep_up(Arc::downgrade(self), self.config.clone(), self.address.clone()));
    }

    fn set(&self, link: Link) {
        let before = std::mem::replace(&mut *self.lock(), link);
        self.changed.notify_waiters();
        // Dropping a connection's last handle tells its task, which is no business of the lock's.
        drop(before);
    }

    fn lock(&self) -> MutexGuard<'_, Link> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Node").field(&self.address).finish()
    }
}

/// A line's task: keeps it connected for as long as the line is there and the node is used.
async fn keep_up(line: Weak<Line>, config: Arc<Config>, address: Address) {
    let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
    // Connections in a row that the server ended with a good-bye before they were worth anything.
    let mut brief = 0u32;
    loop {
        let link = match connect(&config, &address).await {
            Err(why) => Link::Down(why),
            Ok(connection) => {
                let mut state = connection.watch();
                let Some(up) = line.upgrade() else { return };
                up.set(Link::Up(connection));
                drop(up);
                // Ends as well when the channel is dropped, and its connections with it.
                let (over, lived) = over(&mut state).await;
                let worthwhile = lived >= WORTHWHILE;
                if worthwhile {
                    backoff.reset();
                    brief = 0;
                }
                match over {
                    Over::Unused => {
                        let Some(line) = line.upgrade() else { return };
                        line.set(Link::Idle);
                        return;
                    }
                    Over::Lost(why) => Link::Down(unreachable(&address, &why)),
                    Over::Retired if worthwhile => {
                        let Some(line) = line.upgrade() else { return };
                        line.set(Link::Connecting);
                        continue;
                    }
                    Over::Retired => {
                        brief = brief.saturating_add(1);
                        farewell(brief, &address)
                    }
                }
            }
        };
        match line.upgrade() {
            None => return,
            Some(line) => line.set(link),
        }
        sleep(backoff.next(fastrand::f64())).await;
    }
}

/// What calls meet while the next connection has to wait because this many were brief.
fn farewell(brief: u32, address: &Address) -> Link {
    // One may well have come in the last moments of a server that restarts: the next is waited for.
    if brief <= 1 {
        return Link::Connecting;
    }
    let message = format!("{address} says good-bye to every connection as soon as it is made");
    Link::Down(Status::transport(message, Executed::No))
}

/// Why a connection can't be used any more.
enum Over {
    Retired,
    Lost(Status),
    Unused,
}

/// Waits until a connection can't be used any more, and says how long it could be.
async fn over(state: &mut tokio::sync::watch::Receiver<State>) -> (Over, Duration) {
    let mut opened = None;
    let over = loop {
        match &*state.borrow_and_update() {
            State::Greeting => {}
            State::Open => opened = Some(Instant::now()),
            State::Retired => break Over::Retired,
            State::Ended { then: Sequel::Replace, .. } => break Over::Retired,
            State::Ended { then: Sequel::Rest, .. } => break Over::Unused,
            State::Ended { why, then: Sequel::BackOff } => break Over::Lost(why.clone()),
        }
        if state.changed().await.is_err() {
            break Over::Unused;
        }
    };
    (over, opened.map_or(Duration::ZERO, |opened| opened.elapsed()))
}

async fn connect(config: &Config, address: &Address) -> Result<Connection, Status> {
    let io = match timeout(config.connect_timeout, config.connector.connect(address)).await {
        Ok(Ok(io)) => io,
        Ok(Err(error)) => {
            let why = format!("can't connect to {address}: {error}");
            return Err(Status::transport(why, Executed::No).with_source(error));
        }
        Err(_) => {
            let limit = config.connect_timeout;
            let why = format!("can't connect to {address}: no answer within {limit:?}");
            return Err(Status::transport(why, Executed::No));
        }
    };
    let (connection, task) = connection::start(io, &config.limits, config.hello());
    tokio::spawn(task);
    Ok(connection)
}

/// What a connection ended with, as the reason why there is none now.
fn unreachable(address: &Address, why: &Status) -> Status {
    let message = format!("lost {address}: {}", why.message());
    Status::new(why.code(), message).from(Origin::Transport, Executed::No)
}
