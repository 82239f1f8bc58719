//! A connection that is not to be relied on: a proxy for TCP on the loopback interface that cuts what comes back, wherever a test says.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The proxy. It goes on in threads of its own until the test's process ends.
pub struct Cutting {
    /// Where it listens.
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    cuts: Arc<AtomicUsize>,
}

impl Cutting {
    /// A proxy before `server`. `cut` says of each connection, by its number from 0, after how many bytes of the server's it is cut; none leaves it whole.
    pub fn before(server: SocketAddr, cut: impl FnMut(usize) -> Option<usize> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback interface");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (connections, cuts) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (counted, cut, done) = (connections.clone(), Arc::new(Mutex::new(cut)), cuts.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let most = (cut.lock().expect("nobody panics with it"))(number);
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                let done = done.clone();
                let (from, to) = (client.try_clone().expect("a socket"), upstream.try_clone().expect("a socket"));
                thread::spawn(move || copy(from, to, None));
                thread::spawn(move || {
                    if copy(upstream, client, most) {
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { address, connections, cuts }
    }

    /// How many connections came.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many of them were cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

/// Hands bytes on, at most so many; tells whether it cut them off.
fn copy(mut from: TcpStream, mut to: TcpStream, most: Option<usize>) -> bool {
    let (mut left, mut piece) = (most, [0; 4096]);
    let was_cut = loop {
        let room = left.map_or(piece.len(), |left| left.min(piece.len()));
        if room == 0 {
            break true;
        }
        let count = match from.read(&mut piece[..room]) {
            Ok(count) if count > 0 => count,
            _ => break false,
        };
        if to.write_all(&piece[..count]).is_err() {
            break false;
        }
        left = left.map(|left| left - count);
    };
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    was_cut
}
