//! The same over real sockets: TCP, Unix, and the in-process `mem://`.

mod common;

use common::{Lab, LabClient, LabServer, Worker};
use rpc_core::{Code, Server};

async fn check(address: &str) {
    let server =
        Server::builder().add(LabServer::new(Worker::default())).listen(address).await.unwrap();
    let lab = LabClient::connect(&server.address().to_string()).await.unwrap();
    assert_eq!(lab.echo("hello".into()).await.unwrap(), "hello");
    let calls: Vec<_> = (0..40)
        .map(|n| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.bytes(vec![n; 50_000], 60_000).await })
        })
        .collect();
    for (n, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap().unwrap();
        assert_eq!((answer.len(), usize::from(answer[0])), (60_000, n));
    }
    assert_eq!(server.drain().await.aborted, 0);
    assert_eq!(lab.echo("gone".into()).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tcp() {
    check("127.0.0.1:0").await;
    check("tcp://localhost:0").await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unix() {
    let dir = std::env::temp_dir().join(format!("rpc-core-test-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("lab.sock");
    let address = format!("unix://{}", path.display());
    // What a dead process leaves behind is taken over.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    check(&address).await;
    assert!(!path.exists(), "the socket's file is removed");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    check("mem://sockets-test").await;
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let server = Server::builder().listen("127.0.0.1:0").await.unwrap();
    let address = server.address().to_string();
    let status = Server::builder().listen(&address).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().starts_with(&format!("can't listen on {address}: ")), "{status}");
}

#[tokio::test]
async fn a_service_added_twice_is_told() {
    let server = Server::builder()
        .add(LabServer::new(Worker::default()))
        .add(LabServer::new(Worker::default()));
    let status = server.listen("127.0.0.1:0").await.unwrap_err();
    assert_eq!(status.message(), "the service `test.Lab` was added twice");
}
