//! What compiles, and what does not: every misuse is refused with a sentence that says what to do instead.

#[test]
fn authors_code() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/pass/*.rs");
    cases.compile_fail("tests/fail/*.rs");
}
