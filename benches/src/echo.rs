//! The services.

use rpc_core::{Status, service};

use crate::{Note, Work};

/// Echoes in Protobuf.
#[service(name = "bench.Echo", formats(Protobuf))]
pub trait Echo {
    /// The same note.
    async fn echo(&self, note: Note) -> Result<Note, Status>;

    /// The same note, after something was computed.
    async fn compute(&self, note: Note) -> Result<Note, Status>;
}

/// The same echoes, called by every rule there is: none of them ever refuses, and all are asked.
#[service(name = "bench.Echo", formats(Protobuf))]
pub trait EchoGoverned {
    /// The same note.
    #[rpc(
        idempotent,
        timeout = "10s",
        per_try = "5s",
        retry(attempts = 3, backoff = "10ms"),
        hedge(after = "p99", max = 1),
        limit(rate = "100000000/s", burst = 1000000),
        concurrency = 100000,
        breaker(failure_rate = "50%", slow_rate = "90%", consecutive = 100, window = "10s"),
        fallback = blank,
        optional = 9,
        priority = "normal"
    )]
    async fn echo(&self, note: Note) -> Result<Note, Status>;
}

/// What is answered when the echo can't be had.
async fn blank(_why: &Status, note: Note) -> Result<Note, Status> {
    Ok(Note { payload: Vec::new(), ..note })
}

/// Echoes in the format that a service speaks when it does not choose.
#[service(name = "bench.EchoDefault")]
pub trait EchoDefault {
    /// The same note.
    async fn echo(&self, note: Note) -> Result<Note, Status>;
}

/// Echoes at once; computes what it was given to compute, which by default is nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answering {
    /// What comes before the answer of a `compute`.
    pub work: Work,
}

impl Echo for Answering {
    async fn echo(&self, note: Note) -> Result<Note, Status> {
        Ok(note)
    }

    async fn compute(&self, note: Note) -> Result<Note, Status> {
        self.work.run();
        Ok(note)
    }
}

impl EchoDefault for Answering {
    async fn echo(&self, note: Note) -> Result<Note, Status> {
        Ok(note)
    }
}
