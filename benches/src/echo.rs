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
