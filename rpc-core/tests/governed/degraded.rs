//! Answers other than the method's own.

use std::time::Duration;

use rpc_core::governance::outcome::{Degradation, Outcome};
use rpc_core::{CallReport, Code, Error, Status};
use tokio::time::sleep;

use crate::world::{Act, Inventory, Shop, SoldOut, World, broken, ms, price};

const LAST_GOOD: &str = r#"[client."shop.Inventory/price"]
    fallback = { last_good = "30s", vary = ["tenant"] }"#;

#[tokio::test(start_paused = true)]
async fn the_last_good_answer_is_given_again_and_marked() {
    let world = World::of(1).await;
    let shop = world.client(LAST_GOOD).await;
    assert_eq!(price(&shop).await.unwrap(), 1995);
    world.all_do(&broken());
    let report = CallReport::new();
    assert_eq!(price(&shop.with_report(&report)).await.unwrap(), 1995);
    assert!(report.is_degraded());
    assert_eq!(shop.price("B-4".into()).await.unwrap_err().code(), Code::Unavailable);
    let stats = shop.channel().stats();
    let failed = Outcome::ServerFault;
    assert_eq!(stats[0].count(failed), 2, "it can't hide the outage");
    assert_eq!(stats[0].degraded(Degradation::Answered), 1);
    assert_eq!(stats[0].degraded(Degradation::Failed), 1);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(price(&shop).await.unwrap_err().code(), Code::Unavailable, "too old");
}

#[tokio::test(start_paused = true)]
async fn tenants_never_see_each_others_answers() {
    let world = World::of(1).await;
    let shop = world.client(LAST_GOOD).await;
    price(&shop.with_metadata("tenant", "eu")).await.unwrap();
    world.all_do(&broken());
    assert!(price(&shop.with_metadata("tenant", "us")).await.is_err());
    assert!(price(&shop.with_metadata("tenant", "eu")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_business_error_is_not_answered_otherwise() {
    let world = World::of(1).await;
    let shop = world.client(LAST_GOOD).await;
    price(&shop).await.unwrap();
    world.all_do(&Act::Fail(Status::not_found("sold out")));
    assert_eq!(price(&shop).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(start_paused = true)]
async fn the_function_of_the_attribute_answers() {
    let world = World::of(1).await;
    let shop = world.client("").await;
    world.all_do(&broken());
    assert_eq!(shop.quote("A-17".into()).await.unwrap(), 1);
    let failed = shop.quote("B-4".into()).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable, "the call's own failure");
    assert!(failed.message().contains("no last price of B-4"), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn the_default_answers() {
    let world = World::of(1).await;
    let shop = world.client("").await;
    world.all_do(&broken());
    assert_eq!(shop.stock("A-17".into()).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn another_implementation_stands_by() {
    let (world, local) = (World::of(1).await, World::of(1).await);
    local.all_do(&Act::Answer(3));
    let shop = world.client("").await.with_fallback(Shop(local.nodes[0].clone()));
    assert_eq!(price(&shop).await.unwrap(), 1995);
    world.all_do(&broken());
    assert_eq!(price(&shop).await.unwrap(), 3);
    assert_eq!(shop.quote("A-17".into()).await.unwrap(), 3, "it goes before the function");
}

#[tokio::test(start_paused = true)]
async fn a_rule_forces_the_fallback_without_touching_the_network() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory"]
        degrade = true"#,
        )
        .await;
    assert_eq!(shop.quote("A-17".into()).await.unwrap(), 1);
    let refused = price(&shop).await.unwrap_err();
    assert!(refused.is_refusal() && refused.message().contains("switched off"), "{refused}");
    assert_eq!(world.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_level_switches_off_what_is_optional() {
    let world = World::of(1).await;
    let shop = world
        .client(
            r#"[client."shop.Inventory/quote"]
        optional = 2"#,
        )
        .await;
    assert_eq!(shop.quote("A-17".into()).await.unwrap(), 1995);
    world.governance.set_level(2, "anna", Duration::from_secs(60));
    assert_eq!(shop.quote("A-17".into()).await.unwrap(), 1);
    assert_eq!(price(&shop).await.unwrap(), 1995, "the rest goes on");
    sleep(Duration::from_secs(61)).await;
    assert_eq!(shop.quote("A-17".into()).await.unwrap(), 1995, "it expires");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_not_answered_otherwise() {
    let world = World::of(1).await;
    let shop = world.client("").await;
    world.all_do(&Act::Fail(Status::cancelled("nobody wants it")));
    assert_eq!(shop.quote("A-17".into()).await.unwrap_err().code(), Code::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_fallback_runs_after_a_deadline() {
    let world = World::of(1).await;
    let shop = world.client("").await.with_timeout(ms(10));
    world.all_do(&Act::Never);
    assert_eq!(shop.quote("A-17".into()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn typed_errors_are_answers_and_a_fallback_may_give_one() {
    let world = World::of(1).await;
    let shop = world.client("").await;
    let take = async |sku: &str| shop.take(sku.into()).await;
    world.all_do(&Act::Answer(0));
    assert!(
        matches!(take("A-17").await, Err(Error::App(SoldOut))),
        "its own: no fallback is asked"
    );
    world.all_do(&broken());
    assert_eq!(take("A-17").await.unwrap(), 2);
    assert!(matches!(take("B-4").await, Err(Error::App(SoldOut))), "the fallback's");
    let Err(Error::Status(failed)) = take("C-1").await else { panic!("it has none of these") };
    assert_eq!(failed.code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_fallback_is_no_refusal() {
    let world = World::of(1).await;
    let shop = world.client(LAST_GOOD).await;
    price(&shop).await.unwrap();
    world.all_do(&broken());
    price(&shop).await.unwrap();
    let told = world.governance.explain("shop.Inventory/price");
    assert!(told.contains("answered 1 call") && !told.contains("refused"), "{told}");
}
