//! What all benchmarks send: one message, and the services that echo it.

mod echo;
mod note;
mod work;

pub use echo::{
    Answering, Echo, EchoClient, EchoDefault, EchoDefaultClient, EchoDefaultServer, EchoServer,
};
pub use note::Note;
pub use work::Work;
