//! Granted folders against guests that want more: nothing leads out, nothing fills the disk, and every refusal says what it refused.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use kitaru_tests::{Host, Reply, checkpoint, fixture};
use serde_json::{Value, json};

/// A host with the folders `in` and `out` beside `outside.txt`, and links out of both.
fn host() -> Host {
    let host = Host::new();
    for name in ["in", "out"] {
        std::fs::create_dir_all(host.path(&format!("{name}/deep"))).unwrap();
        host.file(&format!("{name}/a.txt"), "text of a");
        symlink("../outside.txt", host.path(&format!("{name}/up"))).unwrap();
        symlink(host.path("outside.txt"), host.path(&format!("{name}/absolute"))).unwrap();
        symlink("..", host.path(&format!("{name}/parent"))).unwrap();
        symlink("/proc/self/root", host.path(&format!("{name}/root"))).unwrap();
        symlink("/proc/self/cwd", host.path(&format!("{name}/cwd"))).unwrap();
    }
    host.file("outside.txt", "outside");
    host
}

fn attempt(host: &Host, folder: &str, acts: &Value, fails: bool, flags: &[&str]) -> Reply {
    let (target, input) = (fixture("hostile-files"), json!({ "folder": folder, "acts": acts, "fails": fails }).to_string());
    host.json([&["run", &target, "--input", &input], flags].concat())
}

const READ: &str = "--allow-read=in";
const WRITE: &str = "--allow-write=out";

/// What each act came to.
#[track_caller]
fn outcomes(reply: Reply) -> Vec<String> {
    serde_json::from_value(reply.item()["result"].clone()).unwrap()
}

#[test]
fn nothing_leads_out_of_a_granted_folder() {
    let host = host();
    let outside = host.path("outside.txt");
    let mut acts = Vec::new();
    for path in ["../outside.txt", "deep/../../outside.txt", "up", "absolute", "parent/outside.txt", "cwd/outside.txt", &outside]
    {
        acts.extend([json!({ "Read": path }), json!({ "Write": path }), json!({ "Empty": path }), json!({ "Touch": path })]);
    }
    acts.extend(["root/etc/hostname", "/etc/hostname", "/proc/self/environ"].map(|path| json!({ "Read": path })));
    for path in ["../new", "parent/new", "/new"] {
        acts.extend([json!({ "Write": path }), json!({ "Folder": path }), json!({ "Symlink": ["a.txt", path] })]);
        acts.extend([json!({ "Link": ["a.txt", path] }), json!({ "Rename": ["a.txt", path] })]);
    }
    for path in ["../outside.txt", "parent/outside.txt", &outside] {
        acts.extend([json!({ "Remove": path }), json!({ "Link": [path, "mine"] }), json!({ "Rename": [path, "mine"] })]);
    }
    // A link that is made now leads no further out than one that was there.
    acts.extend(["../outside.txt", &outside, "..", "deep/../.."].map(|says| json!({ "Symlink": [says, "own"] })));
    acts.extend([json!({ "Read": "own" }), json!({ "Read": "own/outside.txt" })]);
    for (folder, flag) in [("in", READ), ("out", WRITE)] {
        for (act, outcome) in acts.iter().zip(outcomes(attempt(&host, folder, &json!(acts), false, &[flag]))) {
            assert!(outcome.starts_with("error: "), "{folder}: {act}: {outcome}");
        }
    }
    assert_eq!(std::fs::read_to_string(host.path("outside.txt")).unwrap(), "outside");
    assert_eq!(std::fs::read_dir(host.work()).unwrap().count(), 3, "nothing was made outside");
    assert_eq!(std::fs::read_to_string(host.path("out/a.txt")).unwrap(), "text of a");
}

#[test]
fn what_was_refused_is_named_with_the_flag_that_grants_it() {
    let host = host();
    let failed = |folder: &str, act: Value, flag: &str| {
        let reply = attempt(&host, folder, &json!([act]), true, &[flag]);
        let error = reply.refused("KitaruExecutionError", &[]);
        assert_eq!((&error["failure_kind"], &error["origin"]), (&json!("capability"), &json!("runtime")), "{reply:?}");
        let call = checkpoint(&host.get(&reply.failed_execution()), "tries").clone();
        (error["message"].as_str().unwrap().to_owned(), call)
    };
    let (message, call) = failed("in", json!({ "Write": "deep/new.txt" }), READ);
    assert!(message.contains("writing in/deep/new.txt (grant it with --allow-write=in)"), "{message}");
    assert!(call["failure"].to_string().contains("the acts came to error: not-permitted"), "{call:#}");
    let (message, _) = failed("data", json!({ "Remove": "a.txt" }), "--allow-read=in::data");
    assert!(message.contains("writing data/a.txt (grant it with --allow-write=<folder>::data)"), "{message}");
    let (message, _) = failed("out", json!({ "Read": "up" }), WRITE);
    assert!(message.contains("reading out/up: it leads out of the granted folder"), "{message}");
    let (message, _) = failed("out", json!({ "Read": "../\u{1b}[31m/\u{202e}x" }), WRITE);
    assert!(message.contains(r"reading out/../\u{1b}[31m/\u{202e}x"), "{message}");
    // What was not refused is no denial.
    let reply = attempt(&host, "out", &json!([{ "Read": "absent" }]), true, &[WRITE]);
    assert_eq!(reply.error()["failure_kind"], "error", "{reply:?}");
}

/// A FIFO makes whoever opens it wait, and the host's process could not end for it.
#[test]
fn a_fifo_keeps_nobody_waiting() {
    let host = host();
    assert!(Command::new("mkfifo").arg(host.path("out/pipe")).status().unwrap().success());
    let acts = json!([{ "Read": "pipe" }, { "Write": "pipe" }, { "Empty": "pipe" }, { "Touch": "pipe" }, { "Read": "a.txt" }]);
    let said = outcomes(attempt(&host, "out", &acts, false, &[WRITE]));
    assert_eq!(said[4], "ok: text of a");
    assert!(said[..4].iter().all(|outcome| outcome == "error: not-permitted"), "{said:?}");
    let said = outcomes(attempt(&host, "/dev", &json!([{ "Read": "zero" }, { "Read": "null" }]), false, &["--allow-read=/dev"]));
    assert_eq!(said, ["error: not-permitted", "error: not-permitted"]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_folder_of_processes_is_not_granted() {
    let host = host();
    let reply = attempt(&host, "/proc", &json!([{ "Read": "self/environ" }]), false, &["--allow-read=/proc"]);
    let error = reply.refused("KitaruExecutionError", &["`/proc`", "cannot be opened"]);
    assert_eq!(error["failure_kind"], "capability");
    let log = host.json(["executions", "logs", &reply.failed_execution()]).items();
    assert!(log.iter().any(|line| line["message"].as_str().unwrap().contains("memory")), "{log:#?}");
}

/// A grant is of the folder that was there when it was given: a link in its place is not followed.
#[test]
fn a_folder_that_becomes_a_link_is_not_followed() {
    let host = host();
    std::fs::create_dir(host.path("private")).unwrap();
    host.file("private/a.txt", "private");
    // It fails by itself, so that it can be tried again.
    let failed = attempt(&host, "out", &json!([{ "Read": "a.txt" }]), true, &[WRITE]).failed_execution();
    std::fs::rename(host.path("out"), host.path("was")).unwrap();
    symlink("private", host.path("out")).unwrap();
    let reply = host.json(["executions", "retry", &failed]);
    let error = reply.refused("KitaruExecutionError", &["`out`", "cannot be opened", "log says why"]);
    assert_eq!(error["failure_kind"], "capability");
    let (log, top) = (host.json(["executions", "logs", &failed]).items(), host.path("private"));
    let said = |line: &Value| line["message"].as_str().is_some_and(|text| text.contains("leads to") && text.contains(&top));
    assert!(log.iter().any(said), "{log:#?}");
    let journal = json!(host.journal(&failed)).to_string();
    assert!(!journal.contains(&top) && !error.to_string().contains(&top), "paths of the machine are no business of the flow");
    // With the folder back in its place it goes on.
    std::fs::remove_file(host.path("out")).unwrap();
    std::fs::rename(host.path("was"), host.path("out")).unwrap();
    host.json(["executions", "retry", &failed]).refused("KitaruUserCodeError", &["the acts came to ok: text of a"]);
}

/// What a path leads to is looked at and opened in one step: whoever swaps folder and link in between finds no moment for it.
#[test]
fn a_folder_and_a_link_that_are_swapped_all_the_time_lead_nowhere() {
    let host = host();
    std::fs::create_dir_all(host.path("private")).unwrap();
    host.file("private/a.txt", "private");
    std::fs::create_dir(host.path("out/way")).unwrap();
    host.file("out/way/a.txt", "text of a");
    host.file("out/last", "text of a");
    symlink("../private", host.path("out/way.link")).unwrap();
    symlink("../outside.txt", host.path("out/last.link")).unwrap();
    let is_over = AtomicBool::new(false);
    let outcomes = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let rename = |from: &str, to: &str| std::fs::rename(host.path(from), host.path(to)).unwrap();
            while !is_over.load(Ordering::Relaxed) {
                for name in ["out/way", "out/last"] {
                    let (own, link) = (format!("{name}.own"), format!("{name}.link"));
                    rename(name, &own);
                    rename(&link, name);
                    // Both are there for as long as a look takes.
                    std::thread::yield_now();
                    rename(name, &link);
                    rename(&own, name);
                    std::thread::yield_now();
                }
            }
        });
        let acts = [
            json!({ "Read": "way/a.txt" }),
            json!({ "Read": "last" }),
            json!({ "Write": "way/new.txt" }),
            json!({ "Read": "way/new.txt" }),
        ];
        let acts: Vec<Value> = acts.iter().cycle().take(3_000).cloned().collect();
        let reply = attempt(&host, "out", &json!(acts), false, &[WRITE]);
        is_over.store(true, Ordering::Relaxed);
        swapping.join().unwrap();
        outcomes(reply)
    });
    let count = |begin: &str| outcomes.iter().filter(|outcome| outcome.starts_with(begin)).count();
    assert!(count("ok: text of a") > 0 && count("error: ") > 0, "both were met: {} and {}", count("ok: "), count("error: "));
    assert!(!outcomes.iter().any(|outcome| outcome.contains("private") || outcome.contains("outside")), "{outcomes:?}");
    let private: Vec<_> = std::fs::read_dir(host.path("private")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(private, ["a.txt"], "nothing was made there");
    assert_eq!(std::fs::read_to_string(host.path("private/a.txt")).unwrap(), "private");
    assert_eq!(std::fs::read_to_string(host.path("outside.txt")).unwrap(), "outside");
}

#[test]
fn every_way_to_write_ends_at_the_limit() {
    const MIB: u64 = 1 << 20;
    let host = host();
    for act in [
        json!({ "Stream": ["new", 2 * MIB] }),
        json!({ "Append": ["new", 2 * MIB] }),
        json!({ "Rewrite": ["new", MIB / 4, 5] }),
        json!({ "Grow": ["new", 1_u64 << 40] }),
        json!({ "WriteAt": ["new", 1_u64 << 40] }),
    ] {
        let reply = attempt(&host, "out", &json!([act]), false, &[WRITE, "--max-written=1"]);
        let error = reply.refused("KitaruExecutionError", &["`written_mib` of 1 MiB"]);
        assert_eq!((&error["failure_kind"], &error["origin"]), (&json!("limit"), &json!("runtime")), "{act}{reply:?}");
        assert!(error["hint"].as_str().unwrap().contains("--max-written"), "{error}");
        let size = std::fs::metadata(host.path("out/new")).unwrap().len();
        assert!(size <= MIB, "{act}: {size} bytes");
        std::fs::remove_file(host.path("out/new")).unwrap();
    }
    for act in [json!({ "Files": 4 }), json!({ "Folders": 4 }), json!({ "Symlinks": 4 }), json!({ "Links": ["a.txt", 4] })] {
        let reply = attempt(&host, "out", &json!([act]), false, &[WRITE, "--max-written-files=3"]);
        let error = reply.refused("KitaruExecutionError", &["`written_files` of 3"]);
        assert_eq!((&error["failure_kind"], &error["origin"]), (&json!("limit"), &json!("runtime")), "{act}{reply:?}");
    }
    // Each attempt has its own.
    let acts = json!([{ "Stream": ["new", MIB - 4096] }, { "Files": 2 }]);
    for _ in 0..2 {
        let said = outcomes(attempt(&host, "out", &acts, false, &[WRITE, "--max-written=1", "--max-written-files=3"]));
        assert_eq!(said, ["ok: done", "ok: done"]);
    }
}
