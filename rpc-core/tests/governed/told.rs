//! What refusals and `explain` tell: who refused, whom, and what is wrong with what a person said.

use std::time::Duration;

use rpc_core::control::Switch;
use rpc_core::governance::breaker::{CircuitOpen, Mode};
use rpc_core::governance::limit::RateLimited;
use rpc_core::governance::limit::concurrency::Overloaded;
use rpc_core::governance::rules::{RuleKey, Side};
use rpc_core::testing::Network;
use rpc_core::{CallReport, Channel, Code, Governance, Origin, Request, Server, Status};
use tokio::time::sleep;

use crate::world::{
    Act, Inventory, InventoryClient, InventoryServer, Node, Shop, World, broken, price,
};

const HOUR: Duration = Duration::from_secs(3_600);

fn switch<'a>(target: &'a str, key: &'a str, value: &'a str) -> Switch<'a> {
    Switch { side: Side::Client, target, key, value, by: "anna", lasts: HOUR }
}

fn source<T: std::error::Error + 'static>(status: &Status) -> Option<&T> {
    std::error::Error::source(status)?.downcast_ref()
}

#[tokio::test(start_paused = true)]
async fn a_program_can_tell_which_rule_of_its_own_refused() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        limit = { rate = "1/h", burst = 1 }
        [client."shop.Inventory/quote"]
        concurrency = 1
        [client."shop.Inventory/stock"]
        breaker = { consecutive = 1 }
        [client."shop.Inventory/reserve"]
        degrade = true"#,
        )
        .await;
    price(&shop).await.unwrap();
    let limited = price(&shop).await.unwrap_err();
    assert_eq!(limited.refused_by(), Some(RuleKey::Limit));
    assert_eq!(source::<RateLimited>(&limited).unwrap().quota().to_string(), "1/h (burst 1)");

    let off = shop.reserve("A-17".into()).await.unwrap_err();
    assert_eq!(off.refused_by(), Some(RuleKey::Degrade));
    assert_eq!(off.message(), "switched off by its rule `degrade`, says builder:8");

    let raw = |method: &str| {
        let path = format!("shop.Inventory/{method}");
        let call = Request::new(path, "json", &br#"{"sku":"A-17"}"#[..]);
        let channel = shop.channel().clone();
        async move { channel.call(call).await }
    };
    world.all_do(&Act::Never);
    let held = tokio::spawn(raw("quote"));
    sleep(Duration::from_millis(1)).await;
    let full = raw("quote").await.unwrap_err();
    assert_eq!(full.refused_by(), Some(RuleKey::Concurrency));
    assert_eq!(source::<Overloaded>(&full).unwrap().max(), 1);
    held.abort();

    world.all_do(&broken());
    let failed = raw("stock").await.unwrap_err();
    assert_eq!((failed.refused_by(), failed.origin()), (None, Origin::Handler));
    let open = raw("stock").await.unwrap_err();
    assert_eq!(open.refused_by(), Some(RuleKey::Breaker));
    assert!(source::<CircuitOpen>(&open).unwrap().retry_after().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_client_tells_what_servers_refused_and_how_often_it_tried_again() {
    let limit = "[server.\"shop.Inventory/price\"]\nlimit = { rate = \"1/s\", burst = 1, key = \"caller\" }";
    let world = World::with_rules(1, limit).await;
    let rules = "[client.\"shop.Inventory/price\"]\nretry = { attempts = 2 }\nbreaker = {}";
    let shop = world.builder().name("till").rules(rules).connect(&world.address()).await.unwrap();
    price(&shop).await.unwrap();
    price(&shop).await.unwrap();
    let hurried = shop.with_timeout(Duration::from_millis(100));
    let refused = price(&hurried).await.unwrap_err();
    assert_eq!((refused.refused_by(), refused.origin()), (Some(RuleKey::Limit), Origin::Server));
    let why = "the server's limit of 1/s (burst 1) for caller \"till\": retry in ";
    assert!(refused.message().starts_with(why), "{refused}");
    let told = world.governance.explain("shop.Inventory/price");
    for part in [
        "servers   refused attempts: 2 by limit in the last minute; last: ",
        "retry     attempts 2        builder:2, retried once in the last minute, 10 left in the budget",
        "closed: 0 of 2 calls in 10s failed",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_tells_whose_calls_it_refused() {
    let limit = "[server.\"shop.Inventory/price\"]\nlimit = { rate = \"1/h\", burst = 1, key = \"caller\" }";
    let (world, at) = (World::of(0).await, Network::new());
    let shop = InventoryServer::new(Shop(Node::new()));
    let server = Server::builder().add(shop).rules(limit).governance(&world.governance);
    let server = server.listen_on(at.listen("till").unwrap()).await.unwrap();
    for (name, calls) in [("anna", 3), ("bob", 2), ("", 1)] {
        let client = InventoryClient::builder().network(&at).name(name);
        let client = client.connect("mem://till").await.unwrap();
        for _ in 0..calls {
            let _ = price(&client).await;
        }
    }
    let told = world.governance.explain("shop.Inventory/price");
    for part in [
        "3 callers so far",
        "refused   3 by limit in the last minute; last: ",
        "whom      of the last 3: 2 caller \"anna\", 1 caller \"bob\"\n",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    server.shutdown().await;
    let told = world.governance.explain("shop.Inventory/price");
    assert!(told.contains("nobody in this process"), "it serves no more: {told}");
}

#[tokio::test(start_paused = true)]
async fn two_servers_of_a_method_are_told_apart() {
    let (governance, network) = (Governance::new(), Network::new());
    for name in ["one", "other"] {
        let shop = InventoryServer::new(Shop(Node::new()));
        let server = Server::builder().add(shop).governance(&governance);
        server.listen_on(network.listen(name).unwrap()).await.unwrap();
    }
    assert_eq!(
        governance.explain("shop.Inventory/price"),
        "at mem://one: shop.Inventory/price  server\n  no rules\n\
         at mem://other: shop.Inventory/price  server\n  no rules\n"
    );
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_is_a_slip_is_refused_and_says_what_was_meant() {
    let world = World::of(1).await;
    let early = switch("shop.Inventory/prcie", "timeout", "1s");
    world.governance.switch(early).expect("nobody is known yet: it may be about anybody");
    let shop = world.client("").await;
    for (target, key, value, told) in [
        (
            "shop.Inventory/prcie",
            "timeout",
            "1s",
            "client.\"shop.Inventory/prcie\": nobody in this process calls that; did you mean \"shop.Inventory/price\"?",
        ),
        (
            "shop.Inventry",
            "timeout",
            "1s",
            "client.\"shop.Inventry\": nobody in this process calls that; did you mean \"shop.Inventory\"?",
        ),
        (
            "shop.Inventory/price",
            "timeuot",
            "1s",
            "client.\"shop.Inventory/price\".timeuot: there is no such key; did you mean `timeout`?",
        ),
        (
            "shop.Inventory/reserve",
            "hedge",
            "{ after = \"1ms\" }",
            "client.\"shop.Inventory/reserve\".hedge: a hedge calls twice, and this method is not marked `idempotent`",
        ),
    ] {
        let refused = world.governance.switch(switch(target, key, value)).unwrap_err().to_string();
        assert!(refused.starts_with(&format!("console: {told}")), "{refused}");
    }
    for (target, meant) in [
        ("price", "shop.Inventory/price"),
        ("Inventory", "shop.Inventory"),
        ("shop.Inventory.price", "shop.Inventory/price"),
    ] {
        let refused = world.governance.switch(switch(target, "timeout", "1s")).unwrap_err();
        assert!(
            refused.to_string().ends_with(&format!("; did you mean \"{meant}\"?")),
            "{refused}"
        );
    }
    let unclosed = switch("defaults", "limit", "{ rate = ");
    let refused = world.governance.switch(unclosed).unwrap_err().to_string();
    assert!(refused.starts_with("console: client.defaults.limit: this is not TOML"), "{refused}");
    let other = switch("stock.Levels/all", "timeout", "1s");
    world.governance.switch(other).expect("it is of a service that nobody here knows");
    let told = world.governance.explain("shop.Inventory/price");
    let slip =
        "without effect: console (anna): client.\"stock.Levels/all\" is about nothing here\n";
    assert!(told.contains(slip), "{told}");
    let governance = &world.governance;
    let clear = |target, key| governance.clear_switch(Side::Client, target, key);
    assert_eq!(clear("stock.Levels/all", "timeout"), Ok(true));
    assert_eq!(clear("stock.Levels/all", "timeout"), Ok(false), "it was taken back");
    let refused = clear("shop.Inventory/prize", "timeout").unwrap_err();
    assert!(refused.to_string().contains("did you mean \"shop.Inventory/price\"?"), "{refused}");
    let refused = clear("stock.Levels/all", "timeuot").unwrap_err();
    assert!(refused.to_string().contains("did you mean `timeout`?"), "{refused}");
    drop(shop);
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_not_there_can_not_be_held() {
    let world = World::of(1).await;
    let _shop = world.client("").await;
    let force = |path| world.governance.force_breaker(path, Mode::ForcedOpen, "anna", HOUR);
    assert_eq!(
        force("shop.Inventory/price").unwrap_err().to_string(),
        "console: client.\"shop.Inventory/price\": it has no breaker that could be held"
    );
    for many in ["shop.Inventory", "shop.Inventory/*"] {
        let refused = force(many).unwrap_err().to_string();
        assert!(
            refused.contains("method by method; expected one method, as in \"shop."),
            "{refused}"
        );
    }
    assert_eq!(
        force("shop.Inventory/prcie").unwrap_err().to_string(),
        "console: client.\"shop.Inventory/prcie\": nobody in this process calls that; did you mean \
         \"shop.Inventory/price\"?"
    );
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_held_holds_those_of_tenants_that_come_later() {
    let world = World::of(1).await;
    let shop = world.client("[client.defaults]\nbreaker = { key = \"tenant\" }").await;
    price(&shop.with_metadata("tenant", "eu")).await.unwrap();
    let path = "shop.Inventory/price";
    world.governance.force_breaker(path, Mode::ForcedOpen, "", HOUR).unwrap();
    for tenant in ["eu", "us"] {
        let refused = price(&shop.with_metadata("tenant", tenant)).await.unwrap_err();
        let why = format!("circuit for tenant \"{tenant}\" forced open by console for another 1 h");
        assert_eq!(refused.message(), why);
    }
    let told = world.governance.explain(path);
    assert!(told.contains("all FORCED OPEN by console, expires in 1 h"), "{told}");
    assert!(told.contains("of the last 2: 1 tenant \"eu\", 1 tenant \"us\""), "{told}");
    world.governance.force_breaker(path, Mode::Automatic, "", HOUR).unwrap();
    price(&shop.with_metadata("tenant", "us")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_held_is_let_go_also_while_it_is_off() {
    let world = World::of(1).await;
    let shop = world.client("[client.defaults]\nbreaker = {}").await;
    let path = "shop.Inventory/price";
    world.governance.force_breaker(path, Mode::ForcedOpen, "anna", HOUR).unwrap();
    world.governance.switch(switch(path, "breaker", "off")).unwrap();
    price(&shop).await.unwrap();
    world.governance.force_breaker(path, Mode::Automatic, "anna", HOUR).unwrap();
    assert_eq!(world.governance.clear_switch(Side::Client, path, "breaker"), Ok(true));
    price(&shop).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_degrades_a_method_and_for_how_long_is_told() {
    let world = World::of(1).await;
    let shop = world.client("[client.\"shop.Inventory/reserve\"]\noptional = 2").await;
    let reserve = async || shop.reserve("A-17".into()).await.unwrap_err();
    world.governance.set_level(3, "bob", Duration::from_secs(90));
    let off =
        "switched off by level 3 of this process, as it is `optional = 2`, says console (bob)";
    assert_eq!(reserve().await.message(), format!("{off} for another 2 min"));
    world.governance.switch(switch("shop.Inventory/reserve", "degrade", "true")).unwrap();
    let off = "switched off by its rule `degrade`, says console (anna) for another 1 h";
    assert_eq!(reserve().await.message(), off);
    let told = world.governance.explain("shop.Inventory/price");
    let level = "the level of this process is 3: console (bob), expires in 2 min";
    assert!(told.contains(level), "also where nothing is optional: {told}");
}

#[tokio::test(start_paused = true)]
async fn a_throttle_that_is_held_says_so() {
    let world = World::of(1).await;
    let shop = world.client("[client.defaults]\nbreaker = { kind = \"throttle\" }").await;
    let path = "shop.Inventory/price";
    for (mode, is_refused, told) in [
        (Mode::ForcedOpen, true, "FORCED OPEN 0s ago by console (anna), expires in 1 h"),
        (Mode::ForcedClosed, false, "forced closed 0s ago by console (anna), expires in 1 h"),
    ] {
        world.governance.force_breaker(path, mode, "anna", HOUR).unwrap();
        assert_eq!(price(&shop).await.is_err(), is_refused);
        let text = world.governance.explain(path);
        assert!(text.contains(told), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_half_open_since_its_time_was_up_and_not_since_somebody_looked() {
    let world = World::of(1).await;
    let rules = "[client.defaults]\nbreaker = { consecutive = 1, open = \"1s\" }";
    let shop = world.client(rules).await;
    world.all_do(&broken());
    price(&shop).await.unwrap_err();
    sleep(HOUR).await;
    let told = world.governance.explain("shop.Inventory/price");
    assert!(told.contains("HALF-OPEN 359"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn clients_share_what_their_builders_do_not_say_differently() {
    let world = World::of(1).await;
    let shop = world.client("[client.\"shop.Inventory/price\"]\ntimeout = \"1s\"").await;
    let other = world.client("").await;
    shop.scarce("A-17".into()).await.unwrap();
    other.scarce("A-17".into()).await.expect_err("one a minute, for the process");
    let told = world.governance.explain("shop.Inventory/price");
    assert!(told.contains("as builder 1 of 2 has it: shop.Inventory/price  client"), "{told}");
    assert!(told.contains("as builder 2 of 2 has it: shop.Inventory/price  client"), "{told}");
}

#[tokio::test]
async fn an_address_without_its_scheme_is_the_same_target() {
    let shop = InventoryServer::new(Shop(Node::new()));
    let server = Server::builder().add(shop).listen("127.0.0.1:0").await.unwrap();
    let (whole, governance) = (server.address().to_string(), Governance::new());
    let bare = whole.strip_prefix("tcp://").unwrap();
    let connect = async |address: &str| {
        let client = InventoryClient::builder().governance(&governance).connect(address).await;
        client.unwrap()
    };
    let (one, other) = (connect(&whole).await, connect(bare).await);
    one.scarce("A-17".into()).await.unwrap();
    other.scarce("A-17".into()).await.expect_err("one a minute, for the process");
}

#[tokio::test(start_paused = true)]
async fn a_switch_that_each_attribute_overrules_is_refused() {
    let world = World::of(1).await;
    let rules = "[client.\"shop.Inventory/*\"]\ntimeout = \"1s\"";
    let _shop = world.client(rules).await;
    let refused = world.governance.switch(switch("shop.Inventory", "timeout", "50ms")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "console: client.\"shop.Inventory\".timeout: builder:2 says otherwise of each method, and the more \
         specific wins; did you mean \"shop.Inventory/*\"?"
    );
    world.governance.switch(switch("shop.Inventory/*", "timeout", "50ms")).unwrap();
    world.governance.switch(switch("shop.Inventory", "limit", "{ rate = \"1/s\" }")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_time_that_holds_where_nobody_says_any_is_told() {
    let world = World::of(1).await;
    let rules = "[client.\"shop.Inventory/price\"]\ntimeout = \"off\"";
    let _shop = world.builder().timeout(Duration::from_secs(3)).rules(rules);
    let _shop = _shop.connect(&world.address()).await.unwrap();
    let told = world.governance.explain("shop.Inventory/price");
    assert!(told.contains("timeout   off  builder:2, which leaves 3s"), "{told}");
    let told = world.governance.explain("shop.Inventory/reserve");
    assert!(told.contains("timeout   3s by default"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn why_a_fallback_answered_is_told_to_program_and_person() {
    let world = World::of(1).await;
    let shop = world.client("").await;
    world.all_do(&broken());
    let report = CallReport::new();
    assert_eq!(shop.with_report(&report).quote("A-17".into()).await.unwrap(), 1);
    let failure = report.failure().expect("the call itself failed");
    assert_eq!((failure.code(), failure.message()), (Code::Unavailable, "the database is down"));
    let told = world.governance.explain("shop.Inventory/quote");
    assert!(told.contains("answered 1 call so far"), "{told}");
    assert!(told.contains("instead of  last: "), "{told}");
    assert!(told.contains("Z unavailable: the database is down\n"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_dark_breaker_that_is_open_says_that_it_only_counts() {
    let world = World::of(1).await;
    let rules = "[client.defaults]\nbreaker = { consecutive = 1 }\ndark = [\"breaker\"]";
    let shop = world.client(rules).await;
    world.all_do(&broken());
    price(&shop).await.unwrap_err();
    let told = world.governance.explain("shop.Inventory/price");
    assert!(told.contains("1 server fault, dark: only counts"), "{told}");
    assert!(told.contains("builder:2 for defaults says consecutive 1)"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn everything_is_explained_to_who_names_nothing() {
    let world = World::of(1).await;
    assert_eq!(world.governance.explain(""), "nobody in this process calls or serves anything\n");
    let _shop = world.client("").await;
    let told = world.governance.explain("");
    assert_eq!(told, world.governance.explain("shop.Inventory"));
}

#[tokio::test(start_paused = true)]
async fn a_builders_rules_about_methods_it_does_not_have_are_refused() {
    let world = World::of(1).await;
    let connect = async |rules: &str| {
        let client = world.builder().rules(rules).connect(&world.address()).await;
        client.err().unwrap().message().to_owned()
    };
    assert_eq!(
        connect("[client.\"shop.Inventory/prcie\"]\ntimeout = \"1s\"").await,
        "builder:2:1: client.\"shop.Inventory/prcie\": this client has no such method; did you mean \
         \"shop.Inventory/price\"?"
    );
    let other = "[client.\"stock.Levels\"]\ntimeout = \"1s\"";
    assert_eq!(
        connect(other).await,
        "builder:2:1: client.\"stock.Levels\": this client has no such method; expected \"shop.Inventory\" or a method of it"
    );
    let hedge = "[client.\"shop.Inventory/reserve\"]\nhedge = {}";
    assert!(connect(hedge).await.contains("not marked `idempotent`"));
    let shared = Channel::builder().network(&world.network).rules(other);
    shared.connect(&world.address()).await.expect("whoever shares a channel may call anything");
    let server = Server::builder().add(InventoryServer::new(Shop(Node::new())));
    let server = server.rules("[server.\"shop.Inventory/prcie\"]\nconcurrency = 1");
    let refused = server.listen_on(world.network.listen("x").unwrap()).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "builder:2:1: server.\"shop.Inventory/prcie\": this server has no such method; did you mean \
         \"shop.Inventory/price\"?"
    );
}
