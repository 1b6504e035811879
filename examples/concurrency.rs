//! So many calls at a time: some more may wait for a while, the rest is refused at once. Time is
//! paused here, so that waiting takes none.

use std::time::Duration;

use rpc_core::{Code, Priority, Server, Status, service};
use tokio::time::{Instant, sleep};

#[service(name = "shop.Reports")]
trait Reports {
    /// Takes a tenth of a second. Two at a time; one more may wait, for a second.
    #[rpc(concurrency(max = 2, queue = 1, wait = "1s"))]
    async fn monthly(&self) -> Result<String, Status>;

    /// The same, ten at a time. What matters least is refused first.
    #[rpc(concurrency = 10)]
    async fn daily(&self) -> Result<String, Status>;
}

struct Office;

impl Reports for Office {
    async fn monthly(&self) -> Result<String, Status> {
        sleep(Duration::from_millis(100)).await;
        Ok("a good month".into())
    }

    async fn daily(&self) -> Result<String, Status> {
        self.monthly().await
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Status> {
    Server::builder().add(ReportsServer::new(Office)).listen("mem://office").await?;
    let reports = ReportsClient::connect("mem://office").await?;

    let begun = Instant::now();
    let calls = || reports.monthly();
    let (one, two, waits, refused) = tokio::join!(calls(), calls(), calls(), calls());
    assert!(one.is_ok() && two.is_ok() && waits.is_ok());
    println!("three of four calls were answered after {:?}", begun.elapsed());
    assert_eq!(begun.elapsed().as_millis(), 200, "the third waited for a place");
    let refused = refused.unwrap_err();
    println!("{refused}");
    assert_eq!(refused.code(), Code::ResourceExhausted);

    // Six of ten places are taken: that is as far as bulk work may go.
    let six = (0..6).map(|_| {
        let reports = reports.clone();
        tokio::spawn(async move { reports.daily().await })
    });
    let six: Vec<_> = six.collect();
    sleep(Duration::from_millis(1)).await;
    let refused = reports.with_priority(Priority::Bulk).daily().await.unwrap_err();
    println!("{refused}");
    assert_eq!(reports.daily().await?, "a good month");
    for call in six {
        assert!(call.await.is_ok_and(|answer| answer.is_ok()));
    }
    Ok(())
}
