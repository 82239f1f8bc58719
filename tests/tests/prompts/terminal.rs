//! A terminal of the test's own: keys go in, what a person would see comes out.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long anything may take that should happen soon, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const CTRL_C: &str = "\u{3}";
pub(super) const CTRL_D: &str = "\u{4}";
pub(super) const ENTER: &str = "\r";

/// A command at a terminal. It is killed when the test lets go of it.
pub(super) struct Terminal {
    command: String,
    child: Child,
    /// The side of the terminal that a person has.
    person: File,
    printed: Vec<u8>,
    /// How much of what is shown the test has looked at.
    seen: usize,
}

/// How a command at a terminal ended.
#[derive(Debug)]
pub(super) struct End {
    /// None where a signal ended it.
    pub(super) code: Option<i32>,
    /// What was shown since the test last looked.
    pub(super) text: String,
    /// All that was shown.
    pub(super) screen: String,
    /// All that was printed, with escape sequences.
    pub(super) raw: String,
}

impl Terminal {
    /// Starts a command with all of its streams at a terminal.
    pub(super) fn start(command: &Command) -> Self {
        Self::open(command, true, None, None)
    }

    /// Starts a command whose data goes to a file.
    pub(super) fn with_data_in(command: &Command, stdout: File) -> Self {
        Self::open(command, true, Some(stdout), None)
    }

    /// Starts a command whose talk goes to a file.
    pub(super) fn with_talk_in(command: &Command, stderr: File) -> Self {
        Self::open(command, true, None, Some(stderr))
    }

    /// Starts a command that gets nothing from the keyboard.
    pub(super) fn without_keyboard(command: &Command) -> Self {
        Self::open(command, false, None, None)
    }

    fn open(command: &Command, keyboard: bool, stdout: Option<File>, stderr: Option<File>) -> Self {
        // No other program that a test starts may hold this terminal open.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let person = openpt(flags).expect("a terminal");
        unlockpt(&person).expect("a terminal that can be used");
        let program = ioctl_tiocgptpeer(&person, flags).expect("the program's side of a terminal");
        tcsetwinsize(&program, Winsize { ws_row: 40, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let program = File::from(program);
        let here = || Stdio::from(program.try_clone().expect("the program's side of a terminal"));

        let mut started = if keyboard {
            // Keys such as Ctrl-C reach whoever has the terminal as its own.
            let mut session = Command::new("setsid");
            session.arg("-c").arg(command.get_program());
            session.stdin(here());
            session
        } else {
            let mut started = Command::new(command.get_program());
            started.stdin(Stdio::null());
            started
        };
        started.args(command.get_args()).current_dir(command.get_current_dir().expect("a host has a working folder"));
        started.stdout(stdout.map_or_else(here, Stdio::from)).stderr(stderr.map_or_else(here, Stdio::from));
        started.env("TERM", "xterm-256color").env_remove("CLICOLOR").env_remove("COLORTERM").env_remove("CI");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => started.env(name, value),
                None => started.env_remove(name),
            };
        }
        let child = started.spawn().unwrap_or_else(|error| panic!("cannot start {started:?}: {error}"));
        Self { command: format!("{command:?}"), child, person: File::from(person), printed: Vec::new(), seen: 0 }
    }

    /// Reads until `text` shows. Returns what was shown since the last look, up to it.
    #[track_caller]
    pub(super) fn see(&mut self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let shown = plain(&self.printed);
            let new = &shown[self.seen..];
            if let Some(at) = new.find(text) {
                let new = new[..at + text.len()].to_owned();
                self.seen += new.len();
                return new;
            }
            assert!(self.read(until), "`{text}` does not show in {PATIENCE:?}\n$ {}\n{shown}", self.command);
        }
    }

    /// Presses keys.
    pub(super) fn press(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Types a line.
    pub(super) fn enter(&mut self, line: &str) {
        self.press(&format!("{line}{ENTER}"));
    }

    /// Reads to the end of the command.
    #[track_caller]
    pub(super) fn end(mut self) -> End {
        let until = Instant::now() + PATIENCE;
        while self.read(until) {}
        let status = self.wait(until);
        let screen = plain(&self.printed);
        End {
            code: status.code(),
            text: screen[self.seen..].to_owned(),
            screen,
            raw: String::from_utf8_lossy(&self.printed).into_owned(),
        }
    }

    /// Closes the window, and waits for the end of the command.
    #[track_caller]
    pub(super) fn close(mut self) {
        self.person = File::open("/dev/null").expect("nothing");
        let _ = self.wait(Instant::now() + PATIENCE);
    }

    #[track_caller]
    fn wait(&mut self, until: Instant) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().expect("the state of a child is known") {
                return status;
            }
            assert!(Instant::now() < until, "it does not end in {PATIENCE:?}\n$ {}\n{}", self.command, plain(&self.printed));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Reads more. False where nothing comes in time, or will come at all.
    fn read(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).expect("a short time");
        let mut ready = [PollFd::new(&self.person, PollFlags::IN)];
        if poll(&mut ready, Some(&timeout)).expect("a terminal can be waited for") == 0 {
            return false;
        }
        let mut some = [0; 4096];
        // A terminal that no program holds any more answers with an error.
        let count = self.person.read(&mut some).unwrap_or(0);
        self.printed.extend_from_slice(&some[..count]);
        count > 0
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Text without escape sequences (`ESC [ … letter`) and carriage returns.
fn plain(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    let mut all = text.chars();
    let mut shown = String::new();
    while let Some(c) = all.next() {
        match c {
            '\u{1b}' => while all.next().is_some_and(|c| !c.is_ascii_alphabetic()) {},
            '\r' => {}
            c => shown.push(c),
        }
    }
    shown
}
