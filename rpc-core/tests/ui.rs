//! What `#[service]` refuses, word for word, and what it takes. `TRYBUILD=overwrite` writes down what
//! the compiler says now: read it before it is committed.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
