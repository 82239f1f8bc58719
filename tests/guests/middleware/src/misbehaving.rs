//! `misbehave = { surface, how }`: what middleware is not to do, or cannot.
//!
//! | `how` | |
//! |---|---|
//! | `spin` | loops for ever |
//! | `memory` | takes memory until there is none |
//! | `trap`, `exit`, `sleep` | panics with the word `payload`; ends its process; sleeps |
//! | `error` | returns an error |
//! | `print` | prints for ever |
//! | `big_reason` | a text of `bytes` bytes |
//! | `next` | calls `next`; the text is what came of it |
//! | `count` | the text is how often it was used before, as far as it remembers |
//! | `probe` | tries files, network and environment; the text is what came of it |
//! | `sights` | the text is the time, and what is random |

use std::fmt::Debug;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use kitaru_middleware::raw::{next, types};
use kitaru_middleware::serde_json::{Map, Value, json};
use kitaru_middleware::{Error, Result};

static USES: AtomicU32 = AtomicU32::new(0);

/// Does what the configuration says for this surface; a text where there is something to tell.
pub(crate) fn misbehave(surface: &str, config: &Map<String, Value>) -> Result<Option<String>> {
    let Some(wanted) = config.get("misbehave").filter(|wanted| wanted["surface"] == surface) else { return Ok(None) };
    let told = match wanted["how"].as_str().unwrap_or_default() {
        "spin" => loop {
            std::hint::black_box(());
        },
        "memory" => {
            let mut taken = Vec::new();
            loop {
                taken.push(vec![1_u8; 1 << 20]);
                std::hint::black_box(&taken);
            }
        }
        "trap" => panic!("payload"),
        "exit" => std::process::exit(0),
        "sleep" => {
            std::thread::sleep(Duration::from_secs(60));
            "slept".to_owned()
        }
        "error" => return Err(Error::new("it does not feel like it")),
        "print" => loop {
            println!("{}", "x".repeat(1000));
        },
        "big_reason" => "x".repeat(wanted["bytes"].as_u64().and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()),
        "next" => {
            let request = types::Request { headers: "{}".into(), content: "{}".into() };
            next::call(&request).map_or_else(|failure| format!("{}: {}", failure.kind, failure.message), |_| "answered".into())
        }
        "count" => USES.fetch_add(1, Ordering::Relaxed).to_string(),
        "probe" => probe().to_string(),
        "sights" => sights().to_string(),
        other => return Err(Error::new(format!("there is no misbehaviour `{other}`"))),
    };
    Ok(Some(told))
}

fn probe() -> Value {
    let write = || std::fs::File::create("file").and_then(|mut file| file.write_all(b"x"));
    json!({
        "read": outcome(std::fs::read_to_string("/etc/hostname")),
        "list": outcome(std::fs::read_dir("/").map(Iterator::count)),
        "write": outcome(write()),
        "connect": outcome(TcpStream::connect("127.0.0.1:80")),
        "udp": outcome(UdpSocket::bind("0.0.0.0:0")),
        "resolve": outcome(("localhost", 80).to_socket_addrs()),
        "env": std::env::vars().count(),
        "arguments": std::env::args().count(),
        "stdin": std::io::read_to_string(std::io::stdin()).unwrap_or_else(|error| error.to_string()),
    })
}

fn outcome<T: Debug>(result: std::io::Result<T>) -> String {
    match result {
        Ok(value) => format!("ok: {value:?}"),
        Err(error) => format!("error: {error}"),
    }
}

fn sights() -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    json!({ "now": now, "random": RandomState::new().hash_one(1).to_string() })
}
