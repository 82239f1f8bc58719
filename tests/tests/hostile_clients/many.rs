//! Many who want little: streams that are idle, headers and bodies that do not come.

use std::net::SocketAddr;
use std::sync::Mutex;

use super::*;

/// Streams that nobody else uses.
const STREAMS: usize = 5_000;
/// Each caller has a part of all streams, and so many requests in a second.
const CALLERS: usize = 8;
/// What a stream takes of the host's memory at most, in KiB: the connection's buffers, a task, a place.
const OF_ONE: u64 = 64;

/// Asks the system for as many open files as this process gets. How many connections that allows beside everything else.
fn allowed() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.unwrap_or(16_384).min(16_384);
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }).unwrap();
        usize::try_from(most).unwrap().saturating_sub(700)
    }
    #[cfg(not(unix))]
    STREAMS
}

/// Opens a stream, as soon as the caller's rate allows.
fn open(address: SocketAddr, asking: &Asking) -> TcpStream {
    until("a stream", || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!("GET {API}/stream HTTP/1.1\r\nHost: x\r\n{}\r\n", asking.lines());
        stream.write_all(head.as_bytes()).unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        match &first {
            b"HTTP/1.1 200" => Some(stream),
            b"HTTP/1.1 429" => {
                std::thread::sleep(Duration::from_millis(100));
                None
            }
            other => panic!("{}", String::from_utf8_lossy(other)),
        }
    })
}

#[test]
fn five_thousand_idle_streams_cost_little_and_keep_nobody_else_waiting() {
    let wanted = STREAMS.min(allowed());
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let callers: Vec<Asking> =
        (0..CALLERS).map(|number| served.account(&host, &format!("eyes-{number}"), "viewer", &[])).collect();
    let (component, _) = waiting(&author, "wait_bool");
    let before = memory_of(&served);
    let (streams, address) = (Mutex::new(Vec::new()), served.address);
    std::thread::scope(|scope| {
        for caller in &callers {
            scope.spawn(|| {
                for _ in 0..wanted / CALLERS {
                    let stream = open(address, caller);
                    streams.lock().unwrap().push(stream);
                }
            });
        }
    });
    let mut streams = streams.into_inner().unwrap();
    let during = memory_of(&served);
    still_serves(&author);
    if let (Some(before), Some(during)) = (before, during) {
        let most = OF_ONE * streams.len() as u64 / 1024;
        println!("{} streams: {before} MiB before, {during} MiB with them", streams.len());
        assert!(during.saturating_sub(before) < most, "{before} MiB before, {during} MiB with {} streams", streams.len());
    }
    let metrics = String::from_utf8(author.get("/metrics").body).unwrap();
    assert!(metrics.contains(&format!("\nkitaru_streams {}\n", streams.len())), "{metrics}");
    // Each is told what happens.
    let begun = author.post(&format!("{API}/executions"), &order(&component, "wait_bool", &json!({}))).expect(201);
    let id = text(&begun["exec_id"]);
    for stream in streams.iter_mut().step_by(500) {
        let mut told = Vec::new();
        let mut piece = [0; 1024];
        while !String::from_utf8_lossy(&told).contains(&id) {
            let count = stream.read(&mut piece).unwrap();
            assert!(count > 0, "the stream has ended: {}", String::from_utf8_lossy(&told));
            told.extend_from_slice(&piece[..count]);
        }
    }
    drop(streams);
    let gone = || String::from_utf8(author.get("/metrics").body).unwrap().contains("\nkitaru_streams 0\n");
    until("their end", || gone().then_some(()));
    still_serves(&author);
}

#[test]
fn those_who_send_slowly_keep_nobody_else_waiting() {
    let host = Host::new();
    let served = Served::start(&host);
    let author = served.account(&host, "ci", "author", &[]);
    let before = memory_of(&served);
    let body = format!(
        "POST {API}/executions HTTP/1.1\r\nHost: x\r\n{}Content-Type: application/json\r\nContent-Length: 8000000\r\n\r\n{{",
        author.lines()
    );
    let heads = ["", "G", "GET /healthz HTTP/1.1\r\n", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "];
    let mut slow: Vec<TcpStream> = (0..600)
        .map(|number| {
            let mut stream = served.connect();
            stream.write_all(heads[number % heads.len()].as_bytes()).unwrap();
            stream
        })
        .collect();
    slow.extend((0..100).map(|_| {
        let mut stream = served.connect();
        stream.write_all(body.as_bytes()).unwrap();
        stream
    }));
    for _ in 0..5 {
        for stream in &mut slow {
            let _ = stream.write_all(b"x");
        }
        still_serves(&author);
        std::thread::sleep(Duration::from_millis(200));
    }
    if let (Some(before), Some(during)) = (before, memory_of(&served)) {
        assert!(during.saturating_sub(before) < 100, "{before} MiB before, {during} MiB with them");
    }
    // Whoever comes to no end is let go of.
    let silent = slow.swap_remove(0);
    silent.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let began = Instant::now();
    let _ = heard(&mut { silent });
    assert!(began.elapsed() < Duration::from_secs(38), "after {:?}", began.elapsed());
    still_serves(&author);
}
