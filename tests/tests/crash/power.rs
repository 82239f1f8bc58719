//! The disk half of E3: the machine dies before each sync in turn, and of what was written only that is left which was synced, or with it some
//! of the rest. Between two syncs the disk stays as it is while the world sees more and more, so right before a sync is the worst moment.
//!
//! Nothing that anybody has seen is ever missing then; what is there goes on to its end.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use kitaru_tests::served::{Answered, answered, order};
use kitaru_tests::{Asking, Host, Machine, Models, Reply, Served, Traces, Unsynced, fixture, id, until};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::copy_folder;
use super::witnessed::{
    A_LOOK, RECORDED, SEEN, are_in_the_journal, created, follower, models, outside, recorded, run, said, until_heard, values,
    watched, witnessed,
};

/// No run has so many syncs.
const MOST: u64 = 200;

/// How a command ended before whose `sync`-th sync its machine died: whether it had come to its end before that.
fn is_over(reply: &Reply, sync: u64) -> bool {
    assert!(sync < MOST, "the run never gets past its last sync");
    assert!(reply.code.is_none() || reply.code == Some(0), "it dies or it works{reply:?}");
    reply.code.is_some()
}

/// What was seen when the machine died is there when it has power again, and the rest goes on from there: the same is seen, and the flow comes to
/// its question.
fn goes_on(models: &Models, seen: &[String], place: &str) -> Option<Value> {
    let Some(execution) = witnessed(&models.host) else {
        assert!(seen.is_empty(), "{place}: somebody saw {seen:?}, and the execution is not there");
        return None;
    };
    let exec = id(&execution).to_owned();
    are_in_the_journal(&models.host, &exec, seen, place);
    let execution = match execution["status"].as_str() {
        Some("running") => models.item(&["executions", "resume", &exec]),
        _ => execution,
    };
    assert_eq!(execution["status"], "waiting", "{place}: {execution:#}");
    let after = outside(models);
    are_in_the_journal(&models.host, &exec, &after, place);
    assert_eq!(recorded(&models.host, &exec).len(), SEEN, "{place}");
    Some(execution)
}

/// Runs `witnessed` with these flags on a machine that dies before each sync in turn. `check` is given what the world had seen, and what is left.
fn dies_everywhere(flags: &[&str], unsynced: impl Fn(u64) -> Unsynced, mut check: impl FnMut(&Models, &[String], &str)) {
    for sync in 1.. {
        let models = models();
        let machine = Machine::of(&models.host);
        let mut command = run(&models);
        command.args(flags);
        machine.dies_in(&mut command, sync);
        let reply = Reply::from(command);
        let seen = [outside(&models), said(&reply)].concat();
        let unsynced = unsynced(sync);
        machine.loses_power(unsynced);
        check(&models, &seen, &format!("sync {sync}, {unsynced:?}"));
        if is_over(&reply, sync) {
            return;
        }
    }
}

#[test]
fn e3_whatever_the_world_saw_survives_the_death_of_the_machine() {
    let mut moments = HashSet::new();
    dies_everywhere(
        &[],
        |_| Unsynced::Gone,
        |models, seen, place| {
            moments.insert(seen.len());
            goes_on(models, seen, place);
        },
    );
    assert!(moments.len() > 4, "deaths came at {} different moments of what was seen", moments.len());
}

/// A disk writes what it likes before it is asked to.
#[test]
fn e3_whatever_the_disk_wrote_unasked_harms_nobody() {
    dies_everywhere(&[], Unsynced::Torn, |models, seen, place| {
        let Some(execution) = goes_on(models, seen, place) else { return };
        let verified = models.host.json(["executions", "verify", id(&execution)]).items();
        assert_eq!(verified[0]["holds"], true, "{place}: {verified:#?}");
    });
}

/// What these tests can see at all: where nobody waits for the disk, the world does see what is lost. The journal is whole all the same, as
/// `docs/durability.md` has it, and goes on.
#[test]
fn e3_in_process_durability_the_death_of_the_machine_may_lose_what_was_seen() {
    let mut losses = 0;
    dies_everywhere(
        &["--durability", "process"],
        |_| Unsynced::Gone,
        |models, seen, place| {
            let Some(execution) = witnessed(&models.host) else {
                losses += usize::from(!seen.is_empty());
                return;
            };
            let exec = id(&execution);
            let recorded = recorded(&models.host, exec);
            losses += usize::from(seen.iter().any(|value| !recorded.contains(value)));
            let waiting = if execution["status"] == "running" { models.item(&["executions", "resume", exec]) } else { execution };
            assert_eq!(waiting["status"], "waiting", "{place}: {waiting:#}");
            let verified = models.host.json(["executions", "verify", id(&waiting)]).items();
            assert_eq!(verified[0]["holds"], true, "{place}: {verified:#?}");
        },
    );
    assert!(losses > 0, "the machine lost nothing");
}

/// Whoever opens a data folder after a kill sees what the killed process had written and not synced yet. It syncs it before it says so.
#[test]
fn e3_what_is_read_after_a_kill_survives_the_death_of_the_machine() {
    let mut read = 0;
    for sync in 1.. {
        let models = models();
        let machine = Machine::of(&models.host);
        let mut command = run(&models);
        machine.dies_in(&mut command, sync);
        let killed = Reply::from(command);
        // The last one to leave syncs everything. Somebody stays.
        let stays = Connection::open_with_flags(models.host.database(), OpenFlags::SQLITE_OPEN_READ_WRITE);
        let stays = stays.inspect(|db| drop(db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))));
        let reading = |words: &[&str]| -> Vec<Value> {
            let mut command = models.host.json_command(words);
            machine.hosts(&mut command);
            Reply::from(command).items()
        };
        let there = reading(&["executions", "list"]);
        let exec = there.iter().find(|execution| execution["flow_name"] == "witnessed").map(|execution| id(execution).to_owned());
        let told = exec.as_ref().map(|exec| reading(&["executions", "journal", exec])).unwrap_or_default();
        drop(stays);
        machine.loses_power(Unsynced::Gone);
        if let Some(exec) = exec {
            assert_eq!(models.host.journal(&exec), told, "read after a kill in sync {sync}");
            read += usize::from(!told.is_empty());
        }
        if is_over(&killed, sync) {
            break;
        }
    }
    assert!(read > 4, "{read} deaths left something to read");
}

/// A terminal, and whoever follows from another process: what they show is on the disk.
#[test]
fn e3_what_people_see_live_survives_the_death_of_the_machine() {
    let mut live = [HashSet::new(), HashSet::new()];
    // Watched, every step is written by itself: there are many.
    for sync in (2..).step_by(3) {
        let models = models();
        let exec = created(&models);
        let machine = Machine::of(&models.host);
        let mut following = models.host.json_command(["executions", "logs", &exec, "--follow"]);
        machine.hosts(&mut following);
        following.process_group(0);
        let mut follower = follower(&models, following);
        let mut command = watched(&models, &["executions", "resume", &exec]);
        machine.dies_in(&mut command, sync);
        // Long enough that whoever follows looks at what is there meanwhile.
        command.env("MACHINE_SYNC_TAKES", A_LOOK.as_millis().to_string());
        // The machine is everything that runs on it.
        command.process_group(follower.id().cast_signed());
        let told = Reply::from(command);
        if told.code == Some(0) {
            until_heard(&mut follower);
        }
        let heard = [said(&told), said(&follower.killed())];
        let outside = outside(&models);
        machine.loses_power(Unsynced::Gone);
        for ((heard, live), place) in heard.iter().zip(&mut live).zip(["at the terminal", "from elsewhere"]) {
            live.insert(heard.len());
            are_in_the_journal(&models.host, &exec, heard, &format!("{place}, sync {sync}"));
        }
        let _ = goes_on(&models, &outside, &format!("watched, sync {sync}"));
        if is_over(&told, sync) {
            break;
        }
    }
    assert!(live[0].len() > 3 && live[1].len() > 2, "{live:?}");
}

/// A person's answer that a command took, and the result that it told.
#[test]
fn e3_an_answer_that_was_taken_and_a_result_that_was_told_survive_the_death_of_the_machine() {
    for sync in 1.. {
        let models = models();
        let waiting = Reply::from(run(&models)).item();
        let exec = id(&waiting);
        let machine = Machine::of(&models.host);
        let mut command = watched(&models, &["executions", "input", exec, "--value", "true"]);
        machine.dies_in(&mut command, sync);
        let told = Reply::from(command);
        machine.loses_power(Unsynced::Gone);
        let place = format!("answered, sync {sync}");
        are_in_the_journal(&models.host, exec, &said(&told), &place);
        let found = models.host.get(exec);
        // What it says on standard output is the result, and it says so when all is over.
        if !told.stdout.is_empty() {
            assert_eq!(found["status"], "completed", "{place}{told:?}");
            let result: Vec<String> = values(&found["result"].to_string()).collect();
            assert_eq!(values(&told.stdout).collect::<Vec<_>>(), result, "{place}");
        }
        let done = match (found["status"].as_str(), found["pending_wait"].is_null()) {
            (Some("completed"), _) => found,
            (_, true) => models.item(&["executions", "resume", exec]),
            (_, false) => models.item(&["executions", "input", exec, "--value", "true"]),
        };
        assert_eq!(done["status"], "completed", "{place}: {done:#}");
        assert_eq!(recorded(&models.host, exec).len(), RECORDED, "{place}");
        if is_over(&told, sync) {
            assert!(sync > 2, "it synced {sync} times");
            return;
        }
    }
}

/// E5: a body that may run once has a record of its start on the disk before it starts. Where nobody waits for the disk, it may run twice.
#[test]
fn e5_what_may_happen_once_does_not_happen_again_when_the_machine_died() {
    for (durability, most) in [("full", 1), ("process", 2)] {
        let mut runs = Vec::new();
        for sync in 1.. {
            let host = Host::warm();
            let machine = Machine::of(&host);
            let input = json!({ "path": Traces::guest_path(), "milliseconds": 0 }).to_string();
            let words = ["run", &fixture("conformance:once"), "--input", &input, &host.writable(), "--durability", durability];
            let mut command = host.json_command(words);
            machine.dies_in(&mut command, sync);
            let reply = Reply::from(command);
            machine.loses_power(Unsynced::Gone);
            let found = host.json(["executions", "list"]).items();
            let again = match found.first() {
                Some(execution) if execution["status"] == "completed" => host.get(id(execution)),
                Some(execution) => host.item(["executions", "resume", id(execution)]),
                // As whoever knows of nothing that was begun.
                None => host.item(words),
            };
            let place = format!("{durability}, sync {sync}");
            let ran = Traces::new(&host).steps().len();
            let is_known = again["result"] == "paid" || (again["result"] == "unknown: unknown-outcome" && ran < 2);
            runs.push(ran);
            assert!(again["status"] == "completed" && is_known, "{place}: {again:#}");
            if is_over(&reply, sync) {
                break;
            }
        }
        assert_eq!(runs.iter().max(), Some(&most), "with `{durability}`, the body ran so often: {runs:?}");
    }
}

const API: &str = "/api/v1";

/// What a host answers over HTTP; nothing where it died first.
fn asked(asking: &Asking, address: SocketAddr, method: &str, path: &str, body: &[u8]) -> Option<Answered> {
    let mut stream = TcpStream::connect(address).ok()?;
    let kind = if body.starts_with(b"\0asm") { "application/wasm" } else { "application/json" };
    let head = format!(
        "{method} {API}{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        asking.lines(),
        body.len()
    );
    // Whoever dies closes the connection, sooner or later.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    answered(&bytes)
}

/// What a client was told, in order.
#[derive(Debug, Default)]
struct Told {
    component: Option<String>,
    execution: Option<String>,
    answered: bool,
    result: Option<Value>,
}

impl Told {
    /// Sends a component, starts a flow of it, answers its question, and asks for its result, as far as the host lives.
    fn by(&mut self, served: &Served, key: &str) -> Option<()> {
        let asking = Asking::at(served.address).with("Authorization", &format!("Bearer {key}"));
        let ask = |method: &str, path: &str, body: &[u8]| asked(&asking, served.address, method, path, body);
        let sent = ask("PUT", "/components", &std::fs::read(fixture("conformance")).unwrap())?.expect(200);
        let component = self.component.insert(sent["digest"].as_str().unwrap().to_owned());
        let flow = order(component, "wait_bool", &json!({})).to_string();
        let started = ask("POST", "/executions", flow.as_bytes())?.expect(201);
        let whole = format!("/executions/{}", self.execution.insert(id(&started).to_owned()));
        let until_it_is = |status: &str| {
            until(status, || match ask("GET", &whole, b"") {
                None => Some(None),
                // It has no time for so many questions.
                Some(answer) if answer.status == 429 => None,
                Some(answer) => Some(answer.expect(200)).filter(|execution| execution["status"] == status).map(Some),
            })
        };
        until_it_is("waiting")?;
        ask("POST", &format!("{whole}/input"), br#"{"value":true}"#)?.expect(200);
        self.answered = true;
        self.result = Some(until_it_is("completed")?["result"].clone());
        Some(())
    }

    /// All of it is still so, and goes on.
    fn holds(&self, host: &Host, place: &str) {
        if let Some(component) = &self.component {
            let kept = std::fs::read(host.home().join("components").join(format!("{component}.wasm")));
            assert_eq!(kept.ok(), std::fs::read(fixture("conformance")).ok(), "{place}: the component, {self:?}");
        }
        let Some(exec) = &self.execution else { return };
        let found = host.get(exec);
        if let Some(result) = &self.result {
            assert_eq!((&found["status"], &found["result"]), (&json!("completed"), result), "{place}: {self:?}");
        }
        let done = match found["status"].as_str() {
            Some("completed") => found,
            _ if self.answered || found["pending_wait"].is_null() => host.item(["executions", "resume", exec]),
            _ => host.item(["executions", "input", exec, "--value", "true"]),
        };
        // Where the question had not come yet, it comes now; but nobody is asked again for what he has said.
        let is_done = (&done["status"], &done["result"]) == (&json!("completed"), &json!("approved"));
        assert!(is_done || (!self.answered && done["status"] == "waiting"), "{place}: {self:?}, {done:#}");
    }
}

/// Whatever a client was told over HTTP: that a component is kept, an execution started, an answer taken, and how it ended.
#[test]
fn e3_what_a_client_was_told_survives_the_death_of_the_machine() {
    // An account for it, which all of the hosts have.
    let prepared = Host::warm();
    let key = Served::key(&prepared, "client", "admin", &[]);
    let mut moments = HashSet::new();
    for sync in 1.. {
        assert!(sync < MOST, "the service never gets past its last sync");
        let host = Host::new();
        copy_folder(&prepared.home(), &host.home());
        let machine = Machine::of(&host);
        let mut command: Command = host.json_command(["serve", "--listen", "127.0.0.1:0", "--grace", "20"]);
        machine.dies_in(&mut command, sync);
        let mut told = Told::default();
        let served = Served::ready(host.spawn(command));
        let has_ended = served.as_ref().is_some_and(|served| told.by(served, &key).is_some());
        if let Some(served) = served {
            served.running.kill();
        }
        moments.insert((told.component.is_some(), told.execution.is_some(), told.answered));
        machine.loses_power(Unsynced::Gone);
        told.holds(&host, &format!("sync {sync}"));
        if has_ended {
            break;
        }
    }
    assert_eq!(moments.len(), 4, "{moments:?}");
}
