//! Rules that change while calls go on, and what is told about them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rpc_core::control::{News, Source, Switch, Trouble};
use rpc_core::governance::breaker::Mode;
use rpc_core::governance::rules::{RuleKey, RuleSet, Side, Strength, Syntax};
use tokio::time::sleep;

use crate::world::{Act, World, broken, price};

fn file(text: &str) -> Arc<RuleSet> {
    Arc::new(RuleSet::parse(Strength::File, "rules.toml", Syntax::Toml, text, None).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_changed_limit_keeps_what_it_has_counted() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        limit = { rate = "1/s", burst = 2 }"#,
        )
        .await;
    price(&shop).await.unwrap();
    price(&shop).await.unwrap();
    world.governance.apply(file(
        r#"[client."shop.Inventory/price"]
        limit = { rate = "2/s", burst = 2 }"#,
    ));
    let refused = price(&shop).await.unwrap_err();
    assert_eq!(refused.message(), "limit of 2/s (burst 2): retry in 500ms");
}

#[tokio::test(start_paused = true)]
async fn a_changed_breaker_stays_open() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        breaker = { consecutive = 2, open = "10s" }"#,
        )
        .await;
    world.all_do(&broken());
    price(&shop).await.unwrap_err();
    price(&shop).await.unwrap_err();
    world.governance.apply(file(
        r#"[client."shop.Inventory/price"]
        breaker = { consecutive = 9, open = "10s" }"#,
    ));
    assert!(price(&shop).await.unwrap_err().is_refusal());
    world.governance.apply(file(
        r#"[client."shop.Inventory/price"]
        breaker = "off""#,
    ));
    assert!(!price(&shop).await.unwrap_err().is_refusal(), "it is off");
}

#[tokio::test(start_paused = true)]
async fn a_switch_wins_and_expires() {
    let world = World::of(1).await;
    let shop = world.client("").await;
    let switch = Switch {
        side: Side::Client,
        target: "shop.Inventory/price",
        key: "limit",
        value: r#"{ rate = "1/min", burst = 1 }"#,
        by: "anna",
        lasts: Duration::from_secs(30),
    };
    world.governance.switch(switch).unwrap();
    price(&shop).await.unwrap();
    price(&shop).await.unwrap_err();
    sleep(Duration::from_secs(31)).await;
    price(&shop).await.unwrap();
    price(&shop).await.unwrap();
}

/// Each throw left a task behind that slept until its end.
#[tokio::test(start_paused = true)]
async fn a_switch_that_is_thrown_without_end_waits_once() {
    let world = World::of(1).await;
    let shop = world.client("").await;
    let throw = |lasts| {
        let (side, target) = (Side::Client, "shop.Inventory/price");
        let value = r#"{ rate = "1/min", burst = 1 }"#;
        let switch = Switch { side, target, key: "limit", value, by: "anna", lasts };
        world.governance.switch(switch).unwrap();
        world.governance.set_level(1, "anna", lasts);
    };
    /// Those that are left once the aborted ones had their turn to end.
    async fn tasks() -> usize {
        for _ in 0..3_000 {
            tokio::task::yield_now().await;
        }
        tokio::runtime::Handle::current().metrics().num_alive_tasks()
    }
    price(&shop).await.unwrap();
    let before = tasks().await;
    for _ in 0..1_000 {
        throw(Duration::from_secs(3_600));
    }
    throw(Duration::from_secs(30));
    assert_eq!(tasks().await - before, 2, "one for the switch, one for the level");
    price(&shop).await.unwrap();
    price(&shop).await.unwrap_err();
    sleep(Duration::from_secs(31)).await;
    price(&shop).await.unwrap();
    price(&shop).await.unwrap();
    assert_eq!(tasks().await, before, "both have expired");
    throw(Duration::from_secs(3_600));
    let target = "shop.Inventory/price";
    assert_eq!(world.governance.clear_switch(Side::Client, target, "limit"), Ok(true));
    assert!(world.governance.clear_level());
    assert_eq!(tasks().await, before, "both were taken back");
}

#[tokio::test(start_paused = true)]
async fn a_set_that_turned_out_badly_is_rolled_back() {
    let world = World::of(1).await;
    let shop = world.client("").await;
    world.governance.apply(file("[client.defaults]\nconcurrency = 9"));
    world.governance.apply(file("[client.defaults]\nlimit = { rate = \"1/h\", burst = 1 }"));
    price(&shop).await.unwrap();
    price(&shop).await.unwrap_err();
    assert_eq!(world.governance.roll_back("rules.toml", None, "anna").unwrap(), 3);
    price(&shop).await.unwrap();
    assert_eq!(world.governance.history("rules.toml").len(), 3);
    assert!(world.governance.roll_back("else", None, "anna").is_err());
}

#[tokio::test(start_paused = true)]
async fn caps_bound_also_what_a_caller_asks_for() {
    let world = World::of(1).await;
    let shop = world.client("").await;
    world.governance.apply(file("[client.caps]\ntimeout = \"50ms\""));
    world.all_do(&Act::Never);
    let begun = tokio::time::Instant::now();
    price(&shop.with_timeout(Duration::from_secs(9))).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::from_millis(50));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_held_open_by_hand() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        breaker = { consecutive = 2 }"#,
        )
        .await;
    let (path, hour) = ("shop.Inventory/price", Duration::from_secs(3_600));
    let force = |mode| world.governance.force_breaker(path, mode, "anna", hour).unwrap();
    force(Mode::ForcedOpen);
    let refused = price(&shop).await.unwrap_err();
    assert_eq!(refused.message(), "circuit forced open by console (anna) for another 1 h");
    assert_eq!(refused.refused_by(), Some(RuleKey::Breaker));
    let told = world.governance.explain(path);
    assert!(told.contains("FORCED OPEN 0s ago by console (anna), expires in 1 h"), "{told}");
    force(Mode::Automatic);
    price(&shop).await.unwrap();
    force(Mode::ForcedOpen);
    sleep(hour + Duration::from_secs(1)).await;
    price(&shop).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn explain_says_what_is_in_force_who_says_so_and_what_was_refused() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        breaker = { consecutive = 3, open = "5s" }
        retry = { attempts = 2 }"#,
        )
        .await;
    world
        .governance
        .apply(file("[client.\"shop.Inventory/price\"]\nlimit = { rate = \"5/s\", burst = 2 }"));
    price(&shop).await.unwrap();
    price(&shop).await.unwrap();
    price(&shop).await.unwrap_err();
    let text = world.governance.explain("shop.Inventory/price");
    assert!(text.starts_with("shop.Inventory/price  client\n"), "{text}");
    assert!(text.contains("5/s burst 2"), "{text}");
    assert!(text.contains("rules.toml:2"), "{text}");
    assert!(text.contains("1 by limit in the last minute"), "{text}");
    assert!(text.contains("builder"), "{text}");
    assert!(text.contains("closed: 0 of 2 calls"), "{text}");
    assert!(text.contains("10 left in the budget"), "{text}");

    world.all_do(&broken());
    sleep(Duration::from_secs(10)).await;
    for _ in 0..3 {
        price(&shop).await.unwrap_err();
        sleep(Duration::from_secs(1)).await;
    }
    price(&shop).await.unwrap_err();
    let text = world.governance.explain("shop.Inventory/price");
    assert!(text.contains("OPEN"), "{text}");
    println!("{text}");
    assert_eq!(
        world.governance.explain("other.Service/else"),
        "other.Service/else: nobody in this process calls or serves it\n",
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_is_explained_method_by_method() {
    let world = World::of(1).await;
    let shop = world.client("[client.\"shop.Inventory/price\"]\nlimit = { rate = \"5/s\" }").await;
    price(&shop).await.unwrap();
    let text = world.governance.explain("shop.Inventory");
    assert!(text.contains(&world.governance.explain("shop.Inventory/price")), "{text}");
    let methods: Vec<_> = text.lines().filter(|line| line.starts_with("shop.")).collect();
    assert!(methods.len() > 2 && methods.is_sorted(), "{methods:?}");
    assert_eq!(
        world.governance.explain("shop.Inventry"),
        "shop.Inventry: nobody in this process calls or serves it; did you mean shop.Inventory?\n",
    );
}

#[tokio::test(start_paused = true)]
async fn explain_says_that_a_try_has_no_time_of_its_own_if_two_entries_say_so() {
    let world = World::of(1).await;
    let _shop = world.client("[client.\"shop.Inventory/price\"]\ntimeout = \"200ms\"").await;
    world.governance.apply(file("[client.\"shop.Inventory\"]\nper_try = \"1s\""));
    let text = world.governance.explain("shop.Inventory/price");
    assert!(text.contains("without effect: the whole call has no more time"), "{text}");
    world.governance.apply(file("[client.\"shop.Inventory\"]\nper_try = \"100ms\""));
    let text = world.governance.explain("shop.Inventory/price");
    assert!(!text.contains("without effect"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_return_to_an_earlier_version_holds_while_its_source_is_in_trouble() {
    let world = World::of(1).await;
    let shop = world.client("").await;
    let news = Arc::new(Mutex::new(VecDeque::from([
        News::Rules(file("[client.defaults]\nconcurrency = 9")),
        News::Rules(file("[client.defaults]\nlimit = { rate = \"1/h\", burst = 1 }")),
    ])));
    world.governance.watch(Script(news.clone()));
    sleep(Duration::from_secs(9)).await;
    price(&shop).await.unwrap();
    price(&shop).await.unwrap_err();
    world.governance.roll_back("rules.toml", None, "anna").unwrap();
    price(&shop).await.unwrap();
    let told = world.governance.explain("shop.Inventory/price");
    assert!(told.contains("concurrency  9  version 1 of rules.toml:2 for defaults"), "{told}");
    assert!(told.contains("rules.toml was rolled back to version 1 by anna\n"), "{told}");
    let trouble =
        Trouble::Unreadable { source: "rules.toml".into(), why: "the disk is gone".into() };
    news.lock().unwrap().push_back(News::Trouble(Arc::new(trouble)));
    sleep(Duration::from_secs(9)).await;
    assert_eq!(world.governance.troubles().len(), 1);
    price(&shop).await.unwrap();
    let next = file("[client.defaults]\nlimit = { rate = \"2/h\", burst = 1 }");
    news.lock().unwrap().push_back(News::Rules(next));
    sleep(Duration::from_secs(9)).await;
    price(&shop).await.unwrap();
    assert!(price(&shop).await.is_err(), "until the source says something else");
}

/// Says one thing a second.
struct Script(Arc<Mutex<VecDeque<News>>>);

impl Source for Script {
    fn name(&self) -> &str {
        "rules.toml"
    }

    fn next(&mut self) -> rpc_core::BoxFuture<'_, News> {
        Box::pin(async {
            loop {
                sleep(Duration::from_secs(1)).await;
                if let Some(news) = self.0.lock().unwrap().pop_front() {
                    return news;
                }
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_a_slip_is_told_and_one_for_others_is_not() {
    let world = World::of(1).await;
    let _shop = world.client("").await;
    world.governance.apply(file(
        r#"[client."shop.Inventory/prize"]
timeout = "1s"
[client."shop.Inventry"]
timeout = "1s"
[client."stock.Levels/all"]
timeout = "1s""#,
    ));
    assert_eq!(
        world.governance.explain("shop.Inventory/prize"),
        "shop.Inventory/prize: nobody in this process calls or serves it; did you mean \
         shop.Inventory/price?\n\
         without effect: rules.toml:4: client.\"shop.Inventry\" is about nothing here; did you mean \
         \"shop.Inventory\"?\n\
         without effect: rules.toml:2: client.\"shop.Inventory/prize\" is about nothing here; did you \
         mean \"shop.Inventory/price\"?\n",
    );
}

#[tokio::test(start_paused = true)]
async fn a_builders_rules_for_the_other_side_are_refused() {
    let world = World::of(1).await;
    let wrong = world.builder().rules("[server.defaults]\nconcurrency = 4");
    let refused = wrong.connect(&world.address()).await.err().unwrap();
    assert_eq!(refused.message(), "builder: [server.defaults] is of no use to a client");
}
