//! What the benchmarks share: one message, the services that echo it, and callers that keep it going.

mod echo;
mod note;
mod rally;
mod work;

pub use echo::{
    Answering, Echo, EchoClient, EchoDefault, EchoDefaultClient, EchoDefaultServer, EchoGoverned,
    EchoGovernedClient, EchoServer,
};
pub use note::Note;
pub use rally::rally;
pub use work::Work;
