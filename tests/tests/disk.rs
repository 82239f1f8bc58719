//! A disk that fails under a host: what it says, that nothing is lost, and that the same host goes on once the disk works again.

use kitaru_tests::{Host, Traces, fixture};
use serde_json::{Value, json};

/// Starts a flow of 40 steps and kills its runner. `serve` takes it over until the disk fails, and again when it works.
const SERVED: &str = r#"
    start() {
        "$KITARU" run "$1" --input '{"path":"out/warm","steps":1,"milliseconds":0}' "$2" --quiet >/dev/null
        timeout -s KILL 1.5 "$KITARU" run "$1" --input '{"path":"out/traces","steps":40,"milliseconds":50}' "$2" >/dev/null 2>&1 || true
        exec 3>&1
        "$KITARU" serve >/dev/null 2>"$3" 3>&- & server=$!
    }
    # Tries a command, for so many tenths of a second.
    until_true() {
        local tries=$1; shift
        for _ in $(seq "$tries"); do if "$@"; then return 0; fi; sleep 0.1; done
        echo "never came true: $*; the host said:" >&2; cat log >&2; return 1
    }
    # The first one, and the one that is looked after.
    is_completed() { "$KITARU" executions list --status completed --output json | grep -q '"count":2'; }
"#;

fn steps_ran(host: &Host) -> Vec<u64> {
    let mut steps = Traces::new(host).steps();
    steps.sort_unstable();
    steps
}

fn check(host: &Host, latest: &str) {
    let latest: Value = serde_json::from_str(latest).unwrap();
    assert_eq!((&latest["item"]["status"], &latest["item"]["result"]), (&json!("completed"), &json!(820)), "{latest:#}");
    let mut steps = steps_ran(host);
    // One body was in flight at the kill, and one when the disk failed; a drive that failed again had at most one more.
    assert!(steps.len() <= 46, "bodies in flight ran again, and no others: {steps:?}");
    steps.dedup();
    assert_eq!(steps, (1..=40).collect::<Vec<_>>());
}

#[test]
fn e13_a_host_goes_on_when_there_is_space_again() {
    let script = [
        SERVED,
        r#"
        mount -t tmpfs -o size=12m tmpfs "$KITARU_HOME"
        start "$1" "$2" log
        sleep 0.5
        dd if=/dev/zero of="$KITARU_HOME/filler" bs=4k 2>/dev/null || true
        until_true 100 grep -q "the disk is full" log
        kill -0 "$server"
        if is_completed; then echo "it was done before the disk was full" >&2; exit 1; fi
        rm "$KITARU_HOME/filler"
        until_true 300 is_completed
        kill -0 "$server"
        kill -TERM "$server"; wait "$server"
        "$KITARU" executions latest --output json
    "#,
    ]
    .concat();
    let host = Host::new();
    let reply = host.with_mounts(&script, &[&fixture("conformance:count_slow"), &host.writable()]).ok();
    check(&host, &reply.stdout);
}

/// A limit on file sizes is an error of the disk like any other to SQLite, and can be lifted from outside.
#[test]
fn e13_a_host_goes_on_when_the_disk_works_again() {
    let script = [
        SERVED,
        r#"
        # The write-ahead log of a database on this disk may not grow by much.
        trap '' XFSZ
        start "$1" "$2" log
        sleep 0.5
        prlimit --pid "$server" --fsize=20000:unlimited
        until_true 100 grep -q "the disk failed under" log
        kill -0 "$server"
        if is_completed; then echo "it was done before the disk failed" >&2; exit 1; fi
        prlimit --pid "$server" --fsize=unlimited:unlimited
        until_true 300 is_completed
        kill -0 "$server"
        kill -TERM "$server"; wait "$server"
        "$KITARU" executions latest --output json
    "#,
    ]
    .concat();
    let host = Host::new();
    let reply = host.with_mounts(&script, &[&fixture("conformance:count_slow"), &host.writable()]).ok();
    check(&host, &reply.stdout);
}

/// Every append of an execution fails in turn, with an error that is no full disk.
#[test]
fn e13_an_error_of_the_disk_is_said_and_loses_nothing() {
    let script = r#"
        trap '' XFSZ
        "$KITARU" run "$1" --input '{"path":"out/warm","steps":1}' "$2" --quiet >/dev/null
        size=$(stat -c %s "$KITARU_HOME/kitaru.db-wal")
        code=0
        (ulimit -f $((size / 1024 + $3)); exec "$KITARU" run "$1" --input '{"path":"out/traces","steps":12}' "$2" --output json) || code=$?
        echo "code $code"
        "$KITARU" executions list --output json
        latest=$("$KITARU" executions latest --output json | grep -o '"exec_id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
        "$KITARU" executions resume "$latest" --output json || true
        "$KITARU" executions latest --output json
    "#;
    let mut outcomes = Vec::new();
    for free in [0, 8, 16, 32, 64, 128, 4096] {
        let host = Host::new();
        let reply = host.with_mounts(script, &[&fixture("conformance:count"), &host.writable(), &free.to_string()]).ok();
        let (before, after) = reply.stdout.split_once("code ").unwrap_or_else(|| panic!("{reply:?}"));
        let failed = after.starts_with('1');
        outcomes.push(failed);
        let lines: Vec<Value> = after.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        if failed {
            assert_eq!(before, "", "no data on standard output{reply:?}");
            let error: Value = serde_json::from_str(reply.stderr.lines().next().unwrap()).unwrap();
            assert_eq!(error["error"]["type"], "KitaruBackendError", "{reply:?}");
            assert!(error["error"]["message"].as_str().unwrap().contains("the disk failed under"), "{reply:?}");
            assert!(error["error"]["hint"].as_str().unwrap().contains("nothing was lost"), "{reply:?}");
        }
        if lines[0]["items"].as_array().unwrap().len() == 2 {
            let last = &lines.last().unwrap()["item"];
            assert_eq!((&last["status"], &last["result"]), (&json!("completed"), &json!(78)), "free {free} KiB{reply:?}");
            let mut steps = steps_ran(&host);
            assert!(steps.len() <= 13, "at most the body in flight ran again: {steps:?}");
            steps.dedup();
            assert_eq!(steps, (1..=12).collect::<Vec<_>>(), "free {free} KiB");
        } else {
            assert!(failed && steps_ran(&host).is_empty(), "{reply:?}");
        }
    }
    assert!(outcomes[0] && !outcomes[outcomes.len() - 1], "some of them failed and some did not: {outcomes:?}");
}
