//! A command that runs while the test goes on.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Reply;

/// How long anything may take that should happen soon, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that runs. It is killed when the test lets go of it.
pub struct Running {
    command: String,
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    said: Arc<Mutex<Vec<u8>>>,
    stderr: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        let mut stderr = BufReader::new(child.stderr.take().expect("standard error is a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let stderr = std::thread::spawn(move || {
            let mut line = Vec::new();
            while stderr.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                heard.lock().expect("nobody panics with it").append(&mut line);
            }
        });
        Self { command: format!("{command:?}"), child, lines, seen: Vec::new(), said, stderr: Some(stderr) }
    }

    /// The next line that it prints on standard output; none when it has closed it.
    pub fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} prints nothing more; so far: {:#?}", self.command, self.seen),
        }
    }

    /// Reads lines of JSON until one fits.
    pub fn read_until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        while let Some(line) = self.next_line() {
            let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if fits(&value) {
                return value;
            }
        }
        panic!("{} ended before it printed what was waited for; it printed {:#?}", self.command, self.seen)
    }

    /// What it has said on standard error so far, in whole lines.
    fn said(&self) -> String {
        String::from_utf8_lossy(&self.said.lock().expect("nobody panics with it")).into_owned()
    }

    /// Waits until it has said this on standard error. With `--output json` a host says nothing there but its errors.
    #[track_caller]
    pub fn until_said(&self, text: &str) {
        until(&format!("`{text}` on standard error of {}", self.command), || self.said().contains(text).then_some(()));
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("the state of a child is known").is_none()
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// The same, with what it had said by then.
    pub fn killed(mut self) -> Reply {
        // It may have ended before.
        let _ = self.child.kill();
        self.finish()
    }

    /// Waits until it has ended by itself.
    pub fn finish(mut self) -> Reply {
        let status =
            until(&format!("the end of {}", self.command), || self.child.try_wait().expect("the state of a child is known"));
        let mut stdout = std::mem::take(&mut self.seen);
        stdout.extend(self.lines.iter());
        let stdout = stdout.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
        if let Some(reader) = self.stderr.take() {
            reader.join().expect("the reader of standard error ends with it");
        }
        let stderr = self.said().into_bytes();
        Reply::new(self.command.clone(), std::process::Output { status, stdout, stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until there is something to see: for what no event tells, such as what another process writes into a file.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
