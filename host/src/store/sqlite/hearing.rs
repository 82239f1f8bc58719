//! What the platform tells of a data folder: letters in a mailbox, and lock files of runners that are closed or go.
//!
//! A runner has its lock file open for writing, so its death closes it, however it dies. Linux tells of that (inotify); other systems tell of the
//! file's end, which only a runner that ends by itself brings about. Whether a platform tells of what is closed is found out by closing something.

use std::path::Path;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind};

use super::runner::{self, Runner};

/// How soon a lock file that was closed is looked at again if its runner seems to live; each time twice as long.
const SOON: Duration = Duration::from_millis(1);
/// Who has lived for so long after that lives: it was somebody else who closed the file.
const LATE: Duration = Duration::from_secs(1);

/// What an event says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'e> {
    /// Nothing that matters.
    Nothing,
    /// Something may have been written into the mailbox.
    Letter,
    /// Nobody may find the mailbox any more.
    Unfound,
    /// Whoever had the mailbox open for writing has closed it.
    Closed,
    /// The lock file of this runner was closed by somebody who could write into it, or has gone.
    Runner(&'e str),
    /// The folder of the lock files has gone.
    Gone,
    /// Anything: the platform could not tell all.
    Anything,
}

/// What an event of a mailbox, or of the folder `runners` says.
pub(super) fn sort<'e>(event: &'e notify::Result<Event>, runners: &Path) -> Heard<'e> {
    let Ok(event) = event else { return Heard::Anything };
    let (Some(path), false) = (event.paths.first(), event.need_rescan()) else { return Heard::Anything };
    let is_closed = event.kind == EventKind::Access(AccessKind::Close(AccessMode::Write));
    let has_gone = matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)));
    if path == runners {
        return if has_gone { Heard::Gone } else { Heard::Nothing };
    }
    if path.parent() == Some(runners) {
        // That one was opened, as by everybody who asks whether its runner lives, is no news.
        let runner = runner::id_of(path).filter(|_| is_closed || has_gone);
        return runner.map_or(Heard::Nothing, Heard::Runner);
    }
    match event.kind {
        _ if is_closed => Heard::Closed,
        EventKind::Access(_) => Heard::Nothing,
        // A file that is removed while it is open has one link less, which is metadata.
        EventKind::Remove(_) | EventKind::Modify(ModifyKind::Metadata(_) | ModifyKind::Name(_)) => Heard::Unfound,
        _ => Heard::Letter,
    }
}

/// Runners that may have died just now.
///
/// The system tells that a file was closed a moment before its lock is free, so who seems to live is looked at again, later and later.
#[derive(Debug, Default)]
pub(super) struct Suspects(Vec<Suspect>);

#[derive(Debug)]
struct Suspect {
    runner: String,
    next: Instant,
    pause: Duration,
}

impl Suspects {
    /// One more; or the same, from now on.
    pub(super) fn add(&mut self, runner: &str) {
        self.0.retain(|suspect| suspect.runner != runner);
        self.0.push(Suspect { runner: runner.to_owned(), next: Instant::now(), pause: SOON });
    }

    /// How long there is nobody to look at; none if there is nobody at all.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.0.iter().map(|suspect| suspect.next.saturating_duration_since(Instant::now())).min()
    }

    /// Looks at those whose time it is, by their lock files in the folder `runners`. Whether one of them is dead.
    pub(super) fn look(&mut self, runners: &Path) -> bool {
        let (now, before) = (Instant::now(), self.0.len());
        self.0.retain(|suspect| suspect.next > now || !Runner::is_dead(runners, &suspect.runner));
        let one_died = self.0.len() < before;
        for suspect in self.0.iter_mut().filter(|suspect| suspect.next <= now) {
            (suspect.next, suspect.pause) = (now + suspect.pause, suspect.pause * 2);
        }
        self.0.retain(|suspect| suspect.pause < LATE * 2);
        one_died
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use notify::event::{CreateKind, DataChange, Flag, MetadataKind, RemoveKind};

    use super::*;

    fn heard(kind: EventKind, path: &str) -> String {
        let event = Ok(Event::new(kind).add_path(PathBuf::from(path)));
        format!("{:?}", sort(&event, Path::new("/home/runners")))
    }

    #[test]
    fn only_a_lock_file_that_is_closed_or_goes_is_news_of_its_runner() {
        let close = |mode| EventKind::Access(AccessKind::Close(mode));
        let lock = "/home/runners/7.lock";
        for kind in
            [close(AccessMode::Write), EventKind::Remove(RemoveKind::File), EventKind::Modify(ModifyKind::Name(RenameMode::From))]
        {
            assert_eq!(heard(kind, lock), "Runner(\"7\")", "{kind:?}");
            assert_eq!(heard(kind, "/home/runners/7.new"), "Nothing", "{kind:?}: it is not a runner's yet");
        }
        for kind in [
            // As everybody does who asks whether it lives: news of that would go round in circles.
            EventKind::Access(AccessKind::Open(AccessMode::Any)),
            close(AccessMode::Read),
            EventKind::Create(CreateKind::File),
            EventKind::Modify(ModifyKind::Data(DataChange::Any)),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
        ] {
            assert_eq!(heard(kind, lock), "Nothing", "{kind:?}");
        }
        assert_eq!(heard(EventKind::Remove(RemoveKind::Folder), "/home/runners"), "Gone");
        assert_eq!(heard(EventKind::Access(AccessKind::Open(AccessMode::Any)), "/home/runners"), "Nothing");
    }

    #[test]
    fn what_is_written_into_a_mailbox_is_a_letter() {
        let mailbox = "/home/wake/7.1.mail";
        assert_eq!(heard(EventKind::Modify(ModifyKind::Data(DataChange::Any)), mailbox), "Letter");
        assert_eq!(heard(EventKind::Access(AccessKind::Open(AccessMode::Any)), mailbox), "Nothing");
        assert_eq!(heard(EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), mailbox), "Unfound");
        assert_eq!(heard(EventKind::Access(AccessKind::Close(AccessMode::Write)), mailbox), "Closed");
        let runners = Path::new("/home/runners");
        assert_eq!(sort(&Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)), runners), Heard::Anything);
        assert_eq!(sort(&Err(notify::Error::generic("lost")), runners), Heard::Anything);
    }

    #[test]
    fn who_seems_to_live_is_looked_at_again_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("7.lock");
        let lock = std::fs::File::create(&path).unwrap();
        lock.lock().unwrap();
        let mut suspects = Suspects::default();
        assert!(suspects.pause().is_none() && !suspects.look(folder.path()));
        suspects.add("7");
        suspects.add("7");
        assert_eq!(suspects.pause(), Some(Duration::ZERO));
        assert!(!suspects.look(folder.path()) && suspects.pause().is_some_and(|pause| pause <= SOON), "it lives so far");
        drop(lock);
        while suspects.pause().is_some_and(|pause| !pause.is_zero()) {
            std::thread::yield_now();
        }
        assert!(suspects.look(folder.path()) && suspects.pause().is_none(), "the lock is free");

        suspects.add("nobody");
        assert!(suspects.look(folder.path()), "nor does who has no file");
        let lock = std::fs::File::create(&path).unwrap();
        lock.lock().unwrap();
        suspects.add("7");
        let mut looks = 0;
        while let Some(pause) = suspects.pause() {
            std::thread::sleep(pause);
            assert!(!suspects.look(folder.path()));
            looks += 1;
        }
        assert!(looks < 20, "{looks} looks at somebody who lives");
    }
}
