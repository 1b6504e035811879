//! The services.

use rpc_core::{Status, service};

use crate::Note;

/// Echoes in Protobuf.
#[service(name = "bench.Echo", formats(Protobuf))]
pub trait Echo {
    /// The same note.
    async fn echo(&self, note: Note) -> Result<Note, Status>;
}

/// Echoes in the format that a service speaks when it does not choose.
#[service(name = "bench.EchoDefault")]
pub trait EchoDefault {
    /// The same note.
    async fn echo(&self, note: Note) -> Result<Note, Status>;
}

/// Answers at once.
#[derive(Clone, Copy, Debug)]
pub struct Answering;

impl Echo for Answering {
    async fn echo(&self, note: Note) -> Result<Note, Status> {
        Ok(note)
    }
}

impl EchoDefault for Answering {
    async fn echo(&self, note: Note) -> Result<Note, Status> {
        Ok(note)
    }
}
