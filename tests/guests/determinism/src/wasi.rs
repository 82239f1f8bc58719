//! Every interface of WASI that the host links, asked for all that it has without a granted thing in it.

use std::io::{Read as _, Write as _};

use kitaru::prelude::*;
use wasip2::cli::{environment, stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::filesystem::preopens;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::poll;
use wasip2::random::{insecure, insecure_seed, random};
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::{instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket};

use crate::{outcome, saw};

/// Both clocks, with a durable call in between, at which they may move on; and timers that are due already.
#[flow]
fn clocks(cx: &Flow) -> Result<()> {
    for round in 0..3 {
        let (now, resolution) = (wall_clock::now(), wall_clock::resolution());
        let due = monotonic_clock::subscribe_duration(0);
        let past = monotonic_clock::subscribe_instant(0);
        let ready = poll::poll(&[&due, &past]);
        due.block();
        let sight = json!({
            "round": round,
            "wall": [now.seconds, u64::from(now.nanoseconds), resolution.seconds, u64::from(resolution.nanoseconds)],
            "monotonic": [monotonic_clock::now(), monotonic_clock::now(), monotonic_clock::resolution()],
            "ready": ready,
            "past": past.ready(),
        });
        saw(cx, "clocks".into(), sight)?;
    }
    Ok(())
}

/// A timer that is not due: a flow cannot sleep through WASI.
#[flow]
fn sleeps_through_wasi(cx: &Flow) -> Result<()> {
    saw(cx, "before".into(), json!(null))?;
    monotonic_clock::subscribe_duration(1_000_000).block();
    saw(cx, "after".into(), json!(null))?;
    Ok(())
}

/// All four sources of random numbers, again and again, in pieces of many sizes.
#[flow]
fn random_numbers(cx: &Flow) -> Result<()> {
    for size in [0, 1, 7, 32, 4096] {
        let (low, high) = insecure_seed::insecure_seed();
        let sight = json!({
            "bytes": random::get_random_bytes(size),
            "number": random::get_random_u64().to_string(),
            "insecure_bytes": insecure::get_insecure_random_bytes(size),
            "insecure_number": insecure::get_insecure_random_u64().to_string(),
            "seed": [low.to_string(), high.to_string()],
            "own": cx.random().to_string(),
        });
        saw(cx, "random".into(), sight)?;
    }
    Ok(())
}

/// Arguments, environment, working folder, terminals.
#[flow]
fn surroundings(cx: &Flow) -> Result<()> {
    let sight = json!({
        "environment": environment::get_environment(),
        "arguments": environment::get_arguments(),
        "folder": environment::initial_cwd(),
        "terminals": [
            terminal_stdin::get_terminal_stdin().is_some(),
            terminal_stdout::get_terminal_stdout().is_some(),
            terminal_stderr::get_terminal_stderr().is_some(),
        ],
        "variables": std::env::vars().count(),
        "current": outcome(std::env::current_dir()),
    });
    saw(cx, "surroundings".into(), sight).map(drop)
}

/// Standard streams: nothing comes in, and what goes out goes nowhere that the flow could look.
#[flow]
fn streams(cx: &Flow) -> Result<()> {
    let (input, output, errors) = (stdin::get_stdin(), stdout::get_stdout(), stderr::get_stderr());
    let sight = json!({
        "read": outcome(input.read(16)),
        "skip": outcome(input.skip(16)),
        "blocking": [outcome(input.blocking_read(16)), outcome(input.blocking_skip(16))],
        "readable": poll::poll(&[&input.subscribe()]),
        "allowed": [outcome(output.check_write()), outcome(errors.check_write())],
        "write": outcome(output.write(b"a line\n")),
        "zeroes": [outcome(output.write_zeroes(3)), outcome(output.blocking_write_zeroes_and_flush(3))],
        "flush": outcome(output.blocking_flush()),
        "splice": [outcome(output.splice(&input, 8)), outcome(output.blocking_splice(&input, 8))],
        "writable": poll::poll(&[&output.subscribe(), &errors.subscribe()]),
        "errors": outcome(errors.blocking_write_and_flush(b"another\n")),
    });
    saw(cx, "streams".into(), sight)?;
    let mut text = String::new();
    let sight = json!({
        "read_to_end": outcome(std::io::stdin().read_to_string(&mut text)),
        "print": outcome(std::io::stdout().write_all(b"text without an end")),
        "flush": outcome(std::io::stdout().flush()),
    });
    saw(cx, "standard library".into(), sight).map(drop)
}

/// Files, of which there are none.
#[flow]
fn files(cx: &Flow) -> Result<()> {
    let folders: Vec<String> = preopens::get_directories().into_iter().map(|(_, name)| name).collect();
    let sight = json!({
        "folders": folders,
        "read": outcome(std::fs::read("/etc/hosts")),
        "here": outcome(std::fs::read_dir(".").map(|entries| entries.count())),
        "root": outcome(std::fs::read_dir("/").map(|entries| entries.count())),
        "write": outcome(std::fs::write("/tmp/x", b"x")),
        "make": outcome(std::fs::create_dir("x")),
        "remove": outcome(std::fs::remove_file("/etc/hosts")),
        "link": outcome(std::fs::hard_link("a", "b")),
        "rename": outcome(std::fs::rename("a", "b")),
        "look": outcome(std::fs::metadata("/proc/self/status").map(|found| found.len())),
        "resolve": outcome(std::fs::canonicalize("..")),
    });
    saw(cx, "files".into(), sight).map(drop)
}

/// Sockets and names, of which there are none either.
#[flow]
fn sockets(cx: &Flow) -> Result<()> {
    let network = instance_network::instance_network();
    let families = [IpAddressFamily::Ipv4, IpAddressFamily::Ipv6];
    let resolve = |name| outcome(ip_name_lookup::resolve_addresses(&network, name).map(|stream| next_address(&stream)));
    let resolved = ["localhost", "example.com", "127.0.0.1", "::1", "", "-"].map(resolve);
    let sight = json!({
        "tcp": families.map(|family| outcome(tcp_create_socket::create_tcp_socket(family))),
        "udp": families.map(|family| outcome(udp_create_socket::create_udp_socket(family))),
        "resolve": resolved,
        "connect": outcome(std::net::TcpStream::connect("127.0.0.1:80").map(drop)),
        "listen": outcome(std::net::TcpListener::bind("127.0.0.1:0").map(drop)),
        "datagram": outcome(std::net::UdpSocket::bind("0.0.0.0:0").map(drop)),
    });
    saw(cx, "sockets".into(), sight).map(drop)
}

fn next_address(stream: &ip_name_lookup::ResolveAddressStream) -> String {
    stream.subscribe().block();
    outcome(stream.resolve_next_address())
}

/// HTTP requests, which a flow can make out and not send: all that there is of them without anybody on the other side.
#[flow]
fn requests(cx: &Flow) -> Result<()> {
    let fields = Fields::from_list(&[("accept".to_owned(), b"text/plain".to_vec())]);
    let fields = fields.map_err(|error| err!("no fields: {error:?}"))?;
    let sight = json!({
        "append": outcome(fields.append("x-more", b"\xff")),
        "forbidden": outcome(fields.set("host", &[b"elsewhere".to_vec()])),
        "no name": outcome(fields.append("a b", b"x")),
        "entries": format!("{:?}", fields.entries()),
        "has": [fields.has("ACCEPT"), fields.has("cookie")],
        "deleted": outcome(fields.delete("x-more")),
    });
    saw(cx, "fields".into(), sight)?;
    for (authority, scheme) in
        [("127.0.0.1:80", Scheme::Http), ("example.com", Scheme::Https), ("localhost", Scheme::Other("ftp".into()))]
    {
        for body in [None, Some(b"a body".as_slice())] {
            let sight = sent(authority, &scheme, body);
            saw(cx, format!("a request to {authority}"), sight)?;
        }
    }
    Ok(())
}

/// What becomes of a request, step by step.
fn sent(authority: &str, scheme: &Scheme, body: Option<&[u8]>) -> Value {
    let request = OutgoingRequest::new(Fields::new());
    let made = json!({
        "method": outcome(request.set_method(&Method::Post)),
        "odd method": outcome(request.set_method(&Method::Other("a b".into()))),
        "scheme": outcome(request.set_scheme(Some(scheme))),
        "authority": outcome(request.set_authority(Some(authority))),
        "path": outcome(request.set_path_with_query(Some("/a?b=c"))),
        "odd path": outcome(request.set_path_with_query(Some("/a b\n"))),
        "reads": format!("{:?} {:?} {:?}", request.authority(), request.path_with_query(), request.headers().entries()),
    });
    let outgoing = request.body();
    let again = request.body().is_err();
    let written = body.and_then(|body| {
        let outgoing = outgoing.as_ref().ok()?;
        let stream = outgoing.write().ok()?;
        Some(json!([outcome(stream.check_write()), outcome(stream.write(body)), outcome(stream.flush())]))
    });
    let options = RequestOptions::new();
    let times = json!([
        outcome(options.set_connect_timeout(Some(1))),
        outcome(options.set_first_byte_timeout(Some(u64::MAX))),
        options.between_bytes_timeout(),
    ]);
    let handled = match outgoing_handler::handle(request, Some(options)) {
        Err(error) => format!("refused: {error:?}"),
        Ok(response) => {
            response.subscribe().block();
            match response.get() {
                Some(Ok(Ok(response))) => format!("answered: {}", all_of(&response)),
                other => {
                    format!("not answered: {}", outcome(other.ok_or(()).map(|answer| answer.map(|answer| answer.map(drop)))))
                }
            }
        }
    };
    let finished = outgoing.ok().map(|body| outcome(OutgoingBody::finish(body, None)));
    json!({ "made": made, "again": again, "written": written, "times": times, "handled": handled, "finished": finished })
}

/// An answer, which no flow ever gets.
fn all_of(response: &IncomingResponse) -> String {
    let length = response.consume().map(|body| {
        let read = body.stream().map(|stream| outcome(stream.blocking_read(1)));
        let _ = IncomingBody::finish(body);
        format!("{read:?}")
    });
    format!("{} {:?} {length:?}", response.status(), response.headers().entries())
}

/// Ends its process, as if all were well.
#[flow]
fn exits_well(cx: &Flow) -> Result<()> {
    saw(cx, "before".into(), json!(null))?;
    std::process::exit(0);
}

/// Ends its process, as if it had failed.
#[flow]
fn exits_badly(cx: &Flow) -> Result<()> {
    saw(cx, "before".into(), json!(null))?;
    std::process::exit(7);
}

/// Waits for a list of nothing, which traps.
#[flow]
fn polls_nothing(cx: &Flow) -> Result<()> {
    saw(cx, "before".into(), json!(null))?;
    let ready = poll::poll(&[]);
    saw(cx, "after".into(), json!(ready)).map(drop)
}
