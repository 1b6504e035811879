//! A call from end to end: values, errors, formats, metadata, one-way, big messages.

mod common;

use std::time::Duration;

use common::{Lab, LabClient, LabError, client, serve, settle, world, world_with};
use rpc_core::testing::Network;
use rpc_core::{CallReport, Channel, Code, Error, Executed, Limits, Origin, Request, ServerLimits};

#[tokio::test(start_paused = true)]
async fn a_value_comes_back() {
    let world = world().await;
    let lab = world.client().await;
    assert_eq!(lab.echo("hello".into()).await.unwrap(), "hello");
    assert_eq!((lab.channel().in_flight(), world.server.in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn every_format_of_the_service_can_be_chosen() {
    let world = world().await;
    let lab = world.client().await;
    for format in ["msgpack", "json"] {
        assert_eq!(lab.with_format(format).echo("x".into()).await.unwrap(), "x", "{format}");
    }
    let status = lab.with_format("xml").echo("x".into()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "unknown format `xml`: this method speaks msgpack, json");
    assert!(status.is_safe_to_retry() && status.origin() == Origin::Client);
}

#[tokio::test(start_paused = true)]
async fn a_typed_error_and_a_status_are_told_apart() {
    let world = world().await;
    let lab = world.client().await;
    assert_eq!(lab.typed("".into()).await.unwrap(), 7);
    match lab.typed("app".into()).await {
        Err(Error::App(error)) => assert_eq!(error, LabError::Odd { by: 3 }),
        other => panic!("{other:?}"),
    }
    match lab.typed("status".into()).await {
        Err(Error::Status(status)) => {
            assert_eq!((status.code(), status.origin()), (Code::NotFound, Origin::Handler));
            assert_eq!(status.executed(), Executed::Yes);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_internal_and_harms_nobody_else() {
    let world = world().await;
    let lab = world.client().await;
    let (boom, echo) = tokio::join!(lab.boom(), lab.echo("fine".into()));
    let status = boom.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "test.Lab/boom panicked"));
    assert_eq!(echo.unwrap(), "fine");
    assert_eq!(world.net.connections("a"), 1, "the connection lives on");
    assert_eq!(world.server.in_flight(), 0);
}

/// The handlers of one read share their memory and their place one after the other: whatever becomes of
/// one, the next knows nothing of it.
#[tokio::test(start_paused = true)]
async fn calls_of_one_read_end_each_in_its_own_way() {
    let world = world().await;
    let lab = world.client().await;
    lab.ready().await.unwrap();
    let (brief, patient) =
        (lab.with_timeout(Duration::from_secs(1)), lab.with_timeout(Duration::from_secs(9)));
    let meanwhile = async {
        settle().await;
        let running = world.server.in_flight();
        world.bench.release.add_permits(1);
        running
    };
    let (first, boom, held, gone, echo, big, second, running) = tokio::join!(
        brief.time_left(),
        lab.boom(),
        patient.hold(),
        brief.until_cancelled(),
        lab.echo("fine".into()),
        lab.text(100_000),
        patient.time_left(),
        meanwhile,
    );
    assert_eq!((first.unwrap(), second.unwrap()), (Some(1_000_000), Some(9_000_000)));
    assert_eq!(boom.unwrap_err().message(), "test.Lab/boom panicked");
    assert_eq!((echo.unwrap(), big.unwrap().len()), ("fine".into(), 100_000));
    held.unwrap();
    assert_eq!(gone.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(running, 2, "those that wait, and no place for those that are done");
    settle().await;
    assert_eq!((lab.channel().in_flight(), world.server.in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn unknown_services_and_methods_are_named() {
    let world = world().await;
    let channel = Channel::builder().network(&world.net).connect("mem://a").await.unwrap();
    for (method, says) in [
        ("test.Lap/echo", "unknown service `test.Lap`; this server offers test.Lab"),
        ("test.Lab/ecko", "unknown method `ecko` of service `test.Lab`; it has boom, bytes, echo"),
        ("nonsense", "unknown service `nonsense`"),
    ] {
        let status = channel.call(Request::new(method, "json", "{}")).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{method}");
        assert!(status.message().contains(says), "{method}: {status}");
        assert!(status.is_refusal());
    }
}

#[tokio::test(start_paused = true)]
async fn arguments_that_do_not_fit_are_the_callers_fault() {
    let world = world().await;
    let channel = Channel::builder().network(&world.net).connect("mem://a").await.unwrap();
    let status =
        channel.call(Request::new("test.Lab/echo", "json", r#"{"txt":1}"#)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("missing field `text`"), "{status}");
    assert_eq!(status.executed(), Executed::No);

    let status = channel.call(Request::new("test.Lab/echo", "xml", "<a/>")).await.unwrap_err();
    assert!(status.message().contains("unknown format `xml`"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_service_is_told_so() {
    let world = world().await;
    mod other {
        use rpc_core::{Status, service};
        #[service]
        pub(crate) trait Other {
            async fn it(&self) -> Result<(), Status>;
        }
    }
    use other::{Other, OtherClient};
    let client = OtherClient::builder().network(&world.net).connect("mem://a").await.unwrap();
    let status = client.it().await.unwrap_err();
    assert!(
        status.message().contains("this server does not offer `Other`; it offers test.Lab"),
        "{status}"
    );
    assert!(status.is_safe_to_retry());
}

#[tokio::test(start_paused = true)]
async fn oneway_calls_arrive_and_are_not_answered() {
    let world = world().await;
    let lab = world.client().await;
    for n in 0..3 {
        lab.note(format!("note {n}")).await.unwrap();
    }
    // A call behind them on the same connection is handled after them.
    lab.echo("x".into()).await.unwrap();
    assert_eq!(*world.bench.notes.lock().unwrap(), ["note 0", "note 1", "note 2"]);
    assert_eq!(lab.channel().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn big_messages_travel_both_ways_and_let_small_ones_pass() {
    let world = world().await;
    let lab = world.client().await;
    let big = vec![7; 1 << 20];
    let (sent, echo) = tokio::join!(lab.bytes(big, 900_000), lab.echo("small".into()));
    assert_eq!(sent.unwrap(), vec![7; 900_000]);
    assert_eq!(echo.unwrap(), "small");
    for size in [32_767, 32_768, 32_769, 65_536, 100_000] {
        assert_eq!(lab.bytes(vec![1; size], size).await.unwrap().len(), size);
    }
}

#[tokio::test(start_paused = true)]
async fn more_big_messages_than_credit_wait_for_each_other_and_all_arrive() {
    let connection = Limits { connection_credit: 4 << 20, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let lab = world.client().await;
    // Each takes over half of the credit.
    let calls = (0..8).map(|_| {
        let lab = lab.clone();
        tokio::spawn(async move { lab.echo("x".repeat(2_400_000)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap().len(), 2_400_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_the_peer_does_not_take_is_refused_and_harms_nobody_else() {
    let world = world().await;
    let lab = world.client().await;
    let status = lab.echo("x".repeat(5 << 20)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("the server takes messages of at most 4194304"), "{status}");
    let status = lab.text(5 << 20).await.unwrap_err();
    assert!(status.message().contains("the client takes at most 4194304"), "{status}");
    assert_eq!(status.executed(), Executed::Yes);
    assert_eq!(lab.echo("x".into()).await.unwrap(), "x");
    assert_eq!(world.net.connections("a"), 1);
}

#[tokio::test(start_paused = true)]
async fn fragments_and_latency_change_nothing_but_time() {
    let net = Network::with_seed(7);
    net.set_fragments(9);
    net.set_latency(Duration::from_millis(5));
    let (_, _server) = serve(&net, "a", |server| server).await;
    let lab = client(&net, "mem://a").await;
    assert_eq!(lab.bytes(vec![3; 40_000], 40_000).await.unwrap(), vec![3; 40_000]);
}

#[tokio::test(start_paused = true)]
async fn metadata_that_is_none_is_told_by_the_call() {
    let world = world().await;
    let lab = world.client().await;
    let status = lab.with_metadata("Bad Key", "x").echo("x".into()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("bad metadata: bad key `Bad Key`"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_report_says_where_a_call_went() {
    let world = world().await;
    let report = CallReport::new();
    let lab = world.client().await.with_report(&report);
    lab.echo("x".into()).await.unwrap();
    assert_eq!(report.node().unwrap().to_string(), "mem://a");
    assert_eq!(report.attempts(), 1);
    assert!(!report.is_degraded());
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_the_server_takes_wait_their_turn() {
    let connection = Limits { max_calls: 32, ..Limits::default() };
    let limits = ServerLimits { connection, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let lab = world.client().await;
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.hold().await })
        })
        .collect();
    settle().await;
    assert_eq!(world.server.in_flight(), 32, "no more than the server said");
    world.bench.release.add_permits(100);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!((lab.channel().in_flight(), world.server.in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_server_refuses_before_it_decodes() {
    let limits = ServerLimits { max_calls: 2, ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let lab = world.client().await;
    let held: Vec<_> = (0..2)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.hold().await })
        })
        .collect();
    settle().await;
    let status = lab.echo("x".into()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.is_refusal() && status.is_safe_to_retry());
    assert!(status.message().contains("2 calls in flight, which is its limit"), "{status}");
    world.bench.release.add_permits(2);
    for call in held {
        call.await.unwrap().unwrap();
    }
    assert_eq!(lab.echo("x".into()).await.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn several_connections_to_a_node_share_the_calls() {
    let world = world().await;
    let lab =
        LabClient::builder().network(&world.net).connections(3).connect("mem://a").await.unwrap();
    let calls: Vec<_> = (0..9)
        .map(|_| {
            let lab = lab.clone();
            tokio::spawn(async move { lab.hold().await })
        })
        .collect();
    settle().await;
    assert_eq!(world.net.connections("a"), 3);
    world.bench.release.add_permits(9);
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

/// A bug of its first version: the HELLO of such an end offered less credit than its largest
/// message, which every peer refuses.
#[tokio::test(start_paused = true)]
async fn an_end_that_takes_small_messages_only_can_still_be_talked_to() {
    let small = Limits { max_message_bytes: 1_000, connection_credit: 1_000, ..Limits::default() };
    let limits = ServerLimits { connection: small.clone(), ..ServerLimits::default() };
    let world = world_with(|server| server.limits(limits)).await;
    let builder = LabClient::builder().network(&world.net).limits(small);
    let lab = builder.connect("mem://a").await.unwrap();
    lab.ready().await.unwrap();
    assert_eq!(lab.echo("x".into()).await.unwrap(), "x");
}

/// A bug of its first version: it kept the facts of the call before.
#[tokio::test(start_paused = true)]
async fn a_report_of_a_call_that_was_never_sent_has_no_node() {
    let world = world().await;
    let report = CallReport::new();
    let lab = world.client().await.with_report(&report);
    lab.echo("x".into()).await.unwrap();
    lab.with_timeout(Duration::ZERO).echo("x".into()).await.unwrap_err();
    assert_eq!((report.node(), report.attempts()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_oneway_call_that_can_not_be_sent_says_where() {
    let world = world().await;
    let lab = world.client().await;
    lab.ready().await.unwrap();
    world.net.stall("a");
    // More than may wait, both in the outbox and in the batch that is being written.
    let mut last = Ok(());
    for _ in 0..2_000 {
        last = lab.with_timeout(Duration::from_millis(5)).note("x".repeat(30_000)).await;
        if last.is_err() {
            break;
        }
    }
    let status = last.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().starts_with("mem://a: the time was over"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_call_in_flight_takes_little_of_its_task() {
    let world = world().await;
    let lab = world.client().await;
    let call = lab.echo("hello".into());
    let bytes = size_of_val(&call);
    assert!(bytes <= 1_100, "{bytes} bytes");
    call.await.unwrap();
}
