//! Dark rules: they count what they would have done, and do nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::world::{Act, World, broken, ms, price};

/// What is told of dark rules.
fn dark_line(world: &World) -> String {
    let text = world.governance.explain("shop.Inventory/price");
    text.lines()
        .find(|line| line.trim_start().starts_with("counted "))
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_dark_limit_counts_and_lets_pass() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        limit = { rate = "1/s", burst = 1, wait = "5s" }
        dark = ["limit"]"#,
        )
        .await;
    let begun = Instant::now();
    for _ in 0..10 {
        price(&shop).await.unwrap();
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "nor does anything wait");
}

#[tokio::test(start_paused = true)]
async fn a_dark_breaker_counts_and_lets_pass() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        breaker = { consecutive = 2 }
        dark = ["breaker"]"#,
        )
        .await;
    world.all_do(&broken());
    for _ in 0..5 {
        assert!(!price(&shop).await.unwrap_err().is_refusal());
    }
    assert!(dark_line(&world).contains("3 by breaker"), "{}", dark_line(&world));
}

#[tokio::test(start_paused = true)]
async fn a_dark_concurrency_counts_and_lets_pass() {
    let world = World::of(1).await;
    world.all_do(&Act::After(ms(10), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        concurrency = 1
        dark = ["concurrency"]"#,
        )
        .await;
    let (one, two, three) = tokio::join!(price(&shop), price(&shop), price(&shop));
    assert_eq!((one.unwrap(), two.unwrap(), three.unwrap()), (7, 7, 7));
    assert!(dark_line(&world).contains("2 by concurrency"), "{}", dark_line(&world));
}

#[tokio::test(start_paused = true)]
async fn dark_attempts_are_not_made() {
    let world = World::of(2).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        retry = { attempts = 3 }
        hedge = { after = "20ms" }
        dark = ["retry", "hedge"]"#,
        )
        .await;
    world.all_do(&broken());
    price(&shop).await.unwrap_err();
    world.all_do(&Act::After(ms(50), 7));
    price(&shop).await.unwrap();
    assert_eq!(world.calls(), 2);
    let told = dark_line(&world);
    assert!(told.contains("1 by retry") && told.contains("1 by hedge"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_dark_timeout_counts_what_it_would_have_ended() {
    let world = World::of(1).await;
    world.all_do(&Act::After(ms(50), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        timeout = "20ms"
        dark = ["timeout"]"#,
        )
        .await;
    assert_eq!(price(&shop).await.unwrap(), 7);
    assert!(dark_line(&world).contains("1 by timeout"), "{}", dark_line(&world));
}

#[tokio::test(start_paused = true)]
async fn a_dark_degradation_and_a_dark_fallback_count_and_call() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        degrade = true
        fallback = { last_good = "30s" }
        dark = ["degrade", "fallback"]"#,
        )
        .await;
    price(&shop).await.unwrap();
    world.all_do(&broken());
    price(&shop).await.unwrap_err();
    let told = dark_line(&world);
    assert!(told.contains("1 by fallback") && told.contains("2 by degrade"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_dark_per_try_counts_what_it_would_have_ended() {
    let world = World::of(1).await;
    world.all_do(&Act::After(ms(50), 7));
    let shop = world
        .client(
            r#"[client."shop.Inventory/price"]
        per_try = "20ms"
        dark = ["per_try"]"#,
        )
        .await;
    assert_eq!(price(&shop).await.unwrap(), 7);
    assert!(dark_line(&world).contains("1 by per_try"), "{}", dark_line(&world));
}
