//! HTTP requests and secrets, as a test tells it to use them. In every text of a request `{NAME}` and `{NAME.KEY}` stand for what the host gives
//! for that secret.

use std::io::Read as _;
use std::net::UdpSocket;
use std::time::Duration;

use kitaru::http::{HttpError, Request, Response};
use kitaru::prelude::*;

/// A request.
#[data]
struct Asked {
    method: String,
    url: String,
    headers: Option<Vec<(String, String)>>,
    query: Option<Vec<(String, String)>>,
    basic: Option<(String, String)>,
    body: Option<String>,
    timeout_ms: Option<u64>,
}

/// A response.
#[data]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Fails of what goes wrong, as `?` has it.
#[flow]
fn fetch(cx: &Flow, asked: Asked) -> Result<Answer> {
    fetches(cx, asked)
}

#[checkpoint]
fn fetches(_cx: &Checkpoint, asked: Asked) -> Result<Answer> {
    read(request(asked)?.send()?)
}

/// The same, tried again.
#[flow]
fn fetch_again(cx: &Flow, asked: Asked) -> Result<Answer> {
    fetches_again(cx, asked)
}

#[checkpoint(retries = 2, retry_delay = "1ms")]
fn fetches_again(_cx: &Checkpoint, asked: Asked) -> Result<Answer> {
    read(request(asked)?.send()?)
}

/// Makes requests one after the other, whatever becomes of each.
#[flow]
fn fetch_each(cx: &Flow, asked: Vec<Asked>) -> Result<Vec<Value>> {
    fetches_each(cx, asked)
}

#[checkpoint]
fn fetches_each(_cx: &Checkpoint, asked: Vec<Asked>) -> Result<Vec<Value>> {
    let tell = |asked| -> Result<Value> {
        match request(asked)?.send() {
            Ok(response) => Ok(json!({ "status": response.status(), "body": read(response)?.body })),
            Err(error) => Ok(json!({ "error": error.to_string() })),
        }
    };
    asked.into_iter().map(tell).collect()
}

/// Follows redirects, as a library would.
#[flow]
fn follow(cx: &Flow, url: String) -> Result<Answer> {
    follows(cx, url)
}

#[checkpoint]
fn follows(_cx: &Checkpoint, url: String) -> Result<Answer> {
    let mut response = kitaru::http::get(url).send()?;
    while let Some(next) = response.header("location").map(str::to_owned) {
        response = kitaru::http::get(next).send()?;
    }
    read(response)
}

/// Has so many responses open at a time, and then so many sockets.
#[flow]
fn hoard(cx: &Flow, url: String, responses: u32, sockets: u32) -> Result<u32> {
    hoards(cx, url, responses, sockets)
}

#[checkpoint]
fn hoards(_cx: &Checkpoint, url: String, responses: u32, sockets: u32) -> Result<u32> {
    let held: Vec<Response> = (0..responses).map(|_| kitaru::http::get(&url).send()).collect::<Result<_, HttpError>>()?;
    let mut bound = Vec::new();
    for _ in 0..sockets {
        bound.push(UdpSocket::bind("0.0.0.0:0")?);
    }
    Ok(u32::try_from(held.len() + bound.len())?)
}

/// Sends a body of so many KiB, and counts what comes back.
#[flow]
fn carry(cx: &Flow, url: String, kib: u32) -> Result<u64> {
    carries(cx, url, kib)
}

#[checkpoint]
fn carries(_cx: &Checkpoint, url: String, kib: u32) -> Result<u64> {
    let body = vec![b'x'; kib as usize * 1024];
    let mut response = kitaru::http::post(url).body(body).send()?.error_for_status()?;
    let (mut piece, mut count) = (vec![0; 100_000], 0);
    loop {
        match response.read(&mut piece)? {
            0 => return Ok(count),
            read => count += read as u64,
        }
    }
}

/// Sends a request, and asks for a secret, where neither is possible.
#[flow]
fn misplaced(_cx: &Flow, url: String) -> Result<Value> {
    let secret = kitaru::secret("gh").map_err(|error| error.failure().kind.clone());
    let answered = kitaru::http::get(url).send().map(|response| response.status());
    Ok(json!({ "request": format!("{answered:?}"), "secret": format!("{secret:?}") }))
}

/// What the host gives for a secret, letter by letter, so that it is written down nowhere by itself.
#[flow]
fn given(cx: &Flow, name: String, key: Option<String>) -> Result<Vec<u8>> {
    gives(cx, name, key)
}

#[checkpoint]
fn gives(_cx: &Checkpoint, name: String, key: Option<String>) -> Result<Vec<u8>> {
    let twice = [secret(&name, key.as_deref())?, secret(&name, key.as_deref())?];
    if twice[0] != twice[1] {
        bail!("another one the second time");
    }
    Ok(twice[0].bytes().collect())
}

/// Says a secret wherever it can be said by mistake.
#[flow]
fn blurt(cx: &Flow, name: String) -> Result<()> {
    blurts(cx, name)
}

#[checkpoint]
fn blurts(cx: &Checkpoint, name: String) -> Result<()> {
    let value = kitaru::secret(&name)?;
    println!("standard output: {value}");
    eprintln!("standard error: {value}");
    cx.info(format!("a line: {value}"));
    cx.progress(&format!("progress: {value}"), None);
    Err(err!("it failed with {value}").details(json!({ "value": value })))
}

fn request(asked: Asked) -> Result<Request> {
    let mut request = kitaru::http::request(asked.method, filled(&asked.url)?);
    for (name, value) in asked.headers.unwrap_or_default() {
        request = request.header(filled(&name)?, filled(&value)?);
    }
    for (name, value) in asked.query.unwrap_or_default() {
        request = request.query(name, filled(&value)?);
    }
    if let Some((user, password)) = asked.basic {
        request = request.basic(filled(&user)?, filled(&password)?);
    }
    if let Some(body) = asked.body {
        request = request.body(filled(&body)?);
    }
    if let Some(timeout) = asked.timeout_ms {
        request = request.timeout(Duration::from_millis(timeout));
    }
    Ok(request)
}

fn read(response: Response) -> Result<Answer> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = response.headers().map(|(name, value)| (name.to_owned(), text(value))).collect();
    Ok(Answer { status: response.status(), headers, body: text(&response.bytes()?) })
}

/// `text` with secrets in the place of their names.
fn filled(text: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(|| err!("a brace is not closed"))?;
        let (name, key) = name.split_once('.').map_or((name, None), |(name, key)| (name, Some(key)));
        out.push_str(before);
        out.push_str(&secret(name, key)?);
        rest = after;
    }
    Ok(out + rest)
}

fn secret(name: &str, key: Option<&str>) -> Result<String> {
    key.map_or_else(|| kitaru::secret(name), |key| kitaru::secret_key(name, key))
}
