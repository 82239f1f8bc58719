//! The world, where little or nothing of it was granted: files, sockets, WASI, models, artifacts.

use super::row::{BRIEF, End, LIMIT, Row, TRAP, flow};

const BOX: &[&str] = &["--allow-write=box"];
const GH: &[&str] = &["--allow-secret=gh"];

/// Files beyond a granted folder.
pub(crate) const FILES: &[Row] = &[
    flow("leaves_the_folder", End::Completes).flags(BOX),
    flow("links_out", End::Completes).flags(BOX),
    flow("files_without_end", End::Fails(LIMIT, "holds more")).flags(BOX),
    flow("reads_without_bounds", End::Completes).flags(BOX),
    flow("names_of_files", End::Completes).flags(BOX),
    flow("secrets_by_errors", End::Completes),
];

const PUBLIC: &[&str] = &["--allow-net=*", "--checkpoint-seconds=30"];
/// A form that the socket refuses before anybody is asked, or that is a name which nobody knows, is no denial; it is not reached either.
const NOT_REACHED: End = End::Fails(&["capability", "error"], "");

const fn address(name: &'static str, attempts: &'static str, input: &'static str) -> Row {
    flow("reaches", End::Fails(&["capability"], "--allow-net=")).called(name, attempts, input).flags(PUBLIC)
}

const fn odd_address(name: &'static str, attempts: &'static str, input: &'static str) -> Row {
    Row { end: NOT_REACHED, ..address(name, attempts, input) }
}

const fn url(name: &'static str, attempts: &'static str, input: &'static str) -> Row {
    flow("asks_for", End::Fails(&["capability"], "--allow-net=")).called(name, attempts, input).flags(PUBLIC)
}

/// A form that no resolver knows either, or that is no URL.
const fn odd_url(name: &'static str, attempts: &'static str, input: &'static str) -> Row {
    Row { end: End::Fails(&["capability", "error", "http"], ""), ..url(name, attempts, input) }
}

/// Addresses that lead back to the machine or its network, with a grant for the public Internet.
pub(crate) const SOCKETS: &[Row] = &[
    address("loopback", "The machine itself.", r#"{"address":"127.0.0.1:80"}"#),
    address("loopback elsewhere", "The machine itself, by another of its addresses.", r#"{"address":"127.8.9.10:80"}"#),
    odd_address(
        "unspecified",
        "The address that is none, which many systems take for themselves.",
        r#"{"address":"0.0.0.0:80"}"#,
    ),
    address("metadata service", "The metadata service of a cloud.", r#"{"address":"169.254.169.254:80"}"#),
    address("private network", "A private network.", r#"{"address":"10.0.0.1:80"}"#),
    address("shared address space", "The network of a provider.", r#"{"address":"100.64.0.1:80"}"#),
    odd_address("broadcast", "Everybody.", r#"{"address":"255.255.255.255:80"}"#),
    odd_address("loopback in IPv6", "The machine itself, in IPv6.", r#"{"address":"[::1]:80"}"#),
    odd_address("loopback mapped", "The machine itself, as IPv4 in IPv6.", r#"{"address":"[::ffff:127.0.0.1]:80"}"#),
    odd_address("metadata service mapped", "The metadata service, as IPv4 in IPv6.", r#"{"address":"[::ffff:a9fe:a9fe]:80"}"#),
    odd_address("loopback by NAT64", "The machine itself, behind a translator.", r#"{"address":"[64:ff9b::7f00:1]:80"}"#),
    odd_address("loopback by 6to4", "The machine itself, in a tunnel.", r#"{"address":"[2002:7f00:1::]:80"}"#),
    odd_address("unique local", "A private network, in IPv6.", r#"{"address":"[fd00::1]:80"}"#),
    odd_address("link local", "The neighbours, in IPv6.", r#"{"address":"[fe80::1]:80"}"#),
    address("localhost", "The machine itself, by name.", r#"{"address":"localhost:80"}"#),
    odd_address("localhost with a dot", "The machine itself, by its name from the root.", r#"{"address":"LOCALHOST.:80"}"#),
    odd_address("loopback in decimal", "The machine itself, as one number.", r#"{"address":"2130706433:80"}"#),
    odd_address("loopback in hexadecimal", "The machine itself, in hexadecimal.", r#"{"address":"0x7f000001:80"}"#),
    odd_address("loopback in octal", "The machine itself, in octal.", r#"{"address":"0177.0.0.1:80"}"#),
    odd_address("loopback cut short", "The machine itself, with numbers left out.", r#"{"address":"127.1:80"}"#),
    address("documentation", "A network of examples.", r#"{"address":"192.0.2.1:80"}"#),
    address("cloud services", "The services of a cloud, at their public address.", r#"{"address":"168.63.129.16:80"}"#),
    odd_address("multicast", "A group.", r#"{"address":"224.0.0.1:80"}"#),
    odd_address("multicast in IPv6", "A group, in IPv6.", r#"{"address":"[ff02::1]:80"}"#),
    odd_address("metadata service in IPv6", "The metadata service of a cloud, in IPv6.", r#"{"address":"[fd00:ec2::254]:80"}"#),
    odd_address(
        "loopback compatible",
        "The machine itself, as the form before mapped ones.",
        r#"{"address":"[::127.0.0.1]:80"}"#,
    ),
    odd_address(
        "loopback translated",
        "The machine itself, behind a stateless translator.",
        r#"{"address":"[::ffff:0:7f00:1]:80"}"#,
    ),
    odd_address(
        "metadata service by local NAT64",
        "The metadata service, behind a translator of one's own.",
        r#"{"address":"[64:ff9b:1::a9fe:a9fe]:80"}"#,
    ),
    odd_address(
        "loopback by Teredo",
        "The machine itself, through a relay.",
        r#"{"address":"[2001:0:4136:e378:8000:63bf:80ff:fffe]:80"}"#,
    ),
    odd_address(
        "loopback by ISATAP",
        "The machine itself, in a tunnel within a site.",
        r#"{"address":"[2606:4700::5efe:7f00:1]:80"}"#,
    ),
    url("request to loopback", "The machine itself, by a request.", r#"{"url":"http://127.0.0.1/"}"#),
    url(
        "request to the metadata service",
        "The metadata service, by a request.",
        r#"{"url":"http://169.254.169.254/latest/meta-data/"}"#,
    ),
    url("request to loopback mapped", "The same, as IPv4 in IPv6.", r#"{"url":"http://[::ffff:127.0.0.1]/"}"#),
    url("request to loopback in IPv6", "The machine itself, in IPv6.", r#"{"url":"https://[::1]/"}"#),
    url("request by NAT64", "The metadata service, behind a translator.", r#"{"url":"http://[64:ff9b::a9fe:a9fe]/"}"#),
    url("request to localhost", "The machine itself, by name.", r#"{"url":"http://localhost:80/"}"#),
    odd_url("request in decimal", "The machine itself, as one number.", r#"{"url":"http://2130706433/"}"#),
    odd_url("request in hexadecimal", "The machine itself, in hexadecimal.", r#"{"url":"http://0x7f000001/"}"#),
    odd_url("request in octal", "The machine itself, in octal.", r#"{"url":"http://0177.0.0.1/"}"#),
    odd_url("request cut short", "The machine itself, with numbers left out.", r#"{"url":"http://127.1/"}"#),
    odd_url(
        "request with a name before it",
        "The machine itself, behind what looks like another host.",
        r#"{"url":"http://example.com@127.0.0.1/"}"#,
    ),
    odd_url(
        "request in fullwidth digits",
        "The machine itself, in digits that are none of ASCII.",
        r#"{"url":"http://１２７.0.0.1/"}"#,
    ),
    odd_url("request by another scheme", "A file of the machine.", r#"{"url":"file:///etc/passwd"}"#),
    flow("requests_in_the_flow", End::Completes).flags(PUBLIC),
    flow("sends", End::Fails(&["capability"], "--allow-net=")).flags(PUBLIC),
    flow("listens", End::Fails(&["capability"], "--allow-net=")).flags(PUBLIC),
    flow("sockets_in_the_flow", End::Completes).flags(PUBLIC),
];

/// WASI, taken too far.
pub(crate) const WASI: &[Row] = &[
    flow("polls_a_million", End::Fails(&["limit"], "handles")),
    flow("polls_nothing", End::Fails(TRAP, "empty poll list")),
    flow("waits_for_the_end_of_time", End::Fails(LIMIT, "checkpoint_seconds")).flags(BRIEF),
    flow("timer_in_the_flow", End::Fails(LIMIT, "cannot sleep")),
    flow("timers_without_end", End::Fails(LIMIT, "holds more")),
    flow("random_without_bounds", End::Fails(TRAP, "random bytes")),
    flow("random_without_bounds_in_a_checkpoint", End::Fails(TRAP, "requested len")),
    flow("reads_standard_input", End::Completes),
    flow("splices", End::Completes),
    flow("writes_past_its_permit", End::Fails(&["trap", "limit"], "")),
    flow("drops_the_parent_first", End::Fails(TRAP, "")),
];

/// Models that nobody granted.
pub(crate) const MODELS: &[Row] = &[
    flow("ungranted_model", End::Completes),
    flow("ungranted_model_in_a_checkpoint", End::Completes),
    flow("requests_that_are_none", End::Completes),
    flow("request_at_length", End::Completes).flags(&["--max-value=1"]),
    flow("spans_without_end", End::Completes),
];

/// Secrets that were granted, carried wherever the guest can. What it holds are placeholders: see `served.rs`.
pub(crate) const SECRETS: &[Row] = &[
    flow("keeps_a_secret", End::CompletesAnyhow).flags(GH),
    flow("fails_with_a_secret", End::Fails(&["error"], "it was")).flags(GH),
    flow("panics_with_a_secret", End::Fails(TRAP, "panicked")).flags(GH),
    flow("asks_beyond_its_secrets", End::Completes).flags(GH),
];

/// Artifacts of odd names, and of others.
pub(crate) const ARTIFACTS: &[Row] = &[
    flow("labels_of_artifacts", End::Completes),
    flow("paths_as_names", End::Completes),
    flow("artifact_at_length", End::Completes).flags(&["--max-artifact=1"]),
    flow("guesses_ids", End::Completes),
    flow("artifacts_in_the_flow", End::Completes),
];
