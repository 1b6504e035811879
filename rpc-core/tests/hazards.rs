//! What users of other libraries complain of most, and what goes wrong with governance in async Rust:
//! each has a test, and this holds that it is still there.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

const BREAKER: &str = "src/governance/breaker/complaints.rs";
const BREAKER_MODEL: &str = "src/governance/breaker/model.rs";
const CONCURRENCY: &str = "src/governance/limit/concurrency/tests.rs";
const LIMITS: &str = "src/governance/limit/laws.rs";
const TOKEN: &str = "src/governance/limit/token.rs";

/// The complaint or hazard, the file and the name of a test of it.
const HELD: &[(&str, &str, &str)] = &[
    // What is complained of, by how often it recurs.
    ("half-open gets stuck", BREAKER, "half_open_does_not_get_stuck_on_a_probe_that_never_reports"),
    ("half-open gets stuck", BREAKER, "a_dropped_probe_frees_its_place"),
    ("half-open gets stuck", BREAKER, "peeking_takes_no_probe"),
    ("half-open gets stuck", BREAKER, "from_anywhere_successes_close_it_in_the_end"),
    (
        "half-open gets stuck",
        "tests/governed/drops.rs",
        "a_probe_that_goes_away_anywhere_leaves_the_breaker_able_to_close",
    ),
    (
        "cancellations and client errors count as failures, or as successes",
        BREAKER,
        "a_neutral_outcome_does_not_close_a_half_open_circuit",
    ),
    (
        "cancellations and client errors count as failures, or as successes",
        BREAKER,
        "impatient_callers_among_others_trip_nothing",
    ),
    (
        "cancellations and client errors count as failures, or as successes",
        "tests/governed/breakers.rs",
        "business_errors_are_no_failures",
    ),
    (
        "what a failure is can't be said by results",
        "tests/governed/breakers.rs",
        "a_method_may_see_failures_in_its_own_way",
    ),
    ("windows are fixed and do not slide", BREAKER, "a_sliding_window_really_slides"),
    ("windows are fixed and do not slide", BREAKER, "failures_leave_the_window"),
    (
        "windows are fixed and do not slide",
        "src/governance/breaker/window.rs",
        "the_last_calls_really_slide",
    ),
    (
        "windows are fixed and do not slide",
        "src/governance/limit/sliding.rs",
        "two_full_batches_do_not_fit_around_the_end_of_a_window",
    ),
    ("absolute counts, or a ratio of too few calls, trip it", BREAKER, "too_few_calls_say_nothing"),
    (
        "absolute counts, or a ratio of too few calls, trip it",
        BREAKER,
        "not_quite_half_does_not_trip_a_rule_of_half",
    ),
    ("absolute counts, or a ratio of too few calls, trip it", BREAKER, "a_rate_of_all_can_trip"),
    ("a changed rule loses state", BREAKER, "a_changed_rule_keeps_what_was_counted"),
    ("a changed rule loses state", LIMITS, "a_rule_that_changes_does_not_let_a_burst_go_once_more"),
    ("a changed rule loses state", CONCURRENCY, "a_new_size_keeps_who_is_in_and_who_waits"),
    (
        "a changed rule loses state",
        "tests/governed/changes.rs",
        "a_changed_limit_keeps_what_it_has_counted",
    ),
    ("a changed rule loses state", "tests/governed/changes.rs", "a_changed_breaker_stays_open"),
    (
        "a changed rule loses state",
        "tests/served/changes.rs",
        "rules_come_into_force_and_go_while_it_serves",
    ),
    (
        "a changed rule loses state",
        "tests/served/changes.rs",
        "a_wider_limit_lets_in_who_waits_and_a_narrower_one_drops_nobody",
    ),
    (
        "one machine for all methods, keys and callers",
        "tests/governed/limits.rs",
        "a_limit_refuses_and_says_when_to_come_back",
    ),
    (
        "one machine for all methods, keys and callers",
        "tests/governed/limits.rs",
        "a_limit_by_metadata_is_one_for_each_tenant",
    ),
    (
        "one machine for all methods, keys and callers",
        "tests/governed/breakers.rs",
        "each_tenant_has_its_own_where_the_rule_says_so",
    ),
    (
        "one machine for all methods, keys and callers",
        "tests/served/callers.rs",
        "a_limit_by_caller_is_one_for_each_name",
    ),
    (
        "one machine for all methods, keys and callers",
        "tests/served/callers.rs",
        "a_caller_without_a_name_has_no_new_limit_with_each_port",
    ),
    ("no manual switch", BREAKER, "forced_open_refuses_until_it_is_told_otherwise"),
    ("no manual switch", BREAKER, "forced_closed_watches_nothing"),
    ("no manual switch", BREAKER, "metrics_only_refuses_nothing_and_knows_what_it_would_have"),
    ("no manual switch", "tests/governed/changes.rs", "a_breaker_is_held_open_by_hand"),
    ("no manual switch", "tests/governed/changes.rs", "a_switch_wins_and_expires"),
    (
        "no manual switch",
        "tests/governed/changes.rs",
        "a_return_to_an_earlier_version_holds_while_its_source_is_in_trouble",
    ),
    (
        "a concurrency limit queues where it should refuse",
        CONCURRENCY,
        "without_a_queue_it_refuses_instead_of_queueing",
    ),
    (
        "a concurrency limit queues where it should refuse",
        "tests/governed/limits.rs",
        "so_many_calls_at_a_time_and_the_next_is_refused_not_queued",
    ),
    (
        "calls are shed because the inner service is not ready",
        "tests/governed/limits.rs",
        "a_limit_does_not_shed_a_call_because_its_node_is_not_ready_yet",
    ),
    (
        "shedding changes the error's type",
        "tests/govern_layers/breaking.rs",
        "an_error_type_of_ones_own_takes_refusals_too",
    ),
    ("waits can't be cancelled", CONCURRENCY, "waits_are_cancelled_in_a_few_steps"),
    (
        "waits can't be cancelled",
        "tests/governed/limits.rs",
        "a_caller_that_goes_away_while_it_waits_gives_its_turn_back",
    ),
    (
        "waits can't be cancelled",
        "tests/served/queues.rs",
        "who_goes_away_while_it_queues_frees_its_place_and_never_runs",
    ),
    (
        "waits can't be cancelled",
        "tests/served/queues.rs",
        "who_goes_away_while_it_waits_for_its_turn_gives_it_back",
    ),
    (
        "no way to ask without waiting",
        TOKEN,
        "a_wait_that_would_be_too_long_is_refused_at_once_and_takes_nothing",
    ),
    (
        "calls are throttled when they begin, and not when they end",
        "tests/served/admission.rs",
        "so_many_calls_run_at_a_time_and_one_that_ends_lets_the_next_in",
    ),
    ("a fleet returns at once", BREAKER, "a_fleet_does_not_return_at_once"),
    (
        "a fleet returns at once",
        BREAKER,
        "openings_grow_while_nothing_gets_better_and_begin_anew_when_it_did",
    ),
    ("one probe decides, and flakes", BREAKER, "fewer_probes_than_have_succeeded_already_close"),
    ("one probe decides, and flakes", BREAKER, "slow_calls_trip_and_a_slow_probe_does_not_close"),
    ("callbacks under a lock", BREAKER, "who_is_told_of_a_change_may_ask_the_breaker"),
    ("callbacks under a lock", CONCURRENCY, "wakers_are_woken_outside_of_the_lock"),
    (
        "refusals, states and fallbacks are not to be seen",
        "tests/governed/changes.rs",
        "explain_says_what_is_in_force_who_says_so_and_what_was_refused",
    ),
    (
        "refusals, states and fallbacks are not to be seen",
        "tests/governed/degraded.rs",
        "the_last_good_answer_is_given_again_and_marked",
    ),
    (
        "refusals, states and fallbacks are not to be seen",
        "tests/governed/degraded.rs",
        "an_answer_of_a_fallback_is_no_refusal",
    ),
    ("observers see counts that do not fit", LIMITS, "a_snapshot_says_what_goes"),
    (
        "keyed limits grow without a bound",
        "src/governance/limit/keyed.rs",
        "a_flood_of_keys_stays_within_the_bound_and_a_busy_key_survives_it",
    ),
    (
        "keyed limits grow without a bound",
        "src/control/register.rs",
        "a_register_of_things_that_are_gone_stays_small",
    ),
    (
        "keyed limits grow without a bound",
        "tests/served/callers.rs",
        "a_flood_of_tenants_keeps_its_memory_and_the_busy_ones_limit",
    ),
    (
        "keyed limits grow without a bound",
        "tests/governed/shared.rs",
        "a_thousand_targets_that_nobody_calls_any_more_are_forgotten",
    ),
    (
        "it can't be tested without waiting",
        "tests/layering.rs",
        "pure_machines_never_ask_for_the_time",
    ),
    // What goes wrong in async Rust.
    (
        "a dropped call is no outcome",
        BREAKER,
        "calls_that_nobody_waits_for_trip_if_they_are_nearly_all",
    ),
    ("a dropped call is no outcome", BREAKER, "the_time_an_abandoned_call_waited_is_a_sample"),
    ("a dropped call is no outcome", BREAKER, "probes_that_nobody_waits_for_open_it_again"),
    ("a dropped call is no outcome", BREAKER, "a_throttle_sees_calls_that_nobody_waits_for"),
    (
        "a dropped call is no outcome",
        "tests/governed/drops.rs",
        "a_caller_that_goes_away_while_it_connects_or_is_answered_leaves_nothing_behind",
    ),
    (
        "a dropped call is no outcome",
        "tests/governed/drops.rs",
        "a_caller_that_goes_away_while_it_waits_for_its_turn_leaves_nothing_behind",
    ),
    (
        "a dropped call is no outcome",
        "tests/governed/drops.rs",
        "a_caller_that_goes_away_while_it_queues_leaves_nothing_behind",
    ),
    (
        "a dropped call is no outcome",
        "tests/governed/drops.rs",
        "a_caller_that_goes_away_in_the_pause_before_a_retry_leaves_nothing_behind",
    ),
    (
        "a dropped call is no outcome",
        "tests/governed/drops.rs",
        "a_caller_that_goes_away_while_its_call_is_hedged_leaves_nothing_behind",
    ),
    (
        "a drop panics while unwinding, or on a poisoned lock",
        BREAKER,
        "a_panic_is_a_failure_and_keeps_no_permit",
    ),
    (
        "a drop panics while unwinding, or on a poisoned lock",
        "src/governance/sync.rs",
        "a_poisoned_lock_is_taken_all_the_same",
    ),
    (
        "a late verdict of an older generation decides",
        BREAKER,
        "a_late_result_of_an_earlier_era_decides_nothing",
    ),
    (
        "a late verdict of an older generation decides",
        BREAKER,
        "a_late_result_of_an_earlier_era_counts_in_no_later_one",
    ),
    (
        "a late verdict of an older generation decides",
        BREAKER,
        "a_probe_of_an_earlier_half_open_era_decides_nothing_in_a_later_one",
    ),
    (
        "a late verdict of an older generation decides",
        BREAKER,
        "late_results_give_no_probe_its_place",
    ),
    (
        "a late verdict of an older generation decides",
        "tests/govern_layers/breaking.rs",
        "a_late_verdict_of_an_older_generation_changes_nothing",
    ),
    (
        "a lost probe has no lease",
        BREAKER,
        "calls_that_take_longer_than_a_lease_get_to_close_the_circuit",
    ),
    (
        "a lost probe has no lease",
        BREAKER_MODEL,
        "a_lost_probe_and_its_successor_do_not_both_decide",
    ),
    (
        "a lost probe has no lease",
        "tests/govern_layers/breaking.rs",
        "a_probe_that_nobody_polls_is_presumed_lost",
    ),
    (
        "an idle handle that is ready holds a reservation",
        "tests/govern_layers/readiness.rs",
        "an_idle_ready_handle_holds_no_reservation",
    ),
    (
        "a fresh clone is called in place of the one that is ready",
        "tests/govern_layers/readiness.rs",
        "the_ready_inner_is_called_and_never_a_fresh_clone",
    ),
    (
        "an open breaker polls its inner service",
        "tests/govern_layers/breaking.rs",
        "an_open_breaker_must_not_poll_the_inners_readiness",
    ),
    (
        "a full limit wakes itself in a loop",
        "tests/govern_layers/limiting.rs",
        "no_self_waking_loops_when_full",
    ),
    ("clones do not share", "tests/governed/shared.rs", "clones_of_a_client_share_its_breaker"),
    (
        "clones do not share",
        "tests/governed/shared.rs",
        "channels_to_one_address_share_with_one_governance_and_not_with_two",
    ),
    (
        "clones do not share",
        "tests/governed/paths.rs",
        "a_path_that_was_called_first_does_not_take_the_attribute_from_a_stub",
    ),
    (
        "clones do not share",
        "tests/govern_layers/breaking.rs",
        "all_clones_share_one_breaker_and_keys_have_one_each",
    ),
    (
        "load, compare and add lets in too many",
        BREAKER,
        "more_probes_than_allowed_never_pass_however_many_threads_ask",
    ),
    (
        "load, compare and add lets in too many",
        CONCURRENCY,
        "clones_never_let_in_more_than_the_limit",
    ),
    (
        "load, compare and add lets in too many",
        "src/governance/limit/concurrency/model.rs",
        "three_who_do_not_wait_never_exceed_two_places",
    ),
    (
        "load, compare and add lets in too many",
        LIMITS,
        "many_threads_on_one_limiter_never_let_more_go_than_it_allows",
    ),
    (
        "load, compare and add lets in too many",
        "tests/governed/shared.rs",
        "clones_on_many_threads_never_exceed_a_concurrency_limit",
    ),
    (
        "load, compare and add lets in too many",
        "tests/governed/shared.rs",
        "no_more_calls_run_at_a_node_than_the_limit_of_all_its_clients",
    ),
    (
        "a stream gives its place back before its end",
        "tests/govern_layers/dropping.rs",
        "a_stream_holds_its_place_until_it_ends_or_is_dropped",
    ),
    (
        "a finished future that is kept holds its place",
        "tests/governed/drops.rs",
        "a_finished_call_that_is_kept_holds_no_place",
    ),
    (
        "a finished future that is kept holds its place",
        "tests/govern_layers/dropping.rs",
        "a_finished_future_that_is_kept_holds_no_place",
    ),
    (
        "a wait that is cancelled, or refused later, keeps what it took",
        TOKEN,
        "what_is_given_back_at_once_was_never_taken",
    ),
    (
        "a wait that is cancelled, or refused later, keeps what it took",
        LIMITS,
        "what_a_later_step_refused_was_never_taken",
    ),
    (
        "a wait that is cancelled, or refused later, keeps what it took",
        CONCURRENCY,
        "a_place_given_to_one_who_is_gone_is_passed_on",
    ),
    (
        "a wait that is cancelled, or refused later, keeps what it took",
        CONCURRENCY,
        "giving_up_in_the_moment_of_being_let_in_is_being_let_in",
    ),
    (
        "a wait that is cancelled, or refused later, keeps what it took",
        "tests/governed/drops.rs",
        "a_turn_that_was_waited_for_and_then_refused_a_place_is_given_back",
    ),
    (
        "a wait that is cancelled, or refused later, keeps what it took",
        "tests/served/queues.rs",
        "a_turn_is_given_back_by_who_gets_no_place_in_time",
    ),
    (
        "a wait that is cancelled, or refused later, keeps what it took",
        "tests/served/queues.rs",
        "who_waits_for_its_turn_holds_no_place_meanwhile",
    ),
    (
        "it sleeps past the deadline",
        "tests/governed/limits.rs",
        "a_limit_may_let_calls_wait_but_not_past_their_deadline",
    ),
    ("it sleeps past the deadline", "tests/served/queues.rs", "nothing_waits_past_its_deadline"),
    (
        "it wakes in another order than first in, first out",
        CONCURRENCY,
        "while_calm_it_is_first_in_first_out",
    ),
    (
        "it wakes in another order than first in, first out",
        TOKEN,
        "who_asks_later_waits_for_those_before",
    ),
    (
        "listeners hear of changes out of order",
        BREAKER,
        "who_is_told_of_a_change_may_ask_the_breaker",
    ),
    ("a clock that goes back wipes or grants", BREAKER, "a_clock_that_goes_back_wipes_nothing"),
    (
        "a clock that goes back wipes or grants",
        TOKEN,
        "a_clock_that_goes_back_lets_nothing_pass_twice",
    ),
    ("a clock that goes back wipes or grants", LIMITS, "time_that_goes_back_gives_nothing"),
    (
        "a clock that goes back wipes or grants",
        CONCURRENCY,
        "an_earlier_moment_counts_as_the_latest",
    ),
    ("numbers overflow, or divide at their edges", BREAKER, "numbers_from_anyone_overflow_nothing"),
    ("numbers overflow, or divide at their edges", LIMITS, "no_number_is_too_large"),
    (
        "numbers overflow, or divide at their edges",
        LIMITS,
        "asking_for_millions_at_once_is_refused_and_wraps_around_nothing",
    ),
    ("numbers overflow, or divide at their edges", TOKEN, "more_than_the_burst_never_passes"),
    ("numbers overflow, or divide at their edges", CONCURRENCY, "nobody_enters_a_limit_of_zero"),
    (
        "numbers overflow, or divide at their edges",
        "src/governance/rules/types.rs",
        "a_share_is_reached_without_rounding",
    ),
    (
        "a call that one rule admits and another refuses counts with the first",
        BREAKER,
        "a_call_that_a_later_rule_refused_is_neutral",
    ),
    (
        "a call that one rule admits and another refuses counts with the first",
        "tests/governed/breakers.rs",
        "a_probe_that_a_later_rule_refuses_is_neutral_and_takes_nobodys_place",
    ),
    (
        "a call that one rule admits and another refuses counts with the first",
        "tests/governed/limits.rs",
        "a_call_that_a_later_step_refuses_gives_back_what_earlier_ones_took",
    ),
    (
        "a call that one rule admits and another refuses counts with the first",
        "tests/served/admission.rs",
        "a_call_that_a_later_rule_refuses_takes_nothing_from_an_earlier_one",
    ),
    (
        "a call that one rule admits and another refuses counts with the first",
        "tests/govern_layers/breaking.rs",
        "a_call_admitted_by_one_layer_and_refused_by_the_next_is_neutral_to_the_first",
    ),
    (
        "refusals of its own count as failures",
        "tests/governed/breakers.rs",
        "refusals_of_its_own_do_not_keep_it_open",
    ),
    (
        "refusals of its own count as failures",
        "src/governance/outcome.rs",
        "our_own_rejections_are_neither_failures_nor_retried_as_in_go_zero_5551",
    ),
    (
        "refusals of its own are retried",
        "src/governance/retry/policy.rs",
        "rejections_of_our_own_are_not_retried_as_in_go_zero_5551",
    ),
    (
        "the loser of a hedge counts as a failure",
        "tests/governed/breakers.rs",
        "a_hedge_loser_that_is_dropped_is_neutral",
    ),
    (
        "the loser of a hedge counts as a failure",
        "tests/govern_layers/repeating.rs",
        "a_hedge_loser_that_is_dropped_is_neutral",
    ),
    (
        "a handler that panics is no failure, or keeps its permit",
        "tests/governed/breakers.rs",
        "a_handler_that_panics_is_a_failure_and_keeps_no_place",
    ),
    (
        "a handler that panics is no failure, or keeps its permit",
        "tests/served/admission.rs",
        "a_handler_that_panics_loses_no_place",
    ),
    // What tiers do to each other.
    (
        "tiers multiply retries",
        "tests/governed/tiers.rs",
        "a_call_made_while_serving_a_retry_is_not_itself_retried",
    ),
    (
        "tiers multiply retries",
        "tests/governed/tiers.rs",
        "three_tiers_over_a_leaf_that_fails_do_not_multiply_its_load",
    ),
    (
        "tiers multiply retries",
        "tests/governed/tiers.rs",
        "who_has_spent_its_budget_tells_its_callers_not_to_retry",
    ),
    (
        "tiers multiply retries",
        "tests/governed/tiers.rs",
        "never_again_travels_through_a_tier_that_does_not_retry",
    ),
    (
        "degraded answers hide an outage",
        "tests/governed/tiers.rs",
        "a_degraded_answer_is_marked_through_every_hop",
    ),
    (
        "degraded answers hide an outage",
        "tests/governed/tiers.rs",
        "a_degraded_answer_from_further_down_is_not_kept_as_a_good_one",
    ),
];

#[test]
fn each_complaint_and_each_hazard_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = HashMap::new();
    let mut missing = Vec::new();
    for (hazard, file, name) in HELD {
        let text = texts
            .entry(file)
            .or_insert_with(|| fs::read_to_string(root.join(file)).unwrap_or_default());
        if !is_a_test(text, name) {
            missing.push(format!("{hazard}: {name} in {file}"));
        }
    }
    assert!(missing.is_empty(), "no longer tested:\n{}", missing.join("\n"));
}

/// Whether `text` has a test of this name: its attributes stand right before it.
fn is_a_test(text: &str, name: &str) -> bool {
    let Some((before, _)) = text.split_once(&format!("fn {name}(")) else { return false };
    let attributes = before.trim_end_matches(|other| other != '\n').lines().rev();
    let mut attributes = attributes.take_while(|line| !line.trim().is_empty());
    attributes.any(|line| line.contains("#[test]") || line.contains("#[tokio::test"))
}
