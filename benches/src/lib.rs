//! What all benchmarks send: one message, and the services that echo it.

mod echo;
mod note;

pub use echo::{
    Answering, Echo, EchoClient, EchoDefault, EchoDefaultClient, EchoDefaultServer, EchoServer,
};
pub use note::Note;
