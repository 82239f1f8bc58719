//! Hosts that stay: one that looks after all executions (E8), and what becomes of running bodies when a host is asked to end.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kitaru_host::clock::{Clock as _, SystemClock, Timestamp};
use kitaru_host::ids::{ExecutionId, Ids as _, SystemIds};
use kitaru_host::journal::Payload;
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_host::store::{Executions as _, NewExecution, Resolution, Status, Waits as _, Wakeups as _};
use kitaru_tests::{Asking, Host, Reply, Running, Served, Traces, checkpoint, example, fixture, id, until};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Asks a process to end (SIGTERM).
fn ask_to_end(process: &Running) {
    let asked = Command::new("kill").args(["-TERM", &process.id().to_string()]).stdout(Stdio::null()).status().unwrap();
    assert!(asked.success());
}

/// An execution whose runner was asked to end while it slept: it is left to the store, and nobody has to answer.
fn left_asleep(host: &Host, milliseconds: u64) -> Value {
    let input = json!({ "path": "out/sleeper", "milliseconds": milliseconds }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:sleeps"), "--input", &input, &host.writable()]));
    until("the sleep", || {
        let found = host.json(["executions", "list", "--flow", "sleeps", "--status", "waiting"]).items();
        (!found.is_empty()).then_some(())
    });
    ask_to_end(&running);
    let reply = running.finish();
    assert!(reply.error()["message"].as_str().unwrap().starts_with("interrupted"), "{reply:?}");
    let left = host.item(["executions", "latest"]);
    assert_eq!((&left["status"], &left["runner"]), (&json!("waiting"), &Value::Null), "{left:#}");
    assert!(left["wakes_at"].is_string(), "{left:#}");
    left
}

/// Answers a question with `true` as the store does, and neither tells anybody nor drives the execution on.
fn answer_silently(host: &Host, exec: &str) {
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store.busy_timeout(Duration::from_secs(60)).unwrap();
    // The answer is a `Payload::Inline` in postcard's form: the variant, the length, the text.
    let changes = [
        "UPDATE waits SET resolution = 'answered', answer = x'000474727565', resolved_at = entered_at
         WHERE execution = (SELECT id FROM executions WHERE hex(exec_id) = ?1)",
        "UPDATE executions SET wake_at = created_at WHERE hex(exec_id) = ?1 AND status = 'waiting'",
    ];
    for change in changes {
        assert_eq!(store.execute(change, [exec.replace('-', "").to_uppercase()]).unwrap(), 1);
    }
}

/// When an execution ended with a result, as soon as it has. Whoever drives it has to tell.
async fn end_of(store: &SqliteStore, id: ExecutionId, mut news: watch::Receiver<u64>) -> Timestamp {
    loop {
        let row = store.execution(id).await.unwrap();
        if let Some(ended_at) = row.ended_at {
            assert_eq!(row.status, Status::Completed, "{row:?}");
            return ended_at;
        }
        tokio::time::timeout(Duration::from_secs(60), news.changed()).await.expect("nobody tells of it").unwrap();
    }
}

#[test]
fn e8_a_serving_host_drives_what_is_submitted_answered_and_due() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let sleeper = left_asleep(&host, 8_000);
    let asked = host.flow("wait_bool", &json!({}), &[]);
    assert_eq!((&asked["status"], &asked["runner"]), (&json!("waiting"), &Value::Null), "{asked:#}");
    let input = json!({ "path": Traces::guest_path(), "steps": 2, "milliseconds": Traces::HELD }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    until("a body", || (!traces.steps().is_empty()).then_some(()));
    let server = host.serving();
    // Left behind by a host that died.
    running.kill();
    traces.open([1, 2]);
    let orphan = host.json(["executions", "list", "--flow", "count_slow"]).items()[0].clone();
    until("the orphan's end", || (host.get(id(&orphan))["result"] == 3).then_some(()));
    // Answered by a process that came neither to drive it nor to tell: found all the same, by a host that looks around now and then.
    assert_eq!(host.get(id(&asked))["status"], "waiting", "nobody answered");
    answer_silently(&host, id(&asked));
    until("the answer's end", || (host.get(id(&asked))["result"] == "approved").then_some(()));
    // Due, and not before.
    until("the sleeper's end", || (host.get(id(&sleeper))["status"] == "completed").then_some(()));
    let slept = host.journal(id(&sleeper)).into_iter().find(|call| call["kind"] == "sleep").unwrap();
    assert_eq!(slept["wakes_at"], sleeper["wakes_at"]);
    assert!(slept["ended_at"].as_str() >= slept["wakes_at"].as_str(), "{slept:#}");
    server.kill();
}

/// The test is a process that creates executions, and answers, and leaves the driving to others.
#[test]
fn e8_what_another_process_submits_or_answers_goes_on_at_once() {
    const TIMES: u32 = 20;
    let host = Host::new();
    let (model, asked) = (host.flow("sequence", &json!({ "steps": 1 }), &[]), host.flow("wait_bool", &json!({}), &[]));
    let server = host.serving();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = SqliteStore::open(&host.home()).unwrap();
        let model = store.execution(id(&model).parse().unwrap()).await.unwrap().new;
        let mut soon = 0;
        for _ in 0..TIMES {
            let (id, created_at) = (SystemIds.execution(), SystemClock.now());
            let news = store.watch(id).await.unwrap();
            store.create(NewExecution { id, created_at, ..model.clone() }).await.unwrap();
            let ended_at = end_of(&store, id, news).await;
            soon += u32::from(ended_at.since(created_at) < Duration::from_millis(250));
        }
        // Each comes right after a look for the one before. A host that only looked around twice a second would be late for all but the first,
        // however quick the machine; on one that is busy with other tests, some may be late.
        assert!(soon > 3, "only {soon} of {TIMES} went on at once");
        let wait = store.waits(id(&asked).parse().unwrap()).await.unwrap().remove(0).id;
        let news = store.watch(wait.execution).await.unwrap();
        let answer = Resolution::Answered(Payload::Inline(b"true".to_vec()));
        store.resolve(wait, None, answer, SystemClock.now()).await.unwrap();
        end_of(&store, wait.execution, news).await;
    });
    server.kill();
}

/// The answer is on the disk, and the process that was about to drive the execution on is dead.
#[test]
fn e8_an_answer_whose_process_died_is_taken_up_by_the_next_host() {
    let host = Host::new();
    let asked = host.flow("wait_bool", &json!({}), &[]);
    let mut command = host.json_command(["executions", "input", id(&asked), "--value", "true"]);
    command.env("KITARU_FAULT_KILL_BEFORE", "1");
    let killed = Reply::from(command);
    assert_eq!(killed.code, None, "the fault point killed it{killed:?}");
    let left = host.get(id(&asked));
    assert_eq!((&left["ended_at"], &left["waits"][0]["status"]), (&Value::Null, &json!("answered")), "{left:#}");
    let server = host.serving();
    until("the answer's end", || (host.get(id(&asked))["result"] == "approved").then_some(()));
    server.kill();
}

#[test]
fn a_serving_host_that_is_stopped_lets_bodies_come_to_their_end() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 3, "milliseconds": Traces::HELD }).to_string();
    let words = ["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()];
    let running = host.spawn(host.json_command(words));
    until("a body", || (!traces.steps().is_empty()).then_some(()));
    running.kill();
    let exec = host.json(["executions", "list"]).items()[0].clone();
    let server = host.spawn(host.command(["serve", "--no-http"]));
    until("the body again", || (traces.steps().len() == 2).then_some(()));
    ask_to_end(&server);
    server.until_said("Stopping: ");
    traces.open([1]);
    let reply = server.finish();
    assert_eq!(reply.code, Some(0), "{reply:?}");
    let left = host.get(id(&exec));
    assert_eq!(left["runner"], Value::Null);
    assert_eq!(checkpoint(&left, "slow_tick")["status"], "completed", "it came to its end: {left:#}");
    assert_eq!(traces.steps(), [1, 1], "and no other began");
    traces.open([2, 3]);
    assert_eq!(host.item(["executions", "resume", id(&exec)])["result"], 6);
    assert_eq!(traces.steps(), [1, 1, 2, 3]);
}

/// Starts three steps, and asks the host to end in the middle of the first; it has heard that.
fn asked_in_the_middle(host: &Host) -> (Running, String) {
    let traces = Traces::new(host);
    let input = json!({ "path": Traces::guest_path(), "steps": 3, "milliseconds": Traces::HELD }).to_string();
    let words = ["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()];
    let running = host.spawn(host.command(words));
    until("a body", || (!traces.steps().is_empty()).then_some(()));
    let exec = id(&host.json(["executions", "list"]).items()[0]).to_owned();
    ask_to_end(&running);
    running.until_said("Stopping: ");
    (running, exec)
}

#[test]
fn a_run_that_is_stopped_lets_its_body_come_to_its_end() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let (running, exec) = asked_in_the_middle(&host);
    traces.open([1]);
    let reply = running.finish();
    assert_eq!((reply.code, reply.stdout.as_str()), (Some(1), ""), "{reply:?}");
    assert!(reply.stderr.contains("error: interrupted"), "{reply:?}");
    assert!(reply.stderr.contains(&format!("hint: go on with: kitaru-host executions resume {exec}")), "{reply:?}");
    let left = host.get(&exec);
    assert_eq!((&left["status"], &left["runner"]), (&json!("running"), &Value::Null));
    assert_eq!(checkpoint(&left, "slow_tick")["status"], "completed", "{left:#}");
    traces.open([2, 3]);
    assert_eq!(host.item(["executions", "resume", &exec])["result"], 6);
    assert_eq!(traces.steps(), [1, 2, 3], "nothing ran twice");
}

/// What it had to do beside its question is not forgotten.
#[test]
fn a_run_that_is_cut_off_beside_a_question_can_be_driven_on() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "milliseconds": Traces::HELD }).to_string();
    let target = fixture("conformance:works_while_it_waits");
    let running = host.spawn(host.command(["run", &target, "--input", &input, &host.writable(), "--wait"]));
    until("the work", || (!traces.steps().is_empty()).then_some(()));
    until("the question", || (!host.json(["executions", "pending-waits"]).items().is_empty()).then_some(()));
    let exec = id(&host.json(["executions", "list"]).items()[0]).to_owned();
    ask_to_end(&running);
    // Two requests that come before it has heard the first are one.
    running.until_said("Stopping: ");
    ask_to_end(&running);
    let _ = running.finish();
    let left = host.get(&exec);
    assert_eq!((&left["status"], &left["runner"]), (&json!("running"), &Value::Null), "{left:#}");
    traces.open([1]);
    let _ = host.item(["executions", "resume", &exec]);
    assert_eq!(checkpoint(&host.get(&exec), "slow_tick")["status"], "completed");
    assert_eq!(host.item(["executions", "input", &exec, "--value", "true"])["status"], "completed");
}

/// It stays with the question of a flow, so that it goes on at once, until another flow needs the room.
#[test]
fn e8_a_serving_host_stays_with_questions_while_there_is_room() {
    let host = Host::new();
    host.file("kitaru.toml", "[host]\nflows = 1\n");
    let [first, second] = ["v1", "v2"].map(|topic| {
        let asked = host.item(["run", &example("release-approval"), "--arg", &format!("topic={topic}")]);
        id(&asked).to_owned()
    });
    let server = host.serving();
    let asked_again = |exec: &str| {
        answer_silently(&host, exec);
        // Whatever happens to any execution makes a host look.
        host.flow("sequence", &json!({ "steps": 0 }), &[]);
        until("the second question", || {
            let waits = host.json(["executions", "pending-waits", exec]).items();
            waits.first().filter(|wait| wait["name"] == "release_details").map(drop)
        });
    };
    asked_again(&first);
    let left = host.get(&first);
    assert!(left["runner"].is_string(), "{left:#}");
    asked_again(&second);
    let left = host.get(&first);
    assert_eq!((&left["status"], &left["runner"]), (&json!("waiting"), &Value::Null), "{left:#}");
    for exec in [&first, &second] {
        let _ = host.item(["executions", "input", exec, "--value", r#"{"notes":"Bug fixes","major_version":2}"#]);
    }
    for (exec, topic) in [(&first, "v1"), (&second, "v2")] {
        let result = format!("PUBLISHED v2: Draft about {topic}.\nNotes: Bug fixes");
        until("the end", || (host.get(exec)["result"] == result.as_str()).then_some(()));
    }
    server.kill();
}

/// Whoever is quicker stays with the question, or does not; the command does not wait for the answer.
#[test]
fn a_run_beside_a_serving_host_comes_back_at_its_question() {
    let host = Host::new();
    let server = host.serving();
    for _ in 0..10 {
        let asked = host.flow("wait_bool", &json!({}), &[]);
        assert_eq!(asked["status"], "waiting", "{asked:#}");
        let _ = host.item(["executions", "input", id(&asked), "--value", "true"]);
        until("the end", || (host.get(id(&asked))["result"] == "approved").then_some(()));
    }
    server.kill();
}

/// Whoever is quicker drives it; both commands end with its result.
#[test]
fn a_run_beside_a_serving_host_ends_with_its_result() {
    let host = Host::new();
    let server = host.serving();
    for _ in 0..10 {
        assert_eq!(host.flow("sequence", &json!({ "steps": 3 }), &[])["result"], 6);
    }
    server.kill();
}

#[test]
fn a_run_that_is_stopped_twice_ends_at_once() {
    let host = Host::new();
    let (mut running, exec) = asked_in_the_middle(&host);
    assert!(running.is_alive(), "it waits for the body");
    let asked_again = Instant::now();
    ask_to_end(&running);
    let reply = running.finish();
    // Asked once, it would wait for half a minute.
    assert!(asked_again.elapsed() < Duration::from_secs(20), "{reply:?}");
    assert!(reply.code == Some(1) && reply.stderr.contains("error: interrupted"), "{reply:?}");
    assert_eq!(checkpoint(&host.get(&exec), "slow_tick")["status"], "running");
}

/// What a collector of logs reads: each line of a serving host's standard error is an object, and none has a credential in it.
#[test]
fn a_serving_host_logs_requests_and_executions_as_json() {
    let host = Host::new();
    let key = Served::key(&host, "robot", "operator", &[]);
    let mut command = host.json_command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("KITARU_LOG_FORMAT", "json");
    let mut server = host.spawn(command);
    let ready = server.read_until(|line| line["event"] == "ready");
    let address = ready["item"]["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
    let login = ready["item"]["login_url"].as_str().unwrap().split_once("#code=").unwrap().1.to_owned();
    let robot = Asking::at(address).with("Authorization", &format!("Bearer {key}"));
    let listed = robot.get("/api/v1/executions?limit=1");
    assert_eq!(listed.status, 200);
    let known = listed.header("x-request-id").unwrap().to_owned();
    let named = robot.clone().with("X-Request-Id", "mine-1").get("/api/v1/executions/nonsense");
    assert_eq!(named.status, 404);
    assert_ne!(Asking::at(address).get("/api/v1/answers/a-secret-of-a-link").status, 200);
    let asks = host.flow("wait_bool", &json!({}), &[]);
    let _ = robot.post(&format!("/api/v1/executions/{}/input", id(&asks)), &json!({ "value": true }));
    until("its end", || (host.get(id(&asks))["status"] == "completed").then_some(()));
    server.until_said("execution ended");
    ask_to_end(&server);
    let reply = server.finish();
    assert_eq!(reply.code, Some(0), "{reply:?}");
    let events: Vec<Value> = reply.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events: Vec<&str> = events.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["ready", "stopping", "stopped"]);

    let lines: Vec<Value> = reply.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let request = |id: &str| lines.iter().find(|line| line["request_id"] == id).unwrap_or_else(|| panic!("{lines:#?}"));
    let first = request(&known);
    let keys = ["message", "method", "route", "verb", "status", "caller", "source", "level"];
    assert_eq!(
        keys.map(|key| first[key].clone()),
        [
            json!("request answered"),
            json!("GET"),
            json!("/api/v1/executions"),
            json!("executions.list"),
            json!(200),
            json!("robot"),
            json!("127.0.0.1"),
            json!("info")
        ]
    );
    assert!(first["ms"].as_f64().unwrap() > 0.0 && first["timestamp"].as_str().unwrap().starts_with("20"), "{first}");
    let second = request("mine-1");
    assert_eq!((&second["route"], &second["status"]), (&json!("/api/v1/executions/{execution}"), &json!(404)));
    let of_execution = lines.iter().filter(|line| line["execution"] == id(&asks));
    let told: Vec<&str> = of_execution.map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(told.last(), Some(&"execution ended"), "{told:?}");
    assert!(told.iter().any(|word| *word == "execution goes on" || *word == "execution begun"), "{told:?}");
    for secret in [&key, &login, &"a-secret-of-a-link".to_owned()] {
        assert!(!reply.stderr.contains(secret), "{}", reply.stderr);
    }
}

/// A terminal is told nothing of requests unless somebody asks for it.
#[test]
fn a_serving_host_logs_nothing_of_itself_unless_it_is_told_how() {
    let host = Host::new();
    let mut served = Served::start(&host);
    assert!(served.running.is_alive());
    assert_eq!(served.nobody().get("/healthz").status, 200);
    ask_to_end(&served.running);
    assert_eq!(served.running.finish().stderr, "");
    std::fs::write(host.work().join("kitaru.toml"), "[telemetry]\nlog_format = \"json\"\n").unwrap();
    let served = Served::start(&host);
    assert_eq!(served.nobody().get("/healthz").status, 200);
    ask_to_end(&served.running);
    let said = served.running.finish().stderr;
    assert!(said.lines().any(|line| serde_json::from_str::<Value>(line).unwrap()["route"] == "/healthz"), "{said}");
    let mut wrong = host.json_command(["executions", "list"]);
    wrong.env("KITARU_LOG_FORMAT", "xml");
    Reply::from(wrong).refused("KitaruUsageError", &["KITARU_LOG_FORMAT", "`xml`", "`text` or `json`"]);
}

/// By the command's other name, and with nothing said.
#[test]
fn a_host_listens_to_this_machine_alone_where_nobody_says_otherwise() {
    const HERE: &str = "127.0.0.1:8383";
    let host = Host::new();
    if std::net::TcpListener::bind(HERE).is_err() {
        // Somebody else is there: then it says where it wanted to be.
        let refused = host.json(["up"]).error();
        assert!(refused["message"].as_str().unwrap().contains(HERE), "{refused}");
        return;
    }
    let mut server = host.spawn(host.json_command(["up"]));
    let ready = server.read_until(|line| line["event"] == "ready");
    assert_eq!((&ready["command"], &ready["item"]["url"]), (&json!("serve"), &json!(format!("http://{HERE}"))));
    assert_eq!(Asking::at(HERE.parse().unwrap()).get("/healthz").status, 200);
    // What the kernel knows of who listens on the port: 127.0.0.1, and nothing else.
    if cfg!(target_os = "linux") {
        let sockets = ["tcp", "tcp6"].map(|name| std::fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default());
        let rows = sockets.iter().flat_map(|text| text.lines()).filter_map(|row| {
            let mut fields = row.split_whitespace().skip(1);
            let (local, _, state) = (fields.next()?, fields.next()?, fields.next()?);
            (state == "0A" && local.ends_with(":20BF")).then_some(local)
        });
        assert_eq!(rows.collect::<Vec<_>>(), ["0100007F:20BF"]);
    }
    ask_to_end(&server);
    assert_eq!(server.finish().code, Some(0));
}
