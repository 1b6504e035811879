//! The whole of it: a trait, a server that implements it, and a client that does too.

use rpc_core::{Server, Status, service};

#[service]
trait Greeter {
    /// Says hello.
    async fn greet(&self, who: String) -> Result<String, Status>;
}

struct Polite;

impl Greeter for Polite {
    async fn greet(&self, who: String) -> Result<String, Status> {
        Ok(format!("hello {who}"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().add(GreeterServer::new(Polite)).listen("127.0.0.1:0").await?;
    let greeter = GreeterClient::connect(&server.address().to_string()).await?;
    let answer = greeter.greet("world".into()).await?;
    println!("{answer}");
    assert_eq!(answer, "hello world");
    Ok(())
}
