//! Addresses that lead back to the machine or its network.

use std::net::{TcpListener, TcpStream, UdpSocket};

use kitaru::prelude::*;

/// Connects to an address of any form. `*` is granted, which is for the public Internet.
#[flow]
fn reaches(cx: &Flow, address: String) -> Result<()> {
    connects(cx, address)
}

#[checkpoint]
fn connects(_cx: &Checkpoint, address: String) -> Result<()> {
    drop(TcpStream::connect(&address)?);
    Err(err!("it was let through").kind("breach"))
}

/// Sends a datagram to the machine itself.
#[flow]
fn sends(cx: &Flow) -> Result<()> {
    sends_datagram(cx)
}

#[checkpoint]
fn sends_datagram(_cx: &Checkpoint) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(b"x", "127.0.0.1:9")?;
    Err(err!("it was let through").kind("breach"))
}

/// Listens for others.
#[flow]
fn listens(cx: &Flow) -> Result<()> {
    listens_everywhere(cx)
}

#[checkpoint]
fn listens_everywhere(_cx: &Checkpoint) -> Result<()> {
    drop(TcpListener::bind("0.0.0.0:48123")?);
    Err(err!("it was let through").kind("breach"))
}

/// Has the host send a request to a URL of any form.
#[flow]
fn asks_for(cx: &Flow, url: String) -> Result<()> {
    requests(cx, url)
}

#[checkpoint]
fn requests(_cx: &Checkpoint, url: String) -> Result<()> {
    drop(kitaru::http::get(url).send()?);
    Err(err!("it was let through").kind("breach"))
}

/// Requests in the flow.
#[flow]
fn requests_in_the_flow(_cx: &Flow) -> Result<String> {
    crate::held(kitaru::http::get("https://1.1.1.1/").send().is_err(), "a request in the flow")
}

/// Sockets in the flow.
#[flow]
fn sockets_in_the_flow(_cx: &Flow) -> Result<String> {
    crate::held(TcpStream::connect("1.1.1.1:80").is_err() && UdpSocket::bind("0.0.0.0:0").is_err(), "a socket in the flow")
}
