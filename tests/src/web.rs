//! A server on the loopback interface that answers requests as a test tells it to, also in ways that no server should.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request that came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path and the query, as they came.
    pub path: String,
    /// The headers, as they came.
    pub headers: Vec<(String, String)>,
    /// The body, as long as its `Content-Length` says.
    pub body: Vec<u8>,
}

impl Asked {
    /// The values of a header.
    pub fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    fn read(stream: &mut impl Read) -> Option<Self> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut asked = Self { method, path, headers: headers.collect(), body: Vec::new() };
        let length = asked.header("content-length").first().and_then(|length| length.parse().ok()).unwrap_or(0);
        asked.body = vec![0; length];
        stream.read_exact(&mut asked.body).ok()?;
        Some(asked)
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Say {
    /// Answers, and closes the connection.
    Answer {
        /// The status.
        status: u16,
        /// Headers beside the length.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Says these bytes, and leaves the connection open.
    Raw(Vec<u8>),
}

impl Say {
    /// An answer with success.
    pub fn text(body: impl Into<Vec<u8>>) -> Self {
        Self::Answer { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// An answer with this status alone.
    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    /// The answer with a header more.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        match self {
            Self::Answer { status, mut headers, body } => {
                headers.push((name.to_owned(), value.to_owned()));
                Self::Answer { status, headers, body }
            }
            raw @ Self::Raw(_) => raw,
        }
    }

    /// Goes elsewhere.
    pub fn redirect(to: &str) -> Self {
        Self::status(302).with("Location", to)
    }

    /// Nothing at all, for ever.
    pub fn nothing() -> Self {
        Self::Raw(Vec::new())
    }
}

/// The server. It goes on in threads of its own until the test's process ends.
pub struct Web {
    /// Its port on 127.0.0.1.
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A certificate for `localhost`, and its key: for tests, and good for nothing else. Who signed it is in [`Web::authority`].
const CERTIFICATE: &[u8] = include_bytes!("tls/localhost.pem");
const KEY: &[u8] = include_bytes!("tls/localhost.key");

impl Web {
    /// A server that answers by `script`.
    pub fn new(script: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        Self::over(None, script)
    }

    /// The same with TLS, under the name `localhost`.
    pub fn tls(script: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions of TLS");
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a key that fits");
        Self::over(Some(Arc::new(config)), script)
    }

    /// The certificate to trust for the server with TLS.
    pub fn authority() -> PathBuf {
        crate::repository().join("tests/src/tls/authority.pem")
    }

    fn over(tls: Option<Arc<ServerConfig>>, script: impl Fn(&Asked) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback interface");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        let (asked, script) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::new(script));
        let log = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, script, tls) = (log.clone(), script.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &log, script.as_ref()),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).expect("a server's side of TLS");
                        serve(StreamOwned::new(connection, stream), &log, script.as_ref());
                    }
                });
            }
        });
        Self { port, asked }
    }

    /// A server that always says the same.
    pub fn always(say: Say) -> Self {
        Self::new(move |_| say.clone())
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What grants it.
    pub fn grant(&self) -> String {
        format!("--allow-net=127.0.0.1:{}", self.port)
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }
}

/// A test that panicked has said why.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut stream: impl Read + Write, log: &Mutex<Vec<Asked>>, script: &dyn Fn(&Asked) -> Say) {
    let Some(asked) = Asked::read(&mut stream) else { return };
    lock(log).push(asked.clone());
    let is_head = asked.method == "HEAD";
    // A client that has gone need not hear it.
    match script(&asked) {
        Say::Answer { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
            headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
            let _ = stream.write_all(format!("{head}\r\n").as_bytes());
            let _ = stream.write_all(if is_head { &[] } else { &body });
            let _ = stream.flush();
        }
        Say::Raw(bytes) => {
            let _ = stream.write_all(&bytes);
            let _ = stream.flush();
            // Until the client has enough of it.
            let _ = stream.read(&mut [0]);
        }
    }
}
