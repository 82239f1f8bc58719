//! Who watches what in this process, and how news from other processes get here: through a mailbox (`mailbox`), and from the lock files of runners
//! (`hearing`), from the first watch on.
//!
//! The platform tells when the mailbox changes (inotify, FSEvents, …), and some tell when a lock file is closed. Where it loses a change or cannot
//! watch, a slow look at the mailbox finds it; a very slow one, where the platform has lately told of something that was closed for that.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::time::{Duration, Instant};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use super::hearing::{self, Heard, Suspects};
use super::mailbox::{self, Mailbox};
use super::runner::{Runner, RunnerId};
use crate::ids::ExecutionId;
use crate::mutex::lock;
use crate::store::{Deaths, StoreError};

/// How long a wake-up from another process can go unnoticed if the platform says nothing.
const SLOW_LOOK: Duration = Duration::from_secs(2);
/// The same while the platform tells what it is asked to tell. How long it can be silent without anybody knowing it.
const NET: Duration = Duration::from_secs(30);
/// Whenever so many executions are watched, and twice as many as were left the last time, those that nobody watches any more are forgotten.
const MANY: usize = 64;

/// The watchers of this process. Its mailbox goes with it.
pub(super) struct Watcher(Arc<Shared>);

struct Shared {
    wake: PathBuf,
    runners: PathBuf,
    /// Taken before the channels, and never by the platform's thread: whoever holds it waits for that thread.
    inlet: Mutex<Inlet>,
    channels: Mutex<Channels>,
}

/// What was set up so that news get here.
#[derive(Default)]
struct Inlet {
    /// Whose mailbox it is, from the first watch on.
    owner: Option<RunnerId>,
    /// How many mailboxes there were.
    made: u64,
    platform: Option<RecommendedWatcher>,
}

#[derive(Default)]
struct Channels {
    by_execution: HashMap<ExecutionId, watch::Sender<u64>>,
    /// How many of them were left the last time that some were forgotten.
    left: usize,
    /// Changes with every wake-up of any execution.
    all: watch::Sender<u64>,
    mailbox: Option<Mailbox>,
    /// No other mailbox could be made to follow this one.
    is_stuck: bool,
    /// Calls for a look. The thread that looks ends when this is dropped.
    look: Option<mpsc::SyncSender<()>>,
    deaths: watch::Sender<Deaths>,
    suspects: Suspects,
    /// The platform was asked to tell of the lock files, and their folder has been there since.
    hears_runners: bool,
    /// The mailbox was closed for that, and the platform has not told.
    awaits_echo: bool,
    /// When it is checked again what the platform tells; none at first.
    check_at: Option<Instant>,
}

impl Watcher {
    /// Watchers whose mailbox will be in the folder `wake`, beside the folder `runners` with the lock files. Nothing is made yet.
    pub(super) fn new(wake: PathBuf, runners: PathBuf) -> Self {
        Self(Arc::new(Shared { wake, runners, inlet: Mutex::default(), channels: Mutex::default() }))
    }

    /// A receiver that changes with every wake-up of `execution` from here on. `runner` is this store's.
    pub(super) fn watch(&self, runner: &Runner, execution: ExecutionId) -> Result<watch::Receiver<u64>, StoreError> {
        Shared::open(&self.0, runner)?;
        let mut channels = lock(&self.0.channels);
        channels.forget_if_many();
        Ok(channels.by_execution.entry(execution).or_default().subscribe())
    }

    /// A receiver that changes with every wake-up of any execution from here on.
    pub(super) fn watch_all(&self, runner: &Runner) -> Result<watch::Receiver<u64>, StoreError> {
        Shared::open(&self.0, runner)?;
        Ok(lock(&self.0.channels).all.subscribe())
    }

    /// A receiver that changes with every death of a runner from here on, and with whether those are told.
    pub(super) fn watch_deaths(&self, runner: &Runner) -> Result<watch::Receiver<Deaths>, StoreError> {
        Shared::open(&self.0, runner)?;
        Ok(lock(&self.0.channels).deaths.subscribe())
    }

    /// Wakes the watchers in this process.
    pub(super) fn wake_here(&self, execution: ExecutionId) {
        lock(&self.0.channels).wake(execution);
    }

    /// Wakes the watchers in other processes, where there are any.
    pub(super) fn wake_others(&self, runner: &Runner, execution: ExecutionId) -> Result<(), StoreError> {
        mailbox::post(&self.0.wake, runner, execution)
    }

    /// The platform tells nothing from now on, which is noticed at once.
    #[cfg(test)]
    pub(super) fn lose_the_platform(&self) {
        lock(&self.0.inlet).platform = None;
        let mut channels = lock(&self.0.channels);
        channels.check_at = None;
        channels.call_for_a_look();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Here and now, whoever else still has a hand on what is shared.
        lock(&self.0.inlet).platform = None;
        let mut channels = lock(&self.0.channels);
        (channels.mailbox, channels.look) = (None, None);
    }
}

impl Shared {
    /// Makes the mailbox, once: what is written into it from here on is noticed.
    fn open(this: &Arc<Self>, runner: &Runner) -> Result<(), StoreError> {
        let mut inlet = lock(&this.inlet);
        if inlet.owner.is_some() {
            return Ok(());
        }
        let owner = runner.register()?;
        mailbox::clear(&this.wake, runner);
        inlet.made = inlet.made.saturating_add(1);
        let mailbox = Mailbox::make(&this.wake, &owner, inlet.made)?;
        inlet.platform = Self::start_platform(this, mailbox.path());
        let mut channels = lock(&this.channels);
        channels.mailbox = Some(mailbox);
        channels.look = Self::start_slow_look(this);
        inlet.owner = Some(owner);
        Ok(())
    }

    fn start_platform(this: &Arc<Self>, mailbox: &Path) -> Option<RecommendedWatcher> {
        let shared = Arc::downgrade(this);
        let hear = move |event: notify::Result<Event>| {
            if let Some(shared) = shared.upgrade() {
                shared.hear(&event);
            }
        };
        let started = notify::recommended_watcher(hear).and_then(|mut watcher| {
            watcher.watch(mailbox, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        // Such as too many watches of this user. The slow look serves alone.
        started.inspect_err(tell_of_slowness).ok()
    }

    /// Something happened to the mailbox or to lock files, or was missed.
    fn hear(&self, event: &notify::Result<Event>) {
        let heard = hearing::sort(event, &self.runners);
        if heard == Heard::Nothing {
            return;
        }
        let mut channels = lock(&self.channels);
        match heard {
            Heard::Letter if channels.empty() => {}
            Heard::Letter | Heard::Unfound if channels.is_stuck => {}
            Heard::Letter | Heard::Unfound => channels.call_for_a_look(),
            Heard::Closed => {
                channels.awaits_echo = false;
                let are_told = channels.hears_runners;
                channels.tell_whether_deaths_are_told(are_told);
            }
            Heard::Runner(runner) => {
                channels.suspects.add(runner);
                channels.call_for_a_look();
            }
            Heard::Gone => {
                channels.lose_the_runners();
                channels.call_for_a_look();
            }
            Heard::Anything => {
                channels.tell_of_a_death();
                channels.call_for_a_look();
            }
            Heard::Nothing => {}
        }
    }

    fn start_slow_look(this: &Arc<Self>) -> Option<mpsc::SyncSender<()>> {
        // One call is as good as many.
        let (sender, calls) = mpsc::sync_channel::<()>(1);
        let shared = Arc::downgrade(this);
        let started = std::thread::Builder::new().name("store-wake".into()).spawn(move || Self::serve(&shared, &calls));
        started.map(|_| sender).inspect_err(|error| tracing::warn!(%error, "cannot start the slow look for wake-ups")).ok()
    }

    /// Looks when it is called, and every now and then, until there is nobody to call.
    fn serve(shared: &Weak<Self>, calls: &mpsc::Receiver<()>) {
        loop {
            let Some(pause) = shared.upgrade().map(|shared| lock(&shared.channels).pause()) else { return };
            if calls.recv_timeout(pause) == Err(mpsc::RecvTimeoutError::Disconnected) {
                return;
            }
            let Some(shared) = shared.upgrade() else { return };
            shared.look();
            if lock(&shared.channels).is_time_to_check() {
                shared.check();
            }
        }
    }

    /// Finds out whether the platform tells of runners that die, by closing the mailbox: that is heard, or is not, until the next time.
    fn check(&self) {
        let mut inlet = lock(&self.inlet);
        let (is_new, were_told) = {
            let channels = lock(&self.channels);
            (!channels.hears_runners, channels.deaths.borrow().are_told)
        };
        // Again where they were told: the folder may be another by now. A platform that does not tell is not asked again and again.
        let hears = match inlet.platform.as_mut() {
            Some(platform) if is_new || were_told => {
                let watched = platform.watch(&self.runners, RecursiveMode::NonRecursive);
                watched.inspect_err(|error| tracing::debug!(%error, "cannot watch the runners")).is_ok()
            }
            platform => platform.is_some(),
        };
        let mut channels = lock(&self.channels);
        channels.hears_runners = hears;
        if channels.awaits_echo || !hears {
            channels.tell_whether_deaths_are_told(false);
        }
        channels.awaits_echo = hears && channels.mailbox.as_ref().is_some_and(Mailbox::is_closed_once_more);
        let pause = if channels.deaths.borrow().are_told { NET } else { SLOW_LOOK };
        channels.check_at = Some(Instant::now() + pause);
    }

    /// Finds what the platform did not tell, and sees to it that there is a mailbox that others find, and that it does not grow for ever.
    fn look(&self) {
        let mut inlet = lock(&self.inlet);
        let mut channels = lock(&self.channels);
        channels.is_stuck = false;
        channels.forget();
        if channels.suspects.look(&self.runners) {
            channels.tell_of_a_death();
            // Nobody tells that a folder goes of which files are still open, as is this runner's.
            if inlet.owner.as_deref().is_some_and(|owner| Runner::is_dead(&self.runners, owner)) {
                channels.lose_the_runners();
            }
        }
        let is_good = channels.empty();
        let Some(mailbox) = &channels.mailbox else { return };
        let is_there = mailbox.is_there();
        if !is_there {
            // Somebody took it away, and nobody knows since when.
            channels.wake_all();
        }
        drop(channels);
        if !is_good || !is_there {
            self.follow(&mut inlet);
        }
    }

    /// Another mailbox follows the present one.
    fn follow(&self, inlet: &mut Inlet) {
        let Some(owner) = inlet.owner.clone() else { return };
        inlet.made = inlet.made.saturating_add(1);
        let mailbox = match Mailbox::make(&self.wake, &owner, inlet.made) {
            Ok(mailbox) => mailbox,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot make a new mailbox for wake-ups");
                // A slow look tries again, and no letter does.
                let mut channels = lock(&self.channels);
                channels.is_stuck = true;
                channels.check_at = Some(Instant::now() + SLOW_LOOK);
                return;
            }
        };
        let is_heard = inlet.platform.as_mut().is_none_or(|platform| {
            platform.watch(mailbox.path(), RecursiveMode::NonRecursive).inspect_err(tell_of_slowness).is_ok()
        });
        let mut channels = lock(&self.channels);
        if !is_heard {
            (channels.awaits_echo, channels.check_at) = (true, None);
        }
        let Some(mut old) = channels.mailbox.replace(mailbox) else { return };
        // Before it was ours to read, it may have got letters that the platform told of.
        channels.empty();
        // In this order: see the mailbox's module.
        old.hide();
        channels.deliver(&mut old);
        drop(channels);
        if let Some(platform) = &mut inlet.platform {
            // It may have noticed already that there is nothing to watch any more.
            let _ = platform.unwatch(old.path());
        }
    }
}

impl Channels {
    fn wake(&self, execution: ExecutionId) {
        change(&self.all);
        self.by_execution.get(&execution).into_iter().for_each(change);
    }

    fn wake_all(&self) {
        change(&self.all);
        self.by_execution.values().for_each(change);
    }

    /// Delivers what the mailbox holds. False where another should follow it.
    fn empty(&mut self) -> bool {
        let Some(mut mailbox) = self.mailbox.take() else { return true };
        self.deliver(&mut mailbox);
        let is_over = mailbox.is_over();
        self.mailbox = Some(mailbox);
        !is_over
    }

    /// Wakes those to whom the letters in a mailbox are.
    fn deliver(&self, mailbox: &mut Mailbox) {
        if mailbox.take_out(|execution| self.wake(execution)).is_err() {
            // Nobody knows to whom the others were, and a wake-up for nothing harms nobody.
            self.wake_all();
        }
    }

    /// Forgets executions that nobody watches any more.
    fn forget(&mut self) {
        self.by_execution.retain(|_, sender| sender.receiver_count() > 0);
        self.left = self.by_execution.len();
    }

    /// The same where they are many: looks may be far between.
    fn forget_if_many(&mut self) {
        if self.by_execution.len() >= self.left.saturating_mul(2).max(MANY) {
            self.forget();
        }
    }

    fn tell_of_a_death(&self) {
        self.deaths.send_modify(|deaths| deaths.count = deaths.count.wrapping_add(1));
    }

    /// The lock files are elsewhere, or nowhere.
    fn lose_the_runners(&mut self) {
        (self.hears_runners, self.check_at) = (false, None);
        self.tell_whether_deaths_are_told(false);
    }

    fn tell_whether_deaths_are_told(&self, are_told: bool) {
        self.deaths.send_if_modified(|deaths| std::mem::replace(&mut deaths.are_told, are_told) != are_told);
    }

    /// How long there is nothing to look at, unless somebody calls.
    fn pause(&self) -> Duration {
        let check = self.check_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
        self.suspects.pause().map_or(check, |pause| pause.min(check))
    }

    fn is_time_to_check(&self) -> bool {
        self.check_at.is_none_or(|at| at <= Instant::now())
    }

    fn call_for_a_look(&self) {
        if let Some(look) = &self.look {
            // If it was called already, it has yet to look.
            let _ = look.try_send(());
        }
    }
}

fn change(sender: &watch::Sender<u64>) {
    sender.send_modify(|count| *count = count.wrapping_add(1));
}

fn tell_of_slowness(error: &notify::Error) {
    tracing::warn!(%error, "cannot watch the data folder: news from other processes come up to two seconds late");
}
