//! The record of who did what: kept for a while, and never with a value or a secret in it.

use std::time::Duration;

use super::rate::Bucket;
use super::{Access, AccessError, Caller, Source};
use crate::mutex::lock;
use crate::store::{AuditBounds, AuditEntry, AuditFilter, AuditRow};

/// How many entries are kept.
const ENTRIES: u64 = 100_000;
/// For how long.
const KEPT_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The longest text of an entry, in characters.
const LONGEST: usize = 200;
/// Refused log-ins that are noted at once, so that nobody can push the rest out of the record by guessing.
const REFUSALS_AT_ONCE: f64 = 20.0;
/// And for long: one in a minute.
const REFUSALS_PER_SECOND: f64 = 1.0 / 60.0;

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// The caller may not.
    Refused,
    /// It could not be done.
    Failed,
}

impl Outcome {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What is to be noted. It may name things, and has no value of anything.
#[derive(Clone, Debug)]
pub struct Note<'a> {
    /// What was done, by the name of the verb.
    pub verb: &'a str,
    /// To what.
    pub subject: Option<String>,
    /// How it went.
    pub outcome: Outcome,
    /// What else is to be said.
    pub detail: Option<String>,
}

impl<'a> Note<'a> {
    /// A note without more.
    pub fn of(verb: &'a str, outcome: Outcome) -> Self {
        Self { verb, subject: None, outcome, detail: None }
    }

    /// The same, about this.
    #[must_use]
    pub fn about(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// The same, with this to be said too.
    #[must_use]
    pub fn with(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Only of this one.
    pub who: Option<String>,
    /// Only of this verb, or of all that begin with it and a dot.
    pub verb: Option<String>,
    /// Only about this.
    pub subject: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Go on after the page that gave this.
    pub cursor: Option<u64>,
    /// How many to give at most.
    pub limit: u64,
}

/// A page of the record, the newest first.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// The entries.
    pub rows: Vec<AuditRow>,
    /// Where the next page begins, if there may be one.
    pub next_cursor: Option<u64>,
}

/// Log-ins that were refused: some are noted, the others counted.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    bucket: Option<Bucket>,
    unnoted: u64,
}

impl Access {
    /// Notes what a caller did, or was refused.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn note(&self, caller: &Caller, source: Source, note: Note<'_>) -> Result<(), AccessError> {
        self.write(caller.who.name(), caller.via.as_str(), source, note).await
    }

    /// Notes that somebody failed to log in, whom nobody knows.
    pub(super) async fn note_refused_log_in(&self, source: Source) {
        let before = {
            let mut refusals = lock(&self.shared.refusals);
            let now = self.now();
            let bucket = refusals.bucket.get_or_insert_with(|| Bucket::full(REFUSALS_AT_ONCE, now));
            match bucket.take(REFUSALS_AT_ONCE, REFUSALS_PER_SECOND, now) {
                Ok(()) => std::mem::take(&mut refusals.unnoted),
                Err(_) => {
                    refusals.unnoted = refusals.unnoted.saturating_add(1);
                    return;
                }
            }
        };
        let mut note = Note::of("auth.log-in", Outcome::Refused);
        if before > 0 {
            note = note.with(format!("{before} more before it"));
        }
        if let Err(error) = self.write("unknown", "none", source, note).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a refused log-in was not noted");
        }
    }

    async fn write(&self, who: &str, via: &str, source: Source, note: Note<'_>) -> Result<(), AccessError> {
        let now = self.now();
        let entry = AuditEntry {
            at: now,
            who: short(who),
            via: via.to_owned(),
            verb: short(note.verb),
            subject: note.subject.as_deref().map(short),
            outcome: note.outcome.as_str().to_owned(),
            source: source.text(),
            detail: note.detail.as_deref().map(short),
        };
        let kept_for = i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX);
        let since = crate::clock::Timestamp::from_micros(now.as_micros().saturating_sub(kept_for));
        Ok(self.store().note(entry, AuditBounds { entries: ENTRIES, since }).await?)
    }

    /// A page of the record.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn audit(&self, query: AuditQuery) -> Result<AuditPage, AccessError> {
        let AuditQuery { who, verb, subject, outcome, cursor, limit } = query;
        // One more than is asked for tells whether there is a next page.
        let filter = AuditFilter { who, verb, subject, outcome, before: cursor, limit: limit.saturating_add(1) };
        let mut rows = self.store().audit(filter).await?;
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = rows.len() > most;
        rows.truncate(most);
        let next_cursor = rows.last().filter(|_| has_more).map(|row| row.number);
        Ok(AuditPage { rows, next_cursor })
    }

    /// Counts a request of a caller.
    ///
    /// # Errors
    /// [`AccessError::TooMany`].
    pub fn admit(&self, caller: &Caller) -> Result<(), AccessError> {
        lock(&self.shared.rates).admit(caller, self.now())
    }
}

/// As much of a text as is kept.
fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
