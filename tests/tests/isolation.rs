//! The second wall: processes that have given their own rights away. What the kernel lacks cannot be tested on it: that is a failure, unless whoever runs
//! the tests says that they know.

#![cfg(target_os = "linux")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kitaru_host::clock::SystemClock;
use kitaru_host::engine::{Engine, EngineSettings, FrozenSpec, Submission, Submitted};
use kitaru_host::ids::SystemIds;
use kitaru_host::isolation::{self, Walls};
use kitaru_host::sandbox::{Grants, Limits, Sandbox};
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_tests::served::order;
use kitaru_tests::{Host, Served, example, fixture, id, until};
use serde_json::{Value, json};

/// Says that the kernel has no walls, and that whoever runs the tests knows it.
const WITHOUT: &str = "KITARU_TESTS_WITHOUT_WALLS";

/// Whether the kernel has what strict isolation needs. Where it has not, nothing that is promised here was looked at.
#[track_caller]
fn can() -> bool {
    let kernel = isolation::kernel();
    let is_known = std::env::var(WITHOUT).is_ok_and(|value| value == "1");
    let said = &kernel.said;
    assert!(kernel.is_enough || is_known, "this kernel has no walls to test ({said}): set {WITHOUT}=1 to do without these tests");
    kernel.is_enough
}

/// Tells the process that it is to go behind the walls, which the variable holds.
const WALLS: &str = "KITARU_TEST_WALLS";
const RESULTS: &str = "behind the walls: ";

/// Not a test by itself: what the next one starts as a process of its own, because nothing of it can be taken back.
#[test]
fn goes_behind_the_walls() {
    let Ok(given) = std::env::var(WALLS) else { return };
    let given: Value = serde_json::from_str(&given).unwrap();
    let walls: Walls = serde_json::from_value(given["walls"].clone()).unwrap();
    let path = |name: &str| Path::new(given["folder"].as_str().unwrap()).join(name);
    let address = given["address"].as_str().unwrap();
    let missing = isolation::enter(&walls, true).unwrap();
    let can = |result: std::io::Result<()>| result.map_or_else(|error| format!("{:?}", error.kind()), |()| "yes".to_owned());
    let outside = path("outside/file");
    let results = json!({
        "missing": missing,
        "read_granted": can(std::fs::read(path("read/file")).map(drop)),
        "write_granted": can(std::fs::write(path("write/new"), "x")),
        "make_granted": can(std::fs::create_dir(path("write/folder"))),
        "write_readable": can(std::fs::write(path("read/file"), "x")),
        "read_outside": can(std::fs::read(&outside).map(drop)),
        "write_outside": can(std::fs::write(path("outside/new"), "x")),
        "list_outside": can(std::fs::read_dir(path("outside")).map(drop)),
        "cut_outside": can(std::fs::OpenOptions::new().write(true).truncate(true).open(&outside).map(drop)),
        "remove_outside": can(std::fs::remove_file(&outside)),
        "move_in": can(std::fs::rename(&outside, path("write/moved"))),
        "link_in": can(std::fs::hard_link(&outside, path("write/linked"))),
        "through_a_link": can(std::fs::read(path("write/link-to-outside")).map(drop)),
        "another_process": can(std::fs::read("/proc/1/environ").map(drop)),
        "start_a_program": can(Command::new("/bin/true").status().map(drop)),
        "change_the_root": can(std::os::unix::fs::chroot(path("write"))),
        "connect": can(TcpStream::connect(address).map(drop)),
        "listen": can(TcpListener::bind("127.0.0.1:0").map(drop)),
        "datagram": can(UdpSocket::bind("127.0.0.1:0").map(drop)),
        "local_socket": can(std::os::unix::net::UnixListener::bind(path("write/socket")).map(drop)),
        "threads": can(std::thread::spawn(|| Ok(())).join().unwrap()),
        "threads_read_outside": can(std::thread::spawn(move || std::fs::read(outside).map(drop)).join().unwrap()),
    });
    // A line of its own, whatever the harness has begun to write.
    println!("\n{RESULTS}{results}");
}

/// What a process can do behind these walls.
fn behind(walls: &Walls, folder: &Path, address: &str) -> Value {
    let given = json!({ "walls": walls, "folder": folder, "address": address });
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "goes_behind_the_walls", "--nocapture"]).env(WALLS, given.to_string());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix(RESULTS));
    serde_json::from_str(line.unwrap_or_else(|| panic!("no results: {output:?}"))).unwrap()
}

#[test]
fn nothing_outside_can_be_reached_whoever_asks() {
    if !can() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["read", "write", "outside"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("file"), "content").unwrap();
    }
    std::os::unix::fs::symlink(folder.path().join("outside/file"), folder.path().join("write/link-to-outside")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut walls = Walls::around(&folder.path().join("write"));
    walls.read.push(folder.path().join("read"));

    let seen = behind(&walls, folder.path(), &address);
    assert_eq!(seen["missing"], json!([]));
    for allowed in ["read_granted", "write_granted", "make_granted", "threads"] {
        assert_eq!(seen[allowed], "yes", "{allowed}: {seen:#}");
    }
    for refused in seen.as_object().unwrap().keys().filter(|name| {
        !matches!(
            name.as_str(),
            "missing" | "read_granted" | "write_granted" | "make_granted" | "threads" | "move_in" | "link_in"
        )
    }) {
        assert_eq!(seen[refused], "PermissionDenied", "{refused}: {seen:#}");
    }
    // The kernel says of these that they cross a border, as between two disks.
    for refused in ["move_in", "link_in"] {
        assert!(matches!(seen[refused].as_str(), Some("PermissionDenied" | "CrossesDevices")), "{refused}: {seen:#}");
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("outside/file")).unwrap(), "content");

    // With a network, sockets are there, and all else stays as it was.
    let with_network = behind(&Walls { network: true, ..walls }, folder.path(), &address);
    assert_eq!((&with_network["connect"], &with_network["datagram"]), (&json!("yes"), &json!("yes")), "{with_network:#}");
    for refused in ["read_outside", "start_a_program", "change_the_root", "local_socket"] {
        assert_eq!(with_network[refused], "PermissionDenied", "{refused}: {with_network:#}");
    }
}

/// A line of `/proc/<pid>/status`.
fn status(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_else(|| panic!("no {field} in {status}"));
    line.trim_start_matches(':').trim().to_owned()
}

#[test]
fn an_isolated_host_says_so_to_the_system() {
    if !can() {
        return;
    }
    let host = Host::new();
    let mut serving = host.spawn(host.json_command(["serve", "--no-http", "--isolate"]));
    let _ = serving.read_until(|line| line["event"] == "ready");
    let pid = serving.id();
    assert_eq!((status(pid, "NoNewPrivs"), status(pid, "Seccomp")), ("1".to_owned(), "2".to_owned()));
    // Every thread of it, for Landlock and seccomp are of threads.
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let text = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default();
        assert!(text.is_empty() || text.contains("Seccomp:\t2"), "{text}");
    }
    let open = host.serving();
    assert_eq!(status(open.id(), "Seccomp"), status(std::process::id(), "Seccomp"), "only where it is asked for");
}

#[test]
fn an_isolated_run_does_what_it_was_granted() {
    if !can() {
        return;
    }
    let host = Host::new();
    let execution = host.item(["run", "--isolate", &example("hello"), "--arg", "name=World"]);
    assert_eq!(execution["result"], "Hello, World! Yours durably, Kitaru.");

    std::fs::create_dir(host.path("docs")).unwrap();
    host.file("docs/a.txt", "text of a");
    let flow = |name: &str, input: Value, flags: &[&str]| host.try_flow(name, &input, &[&["--isolate"], flags].concat());
    let read = flow("read_file", json!({ "path": "docs/a.txt" }), &["--allow-read=docs"]);
    assert_eq!(read.item()["result"], "text of a");
    let wrote = flow("write_file", json!({ "path": "docs/b.txt", "text": "new" }), &["--allow-write=docs"]);
    assert_eq!(wrote.item()["status"], "completed");
    assert_eq!(std::fs::read_to_string(host.path("docs/b.txt")).unwrap(), "new");
    // The first wall is where it was.
    let denied = flow("write_file", json!({ "path": "docs/c.txt", "text": "x" }), &["--allow-read=docs"]);
    assert_eq!(denied.error()["failure_kind"], "capability");
    // Arguments from a file, and large work in threads.
    let arguments = host.file("arguments.json", r#"{"steps": 20}"#);
    let sum = host.item(["run", "--isolate", &fixture("conformance:sequence"), "--input", &format!("@{arguments}")]);
    assert_eq!(sum["result"], 210);
}

#[test]
fn an_isolated_run_reaches_hosts_that_were_granted() {
    if !can() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut said = String::new();
            let _ = stream.read_to_string(&mut said);
            let _ = stream.write_all(format!("you said: {said}").as_bytes());
        }
    });
    let host = Host::new();
    let port = address.rsplit_once(':').unwrap().1;
    let named = format!("localhost:{port}");
    for target in [&address, &named] {
        let flags = ["--isolate".to_owned(), format!("--allow-net={target}")];
        let execution = host.flow("connect", &json!({ "address": target, "send": "hi" }), &flags.each_ref().map(String::as_str));
        assert_eq!(execution["result"], "you said: hi", "{target}");
    }
}

/// Processes that drive executions of this host in the background.
fn driving(host: &Host) -> Vec<u32> {
    let home = host.home().canonicalize().unwrap();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
    let drives = |pid: &u32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = words.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        words.iter().any(|word| word == "drive") && words.iter().any(|word| Path::new(&**word) == home)
    };
    all.filter(drives).collect()
}

#[test]
fn what_is_isolated_goes_on_isolated() {
    if !can() {
        return;
    }
    let host = Host::new();
    host.file("kitaru.toml", "[host]\nisolate = true\n");
    let input = json!({ "path": kitaru_tests::Traces::guest_path() }).to_string();
    let run = |flags: &[&str]| {
        let target = fixture("conformance:count_wait");
        let writable = host.writable();
        host.item([&["run", &target, "--input", &input, &writable], flags].concat())
    };
    // Answered from another process, which reads what was granted from the execution.
    let waiting = run(&[]);
    let answered = host.item(["executions", "input", id(&waiting), "--value", "true"]);
    assert_eq!(answered["status"], "completed", "{answered:#}");
    let replay = host.item(["executions", "replay", id(&waiting), "--from", "tick_2"]);
    assert_eq!(replay["status"], "completed", "{replay:#}");
    // In the background: a process is started by the one that waits in front of the walls.
    let detached = run(&["--detach"]);
    let runner = until("a runner", || {
        let runner = host.get(id(&detached))["runner"].as_str().map(str::to_owned);
        runner.filter(|_| !host.json(["executions", "pending-waits", id(&detached)]).items().is_empty())
    });
    assert!(!runner.is_empty());
    // The process that drives it is behind the walls by itself.
    let driving = driving(&host);
    assert_eq!(driving.len(), 1, "{driving:?}");
    assert_eq!((status(driving[0], "NoNewPrivs"), status(driving[0], "Seccomp")), ("1".to_owned(), "2".to_owned()));
    let _ = host.item(["executions", "input", id(&detached), "--value", "true"]);
    until("the end", || (host.get(id(&detached))["status"] == "completed").then_some(()));
}

#[tokio::test]
async fn an_isolated_host_refuses_what_it_cannot_give() {
    if !can() {
        return;
    }
    let host = Host::new();
    let folder = host.path("elsewhere");
    std::fs::create_dir(&folder).unwrap();
    let mut serving = host.spawn(host.json_command(["serve", "--no-http", "--isolate"]));
    let _ = serving.read_until(|line| line["event"] == "ready");
    // Created when the walls stood already, by somebody who grants what lies outside.
    let store = Arc::new(SqliteStore::open(&host.home()).unwrap());
    let sandbox = Sandbox::new(None, [0; 32]).unwrap();
    let engine = Engine::new(store, sandbox, Arc::new(SystemClock), Arc::new(SystemIds), EngineSettings::default());
    let grants = Grants { write: vec![format!("{folder}::out").parse().unwrap()], ..Grants::default() };
    let submission = Submission {
        component: Submitted::Bytes(std::fs::read(fixture("conformance")).unwrap()),
        flow: Some("write_file".into()),
        input: json!({ "path": "out/new.txt", "text": "x" }),
        spec: FrozenSpec::new(grants, Limits::default()),
        tags: Vec::new(),
    };
    let execution = engine.submit(submission).await.unwrap().to_string();
    let ended = until("the end", || Some(host.get(&execution)).filter(|execution| execution["status"] == "failed"));
    let message = ended["failure"]["message"].as_str().unwrap();
    assert!(message.contains("isolated") && !message.contains(&folder), "a guest's flow may read it: {message}");
    let log = host.json(["executions", "logs", &execution]).items();
    assert!(log.iter().any(|line| line["message"].as_str().unwrap().contains(&folder)), "the operator is told: {log:#?}");
    assert_eq!(ended["failure"]["exception_type"], "capability");
    assert!(!Path::new(&folder).join("new.txt").exists());
    drop(serving);
    // By itself, it gets what it was granted.
    let retried = host.item(["executions", "retry", &execution, "--isolate"]);
    assert_eq!(retried["status"], "completed", "{retried:#}");
    assert!(Path::new(&folder).join("new.txt").exists());
}

#[test]
fn doctor_tells_what_the_kernel_has() {
    let host = Host::new();
    let checks = host.json(["doctor"]).envelope();
    let isolation = checks["items"].as_array().unwrap().iter().find(|check| check["name"] == "isolation").unwrap().clone();
    assert_eq!(isolation["ok"], true, "it is no illness where nobody wants it: {isolation}");
    assert!(isolation["detail"].as_str().unwrap().contains("`isolate` is off"), "{isolation}");
}

#[test]
fn a_misspelt_word_is_not_off() {
    let host = Host::new();
    let mut command = host.json_command(["run", &example("hello"), "--arg", "name=World"]);
    command.env("KITARU_ISOLATE", "yes");
    kitaru_tests::Reply::from(command).refused("KitaruUsageError", &["KITARU_ISOLATE"]);
    let best = host.item(["run", "--isolate=best-effort", &example("hello"), "--arg", "name=World"]);
    assert_eq!(best["status"], "completed", "with whatever the kernel has");
}

#[test]
fn a_host_behind_the_walls_serves_its_api() {
    if !can() {
        return;
    }
    let host = Host::new();
    let served = Served::start_with(&host, &["--isolate"]);
    let author = served.account(&host, "ci", "author", &[]);
    let bytes = std::fs::read(fixture("conformance")).unwrap();
    let kept = author.send("PUT", "/api/v1/components", Some("application/wasm"), &bytes).expect(200);
    let begun = author.post("/api/v1/executions", &order(kept["digest"].as_str().unwrap(), "wait_bool", &json!({}))).expect(201);
    let path = format!("/api/v1/executions/{}", begun["exec_id"].as_str().unwrap());
    until("its question", || (author.get(&path).expect(200)["status"] == "waiting").then_some(()));
    let _ = author.post(&format!("{path}/input"), &json!({ "value": true })).expect(200);
    let done = until("its end", || Some(author.get(&path).expect(200)).filter(|view| view["status"] == "completed"));
    assert_eq!(done["result"], "approved");
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.running.id())).unwrap();
    assert!(status.lines().any(|line| line == "Seccomp:\t2"), "{status}");
}
