//! The world, where little or nothing of it was granted: files, sockets, WASI, models, artifacts.

use super::row::{BRIEF, End, LIMIT, Row, TRAP, flow};

const BOX: &[&str] = &["--allow-write=box"];

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

/// Artifacts of odd names, and of others.
pub(crate) const ARTIFACTS: &[Row] = &[
    flow("labels_of_artifacts", End::Completes),
    flow("paths_as_names", End::Completes),
    flow("artifact_at_length", End::Completes).flags(&["--max-artifact=1"]),
    flow("guesses_ids", End::Completes),
    flow("artifacts_in_the_flow", End::Completes),
];
