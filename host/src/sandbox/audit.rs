//! What a checkpoint attempt used of its grants, and what it was denied.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::mutex::lock;

/// A kind of capability, as its flag names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessKind {
    /// A file or folder was read.
    Read,
    /// A file or folder was written, made, renamed or removed.
    Write,
    /// An environment variable was given to the body.
    Env,
    /// A name was looked up, an address connected to, a request sent.
    Net,
    /// A secret was given away: to a server, or to the body itself.
    Secret,
    /// A model was called.
    Llm,
    /// What another execution kept was loaded.
    Load,
}

impl AccessKind {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Read, Self::Write, Self::Env, Self::Net, Self::Secret, Self::Llm, Self::Load];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Env => "env",
            Self::Net => "net",
            Self::Secret => "secret",
            Self::Llm => "llm",
            Self::Load => "load",
        }
    }
}

/// One use, or one denial, of a capability: all of its kind on the same target, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Of what kind.
    pub kind: AccessKind,
    /// What was touched: a path as the guest says it, a name of a variable, `GET https://host:443/path` without its query, `host:port`, a model as it was
    /// asked for, `<execution>/<name>` of what another execution kept.
    pub target: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// How often.
    pub count: u64,
    /// When it happened first.
    pub first_at: Timestamp,
    /// What else is to be known, without anything secret: the version of a secret, the model that an alias stood for, why a model was refused.
    pub detail: Option<String>,
}

/// Different targets of one kind that one attempt's record names; what comes after is counted in one entry of its kind. Kinds do not share them: who
/// reads many files is not to hide where it connects to.
const TARGETS: usize = 256;
/// Denials that a failure names.
const NAMED_DENIALS: usize = 16;
/// Target of what is only counted.
const OTHERS: &str = "(others)";
/// A longer target is cut, in bytes.
const LONGEST_TARGET: usize = 1024;

/// An access, and how much of it was told already.
#[derive(Debug)]
struct Noted {
    access: Access,
    told: u64,
    /// When it happened first of what was not told yet.
    since: Timestamp,
}

#[derive(Debug, Default)]
struct Seen {
    accesses: Vec<Noted>,
    denials: Vec<String>,
    /// Something was not told yet.
    has_news: bool,
}

/// The record of one attempt. Clones share it.
#[derive(Clone)]
pub struct Audit(Arc<Record>);

struct Record {
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
    /// Something was noted after there had been nothing to tell.
    noted: Notify,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Audit").field(&self.0.seen).finish()
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl Audit {
    /// An empty one.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Record { clock, seen: Mutex::default(), noted: Notify::new() }))
    }

    /// A granted capability is used.
    pub fn used(&self, kind: AccessKind, target: &str) {
        self.note(kind, target, true, None);
    }

    /// The same, with what else is to be known of it.
    pub fn used_with(&self, kind: AccessKind, target: &str, detail: String) {
        self.note(kind, target, true, Some(detail));
    }

    /// A capability is refused. `wanted` names it for people, and `flag` is what grants it.
    pub fn denied(&self, kind: AccessKind, target: &str, wanted: &str, flag: &str) {
        self.note(kind, target, false, None);
        self.explain(format!("{wanted} (grant it with {flag})"));
    }

    /// A capability is refused because the checkpoint does not declare that it needs it: no flag would help.
    pub fn undeclared(&self, kind: AccessKind, target: &str, wanted: &str) {
        self.note(kind, target, false, None);
        self.explain(format!("{wanted} (the checkpoint does not declare that it needs that, so no grant reaches it)"));
    }

    /// The same where no flag grants it: `why` says what was tried and what is against it.
    pub fn refused(&self, kind: AccessKind, target: &str, why: String) {
        self.note(kind, target, false, None);
        self.explain(why);
    }

    /// A capability that is declared was not granted, and the attempt runs without it. Whether that matters, nobody knows: a failure is not explained
    /// by it.
    pub fn withheld(&self, kind: AccessKind, target: &str) {
        self.note(kind, target, false, None);
    }

    /// What became of a use that explains itself where it fails.
    pub fn noted(&self, kind: AccessKind, target: &str, allowed: bool, detail: Option<String>) {
        self.note(kind, target, allowed, detail);
    }

    /// A text for the failure of the attempt; the same one is noted once.
    pub(super) fn explain(&self, denial: String) {
        let mut seen = lock(&self.0.seen);
        // A guest that tries a thousand addresses must not fill the host's memory.
        if seen.denials.len() < NAMED_DENIALS && !seen.denials.contains(&denial) {
            seen.denials.push(denial);
        }
    }

    fn note(&self, kind: AccessKind, target: &str, allowed: bool, detail: Option<String>) {
        let target = target.get(..target.floor_char_boundary(LONGEST_TARGET)).unwrap_or_default();
        let first_at = self.0.clock.now();
        let mut seen = lock(&self.0.seen);
        if !std::mem::replace(&mut seen.has_news, true) {
            self.0.noted.notify_one();
        }
        let same = |noted: &&mut Noted, target: &str| {
            let access = &noted.access;
            access.kind == kind && access.allowed == allowed && access.target == target
        };
        if let Some(known) = seen.accesses.iter_mut().find(|noted| same(noted, target) && noted.access.detail == detail) {
            known.again(first_at);
            return;
        }
        let named = seen.accesses.iter().filter(|noted| noted.access.kind == kind).count();
        let first = |target: &str, detail| Access { kind, target: target.to_owned(), allowed, count: 1, first_at, detail };
        if named < TARGETS {
            seen.accesses.push(Noted { access: first(target, detail), told: 0, since: first_at });
            return;
        }
        match seen.accesses.iter_mut().find(|noted| same(noted, OTHERS)) {
            Some(others) => others.again(first_at),
            // One for each kind and verdict at most.
            None => seen.accesses.push(Noted { access: first(OTHERS, None), told: 0, since: first_at }),
        }
    }

    /// What was denied so far, for people, each with the flag that grants it.
    pub fn denials(&self) -> Vec<String> {
        lock(&self.0.seen).denials.clone()
    }

    /// What has happened so far, in the order in which it began.
    pub fn accesses(&self) -> Vec<Access> {
        lock(&self.0.seen).accesses.iter().map(|noted| noted.access.clone()).collect()
    }

    /// Returns when there may be something that was not told yet. For one who waits.
    pub async fn has_news(&self) {
        // A permit may be left of what was told since.
        while !lock(&self.0.seen).has_news {
            self.0.noted.notified().await;
        }
    }

    /// What has happened since this was last asked, and how often in that time.
    pub fn news(&self) -> Vec<Access> {
        let mut seen = lock(&self.0.seen);
        if !std::mem::take(&mut seen.has_news) {
            return Vec::new();
        }
        seen.accesses.iter_mut().filter_map(Noted::tell).collect()
    }
}

/// The same without their targets: one for each kind and verdict.
pub fn together(accesses: Vec<Access>) -> Vec<Access> {
    let mut sums: Vec<Access> = Vec::new();
    for access in accesses {
        match sums.iter_mut().find(|sum| sum.kind == access.kind && sum.allowed == access.allowed) {
            Some(sum) => {
                sum.count = sum.count.saturating_add(access.count);
                sum.first_at = sum.first_at.min(access.first_at);
            }
            None => sums.push(Access { target: OTHERS.to_owned(), detail: None, ..access }),
        }
    }
    sums
}

impl Noted {
    fn again(&mut self, at: Timestamp) {
        if self.told == self.access.count {
            self.since = at;
        }
        self.access.count = self.access.count.saturating_add(1);
    }

    fn tell(&mut self) -> Option<Access> {
        let count = self.access.count.saturating_sub(self.told);
        self.told = self.access.count;
        (count > 0).then(|| Access { count, first_at: self.since, ..self.access.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn uses_are_counted_and_bounded() {
        let audit = Audit::default();
        audit.used(AccessKind::Net, "a:1");
        audit.used(AccessKind::Net, "a:1");
        audit.denied(AccessKind::Net, "a:1", "network access to a:1", "--allow-net=a:1");
        for number in 0..2 * TARGETS {
            audit.denied(AccessKind::Read, &format!("file-{number}"), "reading", "--allow-read=x");
        }
        // What fills the record with one kind hides nothing of another.
        audit.used(AccessKind::Secret, "gh");
        let accesses = audit.accesses();
        assert_eq!((accesses[0].count, accesses[0].allowed), (2, true));
        assert_eq!((accesses[1].count, accesses[1].allowed), (1, false));
        assert_eq!(accesses.len(), 2 + TARGETS + 2);
        let others = &accesses[2 + TARGETS];
        assert_eq!((others.target.as_str(), others.count), (OTHERS, TARGETS as u64));
        assert_eq!(accesses.last().map(|access| access.target.as_str()), Some("gh"));
        let sums = together(accesses);
        let sums: Vec<_> = sums.iter().map(|sum| (sum.kind, sum.allowed, sum.target.as_str(), sum.count)).collect();
        let reads = (AccessKind::Read, false, OTHERS, 2 * TARGETS as u64);
        let net = |allowed, count| (AccessKind::Net, allowed, OTHERS, count);
        assert_eq!(sums, [net(true, 2), net(false, 1), reads, (AccessKind::Secret, true, OTHERS, 1)]);
        assert_eq!(
            audit.denials(),
            ["network access to a:1 (grant it with --allow-net=a:1)", "reading (grant it with --allow-read=x)"]
        );
    }

    #[tokio::test]
    async fn whoever_waits_for_news_is_told_when_there_are_some() {
        let audit = Audit::default();
        let mut told = Box::pin(audit.has_news());
        let mut nobody = Context::from_waker(Waker::noop());
        assert!(told.as_mut().poll(&mut nobody).is_pending(), "nothing was used");
        audit.used(AccessKind::Net, "a:1");
        told.await;
        audit.has_news().await;
        assert_eq!(audit.news().len(), 1);
        assert!(Box::pin(audit.has_news()).as_mut().poll(&mut nobody).is_pending(), "it was told");
    }

    #[test]
    fn news_are_told_once() {
        let audit = Audit::default();
        assert_eq!(audit.news(), []);
        let told = || audit.news().into_iter().map(|access| (access.target, access.count)).collect::<Vec<_>>();
        audit.used(AccessKind::Net, "a:1");
        audit.used(AccessKind::Net, "a:1");
        assert_eq!(told(), [("a:1".to_owned(), 2)]);
        assert_eq!(told(), []);
        audit.used(AccessKind::Net, "b:2");
        audit.used(AccessKind::Net, "a:1");
        let before = audit.accesses()[0].first_at;
        let news = audit.news();
        assert_eq!(
            news.iter().map(|access| (access.target.as_str(), access.count)).collect::<Vec<_>>(),
            [("a:1", 1), ("b:2", 1)]
        );
        assert!(news[0].first_at >= before, "the time of what is told, and not of what was told before");
        assert_eq!(audit.accesses()[0].count, 3, "the whole is known all the same");
        audit.withheld(AccessKind::Env, "LANG");
        audit.undeclared(AccessKind::Net, "c:3", "network access to c:3");
        assert_eq!(audit.denials().len(), 1, "what may not matter explains nothing");
        assert!(!audit.denials()[0].contains("--allow"), "{:?}", audit.denials());
        assert_eq!(told().len(), 2);
    }
}
