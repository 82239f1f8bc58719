//! Whole processes: how soon a command is done, and how soon a flow goes on whose host was killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::figure::{Figure, Target};
use crate::loading::CompiledCode;
use crate::place::Bench;
use crate::report::Report;
use crate::samples::{cpu_micros_of, median, micros};

/// Milliseconds until a command is done that starts, says a line and ends.
fn nothing() -> Result<f64> {
    let started = Instant::now();
    ensure!(Command::new("true").stdout(Stdio::null()).status()?.success(), "`true` failed");
    Ok(micros(started.elapsed()) / 1e3)
}

pub(crate) fn commands(bench: &Bench, report: &mut Report) -> Result<()> {
    let (home, apart) = (bench.folder()?, bench.folder()?);
    let hello = bench.hello.to_str().context("a path")?;
    let (mut process, mut version, mut run) = (Vec::new(), Vec::new(), Vec::new());
    let code = CompiledCode::of(&std::fs::read(&bench.hello)?, apart.path())?;
    let (mut checked, mut mapped) = (Vec::new(), Vec::new());
    // Compiles the component.
    bench.command(home.path(), &["run", hello, "--arg", "name=Ada"])?;
    for _ in 0..30 {
        process.push(nothing()?);
        let started = Instant::now();
        ensure!(Command::new(&bench.host).arg("--version").stdout(Stdio::null()).status()?.success(), "no version");
        version.push(micros(started.elapsed()) / 1e3);
        let (time, said) = bench.command(home.path(), &["run", hello, "--arg", "name=Ada"])?;
        ensure!(said.pointer("/item/status").is_some_and(|status| status == "completed"), "{said}");
        run.push(micros(time) / 1e3);
        checked.push(code.checked()?);
        mapped.push(code.mapped()?);
    }
    let process = median(&mut process);
    report.add(Figure::new("process_start", "a process that does nothing", process, "ms"));
    report.add(
        Figure::new("version", "`kitaru-host --version`, whole process", median(&mut version), "ms")
            .beside("a process that does nothing", process)
            .target(Target::AtMost(10.0)),
    );
    report.add(
        Figure::new("run_hello", "`kitaru-host run hello.wasm`, whole process, compiled before", median(&mut run), "ms")
            .beside("a process that does nothing", process)
            .target(Target::AtMost(40.0)),
    );
    let what = format!("of which loading its compiled code, {} KiB: read, checked and copied", code.kib);
    report.add(Figure::new("load_code", what, median(&mut checked), "µs").beside("mapped without a check", median(&mut mapped)));
    Ok(())
}

/// A process that has ended when this goes, whatever went wrong before.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A host that looks after executions, of which there are none, and that is asked nothing over HTTP.
pub(crate) fn idle(bench: &Bench, report: &mut Report) -> Result<()> {
    let home = bench.folder()?;
    let mut host = Command::new(&bench.host);
    host.args(["serve", "--listen", "127.0.0.1:0", "--output", "json"]).env("KITARU_HOME", home.path());
    let mut host = Started(host.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?);
    let mut ready = String::new();
    BufReader::new(host.0.stdout.as_mut().context("no output")?).read_line(&mut ready)?;
    ensure!(ready.contains("\"url\""), "it does not listen: {ready}");
    let process = host.0.id().to_string();
    // What it does once is over.
    std::thread::sleep(Duration::from_secs(2));
    let (seconds, before) = (bench.scaled(30), cpu_micros_of(&process)?);
    std::thread::sleep(Duration::from_secs(seconds));
    let each = (cpu_micros_of(&process)? - before) / seconds as f64 / 1e3;
    let what = "processor time of a `serve`, with its API on the loopback interface, that has nothing to do, each second";
    report.add(Figure::new("idle", what, each, "ms").target(Target::AtMost(1.0)));
    Ok(())
}

/// A flow whose host is killed in a body; how long after the start of the next host its body runs again.
pub(crate) fn resumed(bench: &Bench, report: &mut Report) -> Result<()> {
    let home = bench.folder()?;
    let work = bench.folder()?;
    let guest = bench.guest.to_str().context("a path")?;
    bench.command(home.path(), &["run", &format!("{guest}:no_calls"), "--input", "{}"])?;
    let grant = format!("--allow-write={}::out", work.path().display());
    let (mut times, mut process) = (Vec::new(), Vec::new());
    for round in 0..10 {
        process.push(nothing()?);
        let steps = work.path().join(format!("steps-{round}"));
        let lines = || std::fs::read_to_string(&steps).map(|text| text.lines().count()).unwrap_or_default();
        let until = |count: usize| {
            let started = Instant::now();
            while lines() < count {
                ensure!(started.elapsed() < Duration::from_secs(60), "no body ran");
                std::thread::sleep(Duration::from_micros(200));
            }
            anyhow::Ok(())
        };
        let input = format!(r#"{{"path":"out/steps-{round}","steps":3,"milliseconds":400}}"#);
        let mut host = Command::new(&bench.host);
        host.env("KITARU_HOME", home.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut first = Started(host.args(["run", &format!("{guest}:count_slow"), "--input", &input, &grant]).spawn()?);
        until(2)?;
        // Before the kill: whoever looked after it would clear up what the dead host left.
        let (_, listed) = bench.command(home.path(), &["executions", "list", "--status", "running"])?;
        let id = listed.pointer("/items/0/exec_id").and_then(|id| id.as_str()).context("nothing runs")?.to_owned();
        first.0.kill()?;
        first.0.wait()?;
        let before = lines();
        let mut host = Command::new(&bench.host);
        host.env("KITARU_HOME", home.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let mut second = Started(host.args(["executions", "resume", &id]).spawn()?);
        until(before + 1)?;
        times.push(micros(started.elapsed()) / 1e3);
        ensure!(second.0.wait()?.success(), "the resumed flow failed");
    }
    report.add(
        Figure::new("resume_after_kill", "after `kill -9`: process start to the first body", median(&mut times), "ms")
            .beside("a process that does nothing", median(&mut process))
            .target(Target::AtMost(50.0)),
    );
    Ok(())
}
