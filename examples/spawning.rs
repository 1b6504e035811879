//! A handler that fans out: tasks of its own take its context along, so that the deadline holds in
//! them too. Plain `tokio::spawn` leaves it behind.

use std::time::Duration;

use rpc_core::{Context, Server, Status, service};

#[service(name = "shop.Search")]
trait Search {
    /// Asks three shelves at a time; returns how long each task was given.
    async fn everywhere(&self) -> Result<Vec<Option<Duration>>, Status>;
}

struct Shop;

impl Search for Shop {
    async fn everywhere(&self) -> Result<Vec<Option<Duration>>, Status> {
        let time_left = async || Context::current().time_left();

        let with_context = rpc_core::spawn(async move { time_left().await });
        let by_hand = tokio::spawn(Context::current().scope(async move { time_left().await }));
        let without = tokio::spawn(async move { time_left().await });

        let mut given = Vec::new();
        for task in [with_context, by_hand, without] {
            given.push(task.await.map_err(|error| Status::internal(error.to_string()))?);
        }
        Ok(given)
    }
}

#[tokio::main]
async fn main() -> Result<(), Status> {
    let server = Server::builder().add(SearchServer::new(Shop)).listen("127.0.0.1:0").await?;
    let search = SearchClient::connect(&server.address().to_string()).await?;

    // A client is cheap to clone, and a task that is spawned takes a clone.
    let call = tokio::spawn({
        let search = search.with_timeout(Duration::from_secs(1));
        async move { search.everywhere().await }
    });
    let given = call.await.map_err(|error| Status::internal(error.to_string()))??;
    println!("rpc_core::spawn {:?}, scope {:?}, tokio::spawn {:?}", given[0], given[1], given[2]);
    assert!(given[0].is_some_and(|left| left <= Duration::from_secs(1)));
    assert!(given[1].is_some_and(|left| left <= Duration::from_secs(1)));
    assert_eq!(given[2], None, "there it is no call's task");
    Ok(())
}
