//! A disk that fails under a host: what it says, that nothing is lost, and that the same host goes on once the disk works again.

use kitaru_tests::{Host, Traces, fixture};
use serde_json::{Value, json};

/// A flow of 40 steps whose runner is killed in step 3, and a host that serves it until the disk fails in step 20, and again when it works. Both
/// steps last until they are let go of. `$1` is the flow and `$2` a grant.
fn goes_on(prepare: &str, fail: &str, said: &str, mend: &str) {
    let held = Traces::HELD;
    let script = format!(
        r#"
        # Tries a command, for so many tenths of a second.
        until_true() {{
            local tries=$1; shift
            for _ in $(seq "$tries"); do if "$@"; then return 0; fi; sleep 0.1; done
            echo "never came true: $*; the host said:" >&2; cat log >&2; return 1
        }}
        # Whether the last body that began is that of this step.
        is_in() {{ tail -n 1 traces 2>/dev/null | grep -q " $1\$"; }}
        # The first one, and the one that is looked after.
        is_completed() {{ "$KITARU" executions list --status completed --output json | grep -q '"count":2'; }}

        {prepare}
        "$KITARU" run "$1" --input '{{"path":"out/warm","steps":1,"milliseconds":0}}' "$2" --quiet >/dev/null
        for step in $(seq 40); do touch "traces.$step"; done
        rm traces.3 traces.20
        "$KITARU" run "$1" --input '{{"path":"out/traces","steps":40,"milliseconds":{held}}}' "$2" >/dev/null 2>log & runner=$!
        until_true 600 is_in 3
        kill -KILL "$runner"
        wait "$runner" || true
        touch traces.3
        "$KITARU" serve >/dev/null 2>log & server=$!
        until_true 600 is_in 20
        {fail}
        touch traces.20
        until_true 600 grep -q "{said}" log
        kill -0 "$server"
        if is_completed; then echo "it was done before the disk failed" >&2; exit 1; fi
        {mend}
        until_true 600 is_completed
        kill -0 "$server"
        kill -TERM "$server"; wait "$server"
        "$KITARU" executions latest --output json
    "#
    );
    let host = Host::new();
    let reply = host.with_mounts(&script, &[&fixture("conformance:count_slow"), &host.writable()]).ok();
    let latest: Value = serde_json::from_str(&reply.stdout).unwrap();
    assert_eq!((&latest["item"]["status"], &latest["item"]["result"]), (&json!("completed"), &json!(820)), "{latest:#}");
    let steps = steps_ran(&host);
    // One body was in flight at the kill, and one when the disk failed; a drive that failed again had at most one more.
    assert!(steps.len() <= 46, "bodies in flight ran again, and no others: {steps:?}");
    assert_eq!(each_once(steps), (1..=40).collect::<Vec<_>>());
}

#[test]
fn e13_a_host_goes_on_when_there_is_space_again() {
    goes_on(
        r#"mount -t tmpfs -o size=12m tmpfs "$KITARU_HOME""#,
        r#"dd if=/dev/zero of="$KITARU_HOME/filler" bs=4k 2>/dev/null || true"#,
        "the disk is full",
        r#"rm "$KITARU_HOME/filler""#,
    );
}

/// A limit on file sizes is an error of the disk like any other to SQLite, and can be lifted from outside.
#[test]
fn e13_a_host_goes_on_when_the_disk_works_again() {
    goes_on(
        "trap '' XFSZ",
        // The write-ahead log of a database on this disk may not grow any more.
        r#"prlimit --pid "$server" --fsize=20000:unlimited"#,
        "the disk failed under",
        r#"prlimit --pid "$server" --fsize=unlimited:unlimited"#,
    );
}

/// A run of 12 steps on a disk that fails after so many KiB more: it says so, and everything that was recorded goes on when the disk works.
fn says_so_and_loses_nothing(prepare: &str, run: &str, mend: &str, free: &[u64], said: &str, hint: &str) {
    let script = format!(
        r#"
        {prepare}
        run() {{ "$KITARU" run "$1" --input '{{"path":"out/traces","steps":12}}' "$2" --output json; }}
        code=0
        {run} || code=$?
        {mend}
        echo "code $code"
        "$KITARU" executions list --output json
        latest=$("$KITARU" executions latest --output json | grep -o '"exec_id":"[^"]*"' | head -n 1 | cut -d '"' -f 4)
        "$KITARU" executions resume "$latest" --output json || true
        "$KITARU" executions latest --output json
    "#
    );
    let mut outcomes = Vec::new();
    for free in free {
        let host = Host::new();
        let reply = host.with_mounts(&script, &[&fixture("conformance:count"), &host.writable(), &free.to_string()]).ok();
        let (before, after) = reply.stdout.split_once("code ").unwrap_or_else(|| panic!("{reply:?}"));
        let failed = after.starts_with('1');
        outcomes.push(failed);
        let lines: Vec<Value> = after.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
        if failed {
            assert_eq!(before, "", "no data on standard output{reply:?}");
            let error: Value = serde_json::from_str(reply.stderr.lines().next().unwrap()).unwrap();
            assert_eq!(error["error"]["type"], "KitaruBackendError", "{reply:?}");
            assert!(error["error"]["message"].as_str().unwrap().contains(said), "{reply:?}");
            assert!(error["error"]["hint"].as_str().unwrap().contains(hint), "{reply:?}");
        }
        if lines[0]["items"].as_array().unwrap().len() == 2 {
            let last = &lines.last().unwrap()["item"];
            assert_eq!((&last["status"], &last["result"]), (&json!("completed"), &json!(78)), "free {free} KiB{reply:?}");
            let steps = steps_ran(&host);
            assert!(steps.len() <= 13, "at most the body in flight ran again: {steps:?}");
            assert_eq!(each_once(steps), (1..=12).collect::<Vec<_>>(), "free {free} KiB");
        } else {
            assert!(failed && steps_ran(&host).is_empty(), "{reply:?}");
        }
    }
    assert!(outcomes[0] && !outcomes[outcomes.len() - 1], "some of them failed and some did not: {outcomes:?}");
}

/// Everything that is made once is there, so that what is free is all for the journal.
const WARM: &str = r#""$KITARU" run "$1" --input '{"path":"out/warm","steps":1}' "$2" --quiet >/dev/null"#;

#[test]
fn e13_a_full_disk_is_said_and_loses_nothing() {
    says_so_and_loses_nothing(
        &[
            r#"mount -t tmpfs -o size=12m tmpfs "$KITARU_HOME""#,
            WARM,
            r#"dd if=/dev/zero of="$KITARU_HOME/filler" bs=4k 2>/dev/null || true"#,
            r#"truncate -s "-$3K" "$KITARU_HOME/filler""#,
        ]
        .join("\n"),
        r#"run "$@""#,
        r#"rm "$KITARU_HOME/filler""#,
        &[0, 4, 8, 16, 32, 64, 128, 2048],
        "the disk is full",
        "free some space",
    );
}

#[test]
fn e13_an_error_of_the_disk_is_said_and_loses_nothing() {
    says_so_and_loses_nothing(
        &["trap '' XFSZ", WARM, r#"size=$(stat -c %s "$KITARU_HOME/kitaru.db-wal")"#].join("\n"),
        r#"(ulimit -f $((size / 1024 + $3)); run "$@")"#,
        "",
        &[0, 8, 16, 32, 64, 128, 4096],
        "the disk failed under",
        "nothing was lost",
    );
}

fn steps_ran(host: &Host) -> Vec<u64> {
    let mut steps = Traces::new(host).steps();
    steps.sort_unstable();
    steps
}

fn each_once(mut steps: Vec<u64>) -> Vec<u64> {
    steps.dedup();
    steps
}
