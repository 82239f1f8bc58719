//! What the host adds to each piece of a model's streamed answer, beside a plain client that reads the same stream.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kitaru_host::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::figure::{Figure, Target};
use crate::place::Bench;
use crate::report::Report;
use crate::samples::median;

/// Rounds in which the host and the plain client read in turn.
const ROUNDS: usize = 5;
/// Between the pieces of a model that takes its time: longer than the host may need for one.
const PAUSE: Duration = Duration::from_millis(3);

/// When a piece was sent, and when it was there, in microseconds since the Unix epoch.
type Moments = Vec<(u64, u64)>;

fn now() -> Result<u64> {
    Ok(u64::try_from(SystemClock.now().as_micros())?)
}

/// A model on the loopback interface that speaks OpenAI Chat, and whose pieces say when they were sent. It runs until this process ends.
struct Model {
    address: SocketAddr,
    pieces: u64,
}

impl Model {
    fn start(pieces: u64, pause: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // A client that goes away gets no answer, and is told so by what it misses.
                let _ = answer(connection, pieces, pause);
            }
        });
        Ok(Self { address, pieces })
    }
}

fn answer(mut connection: TcpStream, pieces: u64, pause: Duration) -> Result<()> {
    // Each piece is a packet of its own.
    connection.set_nodelay(true)?;
    let mut request = BufReader::new(connection.try_clone()?);
    let mut body = vec![0; body_length(&mut request)?];
    request.read_exact(&mut body)?;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    connection.write_all(head.as_bytes())?;
    let mut send = |data: &str| {
        let event = format!("data: {data}\n\n");
        connection.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
    };
    for _ in 0..pieces {
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        let delta = json!({ "content": format!("{} ", now()?) });
        send(&chunk(&json!([{ "index": 0, "delta": delta, "finish_reason": null }])).to_string())?;
    }
    send(&chunk(&json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }])).to_string())?;
    send("[DONE]")?;
    Ok(connection.write_all(b"0\r\n\r\n")?)
}

fn chunk(choices: &Value) -> Value {
    json!({ "id": "measured", "object": "chat.completion.chunk", "created": 0, "model": "measured", "choices": choices })
}

/// Reads the head of a message; the length that it says its body has, or zero.
fn body_length(reader: &mut BufReader<TcpStream>) -> Result<usize> {
    let (mut length, mut line) = (0, String::new());
    loop {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "the connection ended in a head");
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse()?,
            None if line.trim_end().is_empty() => return Ok(length),
            _ => {}
        }
    }
}

/// A client that does what any has to: it takes chunks from the socket, and the text out of their events.
fn plainly(model: &Model) -> Result<Moments> {
    let mut connection = TcpStream::connect(model.address)?;
    let body = json!({ "model": "measured", "stream": true, "messages": [{ "role": "user", "content": "Go on." }] }).to_string();
    let (host, length) = (model.address, body.len());
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
    connection.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes())?;
    let mut reader = BufReader::new(connection);
    body_length(&mut reader)?;
    let (mut moments, mut line, mut bytes) = (Vec::new(), String::new(), Vec::new());
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim_end(), 16).context("the size of a chunk")?;
        if length == 0 {
            return Ok(moments);
        }
        bytes.resize(length + 2, 0);
        reader.read_exact(&mut bytes)?;
        let data = std::str::from_utf8(&bytes)?.trim().strip_prefix("data: ").context("an event")?;
        if data == "[DONE]" {
            continue;
        }
        let event: Value = serde_json::from_str(data)?;
        if let Some(text) = event.pointer("/choices/0/delta/content").and_then(Value::as_str) {
            moments.push((text.trim().parse()?, now()?));
        }
    }
}

/// A command of the host that reaches the loopback interface directly, whatever proxy the system has.
fn host(bench: &Bench, home: &Path, arguments: &[&str]) -> Result<Value> {
    let mut command = Command::new(&bench.host);
    command.args(arguments).args(["--output", "json"]).env("KITARU_HOME", home);
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    let output = command.output()?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{arguments:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&said).with_context(|| format!("not JSON: {said}"))
}

/// The same stream through the host, taken by a checkpoint.
fn hosted(bench: &Bench, home: &Path, alias: &str) -> Result<Moments> {
    let target = format!("{}:streamed", bench.guest.to_str().context("a path")?);
    let input = json!({ "model": alias }).to_string();
    let mut said = host(bench, home, &["run", &target, "--input", &input, "--allow-llm"])?;
    let result = said.pointer_mut("/item/result").context("no result")?.take();
    serde_json::from_value(result).context("no moments")
}

/// Microseconds a piece, from the first to the last.
fn each(moments: &[(u64, u64)]) -> f64 {
    let (first, last) = (moments.first().map_or(0, |moment| moment.1), moments.last().map_or(0, |moment| moment.1));
    last.saturating_sub(first) as f64 / moments.len().saturating_sub(1).max(1) as f64
}

/// Microseconds that pieces were under way, the middle one of all.
fn delay(moments: &[(u64, u64)]) -> f64 {
    let mut delays: Vec<f64> = moments.iter().map(|(sent, there)| there.saturating_sub(*sent) as f64).collect();
    median(&mut delays)
}

/// What `measure` says of the host and of the plain client, medians of all rounds.
fn in_turn(bench: &Bench, home: &Path, alias: &str, model: &Model, measure: fn(&[(u64, u64)]) -> f64) -> Result<(f64, f64)> {
    let (mut ours, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (samples, moments) in [(&mut plain, plainly(model)?), (&mut ours, hosted(bench, home, alias)?)] {
            ensure!(moments.len() as u64 == model.pieces, "{} pieces of {} came", moments.len(), model.pieces);
            samples.push(measure(&moments));
        }
    }
    Ok((median(&mut ours), median(&mut plain)))
}

pub(crate) fn chunks(bench: &Bench, report: &mut Report) -> Result<()> {
    let home = bench.folder()?;
    let models =
        [("rapid", Model::start(bench.scaled(5_000), Duration::ZERO)?), ("paced", Model::start(bench.scaled(500), PAUSE)?)];
    for (alias, model) in &models {
        let (base, name) = (format!("http://{}/v1", model.address), format!("ollama/{alias}"));
        host(bench, home.path(), &["model", "register", alias, "--model", &name, "--base-url", &base])?;
        // Compiles the component, the first time.
        hosted(bench, home.path(), alias)?;
    }
    let [(rapid, at_once), (paced, in_time)] = &models;
    let (ours, plain) = in_turn(bench, home.path(), rapid, at_once, each)?;
    report.add(
        Figure::new(
            "stream_chunk_overhead",
            "what the host adds to each piece of a streamed answer that comes as fast as it can",
            (ours - plain).max(0.0),
            "µs",
        )
        .beside("a plain client, for a piece", plain)
        .target(Target::AtMost(1_000.0)),
    );
    let (ours, plain) = in_turn(bench, home.path(), paced, in_time, delay)?;
    report.add(
        Figure::new(
            "stream_chunk_delay",
            "a piece of a streamed answer, one every 3 ms, from the model to the checkpoint, p50",
            ours,
            "µs",
        )
        .beside("a plain client, from the model", plain)
        .target(Target::AtMost(1_000.0)),
    );
    Ok(())
}
