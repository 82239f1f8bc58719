//! Manifests, results, schemas, names and inputs that are too much, or mean something elsewhere.

use kitaru_tests::Framed;

use super::row::{BRIEF, End, LIMIT, Row, flow, made, part};

fn manifest(flows: &str, checkpoints: &str) -> Vec<u8> {
    let text = format!(r#"{{"manifest":1,"flows":{flows},"checkpoints":{checkpoints}}}"#);
    Framed::default().with("manifest", text).bytes()
}

fn result(text: impl Into<String>) -> Vec<u8> {
    Framed::default().with("result", text).bytes()
}

fn schema(text: &str) -> Vec<u8> {
    manifest(&format!(r#"[{{"name":"odd","input":{text}}}]"#), "[]")
}

fn doubling() -> Vec<u8> {
    let hop =
        |n: u32| format!(r##""d{n}":{{"allOf":[{{"$ref":"#/$defs/d{next}"}},{{"$ref":"#/$defs/d{next}"}}]}}"##, next = n + 1);
    let definitions: Vec<String> = (0..40).map(hop).collect();
    schema(&format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d40":{{"type":"object"}}}}}}"##, definitions.join(",")))
}

fn leftovers() -> Vec<u8> {
    let wrap = |inner: String, _| format!(r#"{{"allOf":[{inner}],"unevaluatedProperties":false}}"#);
    schema(&(0..30).fold(r#"{"properties":{"a":true}}"#.to_owned(), wrap))
}

const NOT_USABLE: End = End::Refused("is not a usable name");

/// Manifests that are not what they should be.
pub(crate) const MANIFESTS: &[Row] = &[
    part(
        "manifest of another version",
        "A manifest of a format that there is not.",
        &[("manifest", r#"{"manifest":2,"flows":[],"checkpoints":[]}"#)],
        End::Refused("format 2"),
    ),
    part(
        "manifest of version 1e400",
        "A manifest whose version is no number.",
        &[("manifest", r#"{"manifest":1e400,"flows":[],"checkpoints":[]}"#)],
        End::Refused("out of range"),
    ),
    part(
        "manifest with a key twice",
        "A manifest that says its version twice.",
        &[("manifest", r#"{"manifest":1,"manifest":1,"flows":[],"checkpoints":[]}"#)],
        End::Refused("duplicate field"),
    ),
    part(
        "manifest with escapes",
        "A manifest whose error would take over a terminal.",
        &[("manifest", r#"{"manifest":1,"flows":[],"checkpoints":[],"errors":["\u001b[2J\u202e"]}"#)],
        End::Refused("not usable"),
    ),
    made(
        "flow twice",
        "Two flows of one name.",
        || manifest(r#"[{"name":"odd"},{"name":"odd"}]"#, "[]"),
        End::Refused("used twice"),
    ),
    made("flow of escapes", "A flow whose name clears the terminal.", || manifest(r#"[{"name":"\u001b[2J"}]"#, "[]"), NOT_USABLE),
    made(
        "flow from right to left",
        "A flow whose name turns the direction.",
        || manifest(r#"[{"name":"\u202eodd"}]"#, "[]"),
        NOT_USABLE,
    ),
    made("flow that is a path", "A flow whose name is a path.", || manifest(r#"[{"name":"../../etc"}]"#, "[]"), NOT_USABLE),
    made("flow with an end of text", "A flow whose name holds a NUL.", || manifest(r#"[{"name":"a\u0000b"}]"#, "[]"), NOT_USABLE),
    made(
        "flow of a megabyte",
        "A flow whose name has a megabyte.",
        || manifest(&format!(r#"[{{"name":"{}"}}]"#, "a".repeat(1 << 20)), "[]"),
        NOT_USABLE,
    ),
    made(
        "flow called like a command",
        "A flow whose name is a command of the host.",
        || manifest(r#"[{"name":"help"}]"#, "[]"),
        End::Completes,
    ),
    made(
        "100,000 checkpoints",
        "A manifest of a hundred thousand checkpoints.",
        || {
            let checkpoints: Vec<String> = (0..100_000).map(|n| format!(r#"{{"name":"c{n}"}}"#)).collect();
            manifest(r#"[{"name":"odd"}]"#, &format!("[{}]", checkpoints.join(",")))
        },
        End::Completes,
    ),
    made(
        "deep manifest",
        "A manifest ten thousand lists deep.",
        || schema(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))),
        End::Refused("recursion limit"),
    ),
    made(
        "manifest with odd keys",
        "A manifest with keys that mean something in other languages.",
        || manifest(r#"[{"name":"odd","__proto__":{"a":1},"constructor":1}]"#, "[]"),
        End::Completes,
    ),
    made(
        "4 billion retries",
        "A flow that wants four billion retries.",
        || manifest(r#"[{"name":"odd","options":{"retries":4294967295}}]"#, "[]"),
        End::Refused("retries"),
    ),
    made(
        "endless pauses",
        "A checkpoint whose pauses grow without end.",
        || manifest(r#"[{"name":"odd"}]"#, r#"[{"name":"c","options":{"backoff":1e308}}]"#),
        End::Refused("backoff"),
    ),
    made(
        "times without bounds",
        "A checkpoint whose times are as long as can be said.",
        || {
            let most = u64::MAX;
            let options =
                format!(r#"{{"retry_delay_ms":{most},"max_delay_ms":{most},"timeout_ms":{most},"cache_ttl_ms":{most}}}"#);
            manifest(r#"[{"name":"odd"}]"#, &format!(r#"[{{"name":"c","options":{options}}}]"#))
        },
        End::Completes,
    ),
];

/// Results that are JSON, or nearly.
pub(crate) const RESULTS: &[Row] = &[
    part("result NaN", "A result that is not a number.", &[("result", "NaN")], End::Fails(&["serialization"], "not JSON")),
    part("two results", "A result of two values.", &[("result", "42 42")], End::Fails(&["serialization"], "not JSON")),
    part("result 1e400", "A number that there is not.", &[("result", "1e400")], End::CompletesAnyhow),
    part("result with a key twice", "An object with a key twice.", &[("result", r#"{"a":1,"a":2}"#)], End::CompletesAnyhow),
    part("result of half a character", "A text of half a surrogate pair.", &[("result", r#""\ud800""#)], End::CompletesAnyhow),
    part(
        "result with escapes",
        "A text that would take over a terminal.",
        &[("result", r#""\u001b[2J\u202e\u009b""#)],
        End::CompletesAnyhow,
    ),
    made(
        "deep result",
        "A result two hundred thousand lists deep.",
        || result(format!("{}{}", "[".repeat(200_000), "]".repeat(200_000))),
        End::CompletesAnyhow,
    ),
    made("result of many digits", "A number of a hundred thousand digits.", || result("9".repeat(100_000)), End::CompletesAnyhow),
    flow("result_at_length", End::Fails(LIMIT, "value_mib")).flags(&["--max-value=1"]),
    flow("failure_at_length", End::Fails(&["kkkkkkkkkk"], "")),
];

/// Schemas that cost more than the value that they are for.
pub(crate) const SCHEMAS: &[Row] = &[
    made(
        "schema that doubles",
        "A schema of forty definitions, which takes a trillion steps to check.",
        doubling,
        End::Refused("too long"),
    ),
    made(
        "schema of what is left over",
        "A schema of a kilobyte that asks thirty times, one within the other, what nobody has looked at.",
        leftovers,
        End::Refused("too long"),
    )
    .input(r#"{"a":1}"#),
    made("schema of itself", "A schema that refers to itself.", || schema(r##"{"$ref":"#"}"##), End::CompletesAnyhow),
    made(
        "schemas of one another",
        "Two definitions that refer to each other.",
        || schema(r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##),
        End::CompletesAnyhow,
    ),
    made(
        "schema elsewhere",
        "A schema at an address of a cloud's own.",
        || schema(r#"{"$ref":"http://169.254.169.254/x"}"#),
        End::Refused("not usable"),
    ),
    made(
        "schema in a file",
        "A schema in a file of the host.",
        || schema(r#"{"$ref":"file:///etc/passwd"}"#),
        End::Refused("not usable"),
    ),
    made("schema that is none", "A list in the place of a schema.", || schema("[1]"), End::Refused("not usable")),
    made(
        "long schema",
        "A schema of two megabytes.",
        || schema(&format!(r#"{{"description":"{}"}}"#, "x".repeat(2_000_000))),
        End::Refused("not usable"),
    ),
    made(
        "large pattern",
        "A pattern that is a billion characters when it is written out.",
        || schema(r#"{"properties":{"a":{"pattern":"((a{1000}){1000}){1000}"}}}"#),
        End::Refused("not usable"),
    ),
    made(
        "pattern that goes back",
        "A pattern that takes two to the fortieth attempts to match what it is given.",
        || schema(r#"{"properties":{"a":{"pattern":"^(?=(a+)+$)(a|aa)+$"}}}"#),
        End::Refused("does not"),
    )
    .input(r#"{"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"}"#),
    flow("schemas_without_use", End::Completes),
    flow("schema_that_doubles", End::Completes),
    flow("schema_of_many_choices", End::Completes),
    flow("schema_of_itself", End::Completes),
];

/// Names and inputs of durable calls.
pub(crate) const INPUTS: &[Row] = &[
    flow("names_of_checkpoints", End::Completes),
    flow("names_of_waits", End::Completes),
    flow("invocation_ids", End::Completes),
    flow("names_of_children", End::Completes),
    flow("cache_key_at_length", End::Completes),
    flow("inputs_that_are_no_json", End::Completes),
    flow("inputs_with_odd_keys", End::Completes),
    flow("input_of_many_digits", End::Completes),
    flow("input_at_length", End::Completes).flags(&["--max-value=1"]),
    flow("wait_until_the_end", End::Waits),
    flow("metadata_that_is_none", End::Completes),
    flow("shows_itself", End::Fails(&["\u{1b}"], "")),
    flow("calls_itself", End::Fails(LIMIT, "deep")),
    flow("detached_children", End::Fails(LIMIT, "`calls`")).flags(&["--max-calls=50"]),
    flow("durable_calls", End::Fails(LIMIT, "`calls`")).flags(&["--max-calls=300"]),
];

/// Too much said.
pub(crate) const FLOODS: &[Row] = &[
    flow("output_without_line_ends", End::Fails(LIMIT, "log_mib")).flags(&["--max-log=1"]),
    flow("errors_without_line_ends", End::Fails(LIMIT, "log_mib")).flags(&["--max-log=1"]),
    flow("empty_lines", End::Fails(LIMIT, "log_mib")).flags(&["--max-log=1"]),
    flow("empty_log_lines", End::Fails(LIMIT, "log_mib")).flags(&["--max-log=1"]),
    flow("long_log_lines", End::Fails(LIMIT, "log_mib")).flags(&["--max-log=1"]),
    flow("progress", End::Fails(LIMIT, "log_mib")).flags(&["--max-log=1"]),
    flow("metadata", End::Fails(LIMIT, "log_mib")).flags(&["--max-log=1"]),
    flow("empty_metadata", End::Fails(LIMIT, "")).flags(BRIEF),
    flow("lets_go_of_children", End::Completes),
];
