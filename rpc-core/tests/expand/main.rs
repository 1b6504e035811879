//! What `#[service]` makes of a trait, compiled and run: the same programs as in `ui/pass`, here so
//! that the workspace's lints look at them, and the golden expansions, which stand on their own.

#[path = "../ui/pass/default_bodies.rs"]
pub mod default_bodies;
#[path = "../ui/pass/fallbacks.rs"]
pub mod fallbacks;
#[path = "../ui/pass/formats.rs"]
pub mod formats;
#[path = "../ui/pass/generic_over_the_trait.rs"]
pub mod generic_over_the_trait;
#[path = "../ui/pass/names_that_could_clash.rs"]
pub mod names_that_could_clash;
#[path = "../ui/pass/no_and_many_arguments.rs"]
pub mod no_and_many_arguments;
#[path = "../ui/pass/objects.rs"]
pub mod objects;
#[path = "../ui/pass/raw_identifiers.rs"]
pub mod raw_identifiers;
#[path = "../ui/pass/rules.rs"]
pub mod rules;
#[path = "../ui/pass/several_services.rs"]
pub mod several_services;
#[path = "../ui/pass/strict_lints.rs"]
pub mod strict_lints;
#[path = "../ui/pass/visibility.rs"]
pub mod visibility;

/// What the macro knows of the defaults, see there.
#[path = "../../../rpc-macros/src/checks/defaults.rs"]
mod defaults;
mod golden;

use rpc_core::Status;
use rpc_core::governance::rules::{BreakerRule, RetryRule};

macro_rules! runs {
    ($($program:ident)+) => {$(
        #[test]
        fn $program() -> Result<(), Status> {
            self::$program::main()
        }
    )+};
}

runs! {
    default_bodies
    fallbacks
    formats
    generic_over_the_trait
    names_that_could_clash
    no_and_many_arguments
    objects
    raw_identifiers
    rules
    several_services
    strict_lints
    visibility
}

#[test]
fn the_macro_knows_the_defaults() {
    assert_eq!(defaults::BACKOFF, RetryRule::DEFAULT.backoff);
    assert_eq!(defaults::MAX_BACKOFF, RetryRule::DEFAULT.max_backoff);
    assert_eq!(defaults::OPEN, BreakerRule::DEFAULT.open);
    assert_eq!(defaults::MAX_OPEN, BreakerRule::DEFAULT.max_open);
    assert_eq!(defaults::MIN_CALLS, BreakerRule::DEFAULT.min_calls);
}
