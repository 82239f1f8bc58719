//! Follows executions while this process drives them, and tells files and a collector what happens.
//!
//! It reads what is stored, a little later than it happens, and so needs nothing of the engine but to know who is driven: no step waits for
//! it, and it cannot fail one. Each record is told by the process that was driving when it was made; files know what they have, and get what a
//! process that died has left out.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kitaru_llm::event::otel::Options;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::atof_file::AtofFile;
use super::feed::{Feed, Lineage};
use super::log_store::{LogShipping, LogStoreSettings};
use super::otlp::{Exporter, OpenSpans};
use super::report::TelemetryReport;
use super::settings::TelemetrySettings;
use crate::clock::Clock;
use crate::engine::{EngineError, Measures, Monitor};
use crate::ids::ExecutionId;
use crate::store::{Store, StoreError};

/// How often running executions are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Beginnings and ends of drives that wait to be noticed.
const QUEUE: usize = 16 * 1024;
/// Failed reads of one execution in a row before it is given up; the pauses between them grow from [`LOOK`] to [`LONGEST_PAUSE`].
const MOST_FAILURES: u32 = 12;
/// The longest pause after a failed read.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long the end of the process waits, for the store and for the collector.
const PATIENCE: Duration = Duration::from_secs(5);

enum News {
    /// Somebody here drives it; so many records were made before.
    Begun(ExecutionId, u64),
    Stopped(ExecutionId),
    Finish(oneshot::Sender<Failures>),
}

/// What went wrong with files and with the reading, first of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Failures {
    file: Option<String>,
    reading: Option<String>,
}

/// Follows executions until it is told to finish.
pub struct Watcher {
    desk: NewsDesk,
}

#[derive(Clone)]
struct NewsDesk {
    /// Who follows events, if anybody wants them.
    news: Option<mpsc::Sender<News>>,
    unfollowed: Arc<AtomicU64>,
    otlp: Option<Arc<Exporter>>,
    logs: Option<Arc<LogShipping>>,
}

impl Monitor for NewsDesk {
    fn begun(&self, execution: ExecutionId, records: u64) {
        if self.news.as_ref().is_some_and(|news| news.try_send(News::Begun(execution, records)).is_err()) {
            self.unfollowed.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(logs) = &self.logs {
            logs.begun(execution);
        }
    }

    fn stopped(&self, execution: ExecutionId) {
        // If this is lost, it is noticed at the next look that it has ended, or at the end of the process.
        let _ = self.news.as_ref().map(|news| news.try_send(News::Stopped(execution)));
        if let Some(logs) = &self.logs {
            logs.stopped(execution);
        }
    }

    fn measured_by(&self, measure: Box<dyn Fn() -> Measures + Send + Sync>) {
        if let Some(otlp) = &self.otlp {
            otlp.measured_by(measure);
        }
    }
}

impl Watcher {
    /// Starts following; none where nothing is to be told to anybody. Beside it, what was said in the settings and cannot be done, for people.
    pub fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: TelemetrySettings,
        log_store: Option<LogStoreSettings>,
    ) -> (Option<Self>, Vec<String>) {
        let TelemetrySettings { atof, otlp, mut notes } = settings;
        let content = otlp.as_ref().is_some_and(|otlp| otlp.content);
        let otlp = otlp.and_then(|otlp| match Exporter::start(otlp, clock.clone()) {
            Ok(exporter) => Some(Arc::new(exporter)),
            Err(why) => {
                notes.push(format!("nothing is sent to the collector: {why}"));
                None
            }
        });
        let logs = log_store.and_then(|settings| match LogShipping::start(store.clone(), clock, settings) {
            Ok(shipping) => Some(Arc::new(shipping)),
            Err(why) => {
                notes.push(format!("nothing is sent to the log store: {why}"));
                None
            }
        });
        let news = (atof.is_some() || otlp.is_some()).then(|| {
            let (news, received) = mpsc::channel(QUEUE);
            let (followed, failures, options) = (HashMap::new(), Failures::default(), Options { content });
            let desk = Desk { store, atof, otlp: otlp.clone(), options, followed, failures };
            tokio::spawn(desk.run(received));
            news
        });
        if news.is_none() && logs.is_none() {
            return (None, notes);
        }
        (Some(Self { desk: NewsDesk { news, unfollowed: Arc::default(), otlp, logs } }), notes)
    }

    /// What an engine tells of its drives.
    pub fn monitor(&self) -> Arc<dyn Monitor> {
        Arc::new(self.desk.clone())
    }

    /// Tells what is left to tell, which takes ten seconds at most.
    pub async fn finish(&self) -> TelemetryReport {
        let NewsDesk { news, unfollowed, otlp, logs } = &self.desk;
        let events = async {
            let failures = match news {
                Some(news) => finish_events(news).await,
                None => Failures::default(),
            };
            if let Some(otlp) = otlp {
                otlp.flush(PATIENCE).await;
            }
            failures
        };
        let lines = async {
            match logs {
                Some(logs) => Some(logs.finish().await),
                None => None,
            }
        };
        let (Failures { file, reading }, logs) = tokio::join!(events, lines);
        TelemetryReport {
            unfollowed: unfollowed.load(Ordering::Relaxed),
            file_error: file,
            read_error: reading,
            otlp: otlp.as_ref().map(|otlp| otlp.report()),
            logs,
        }
    }
}

async fn finish_events(news: &mpsc::Sender<News>) -> Failures {
    let finished = async {
        let (done, wait) = oneshot::channel();
        if news.send(News::Finish(done)).await.is_err() {
            return None;
        }
        wait.await.ok()
    };
    let failures = tokio::time::timeout(PATIENCE, finished).await.ok().flatten();
    failures.unwrap_or_else(|| Failures { reading: Some("the store took too long".into()), file: None })
}

/// An execution that is driven here.
struct Followed {
    feed: Feed,
    /// Records from here on are told to the collector: those before were made by somebody else, who told them.
    from: u64,
    file: Option<AtofFile>,
    /// Events that wait for their file, which another process has open.
    unwritten: Vec<kitaru_llm::event::Event>,
    spans: OpenSpans,
    lineage: Option<Lineage>,
    /// It is not driven here any more, and only what was not read or written yet is left to tell.
    stopped: bool,
    /// It is not driven here any more, and what was recorded until then could not be read yet.
    leaving: bool,
    /// Reads that failed since the last one that did not.
    failures: u32,
    /// No look before this, after a failed read.
    not_before: Option<Instant>,
}

struct Desk {
    store: Arc<dyn Store>,
    atof: Option<PathBuf>,
    otlp: Option<Arc<Exporter>>,
    options: Options,
    followed: HashMap<ExecutionId, Followed>,
    failures: Failures,
}

impl Desk {
    async fn run(mut self, mut news: mpsc::Receiver<News>) {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                next = news.recv() => match next {
                    None => return,
                    Some(News::Begun(id, records)) => self.begin(id, records),
                    Some(News::Stopped(id)) => {
                        self.look(id, false).await;
                        if let Some(followed) = self.followed.get_mut(&id) {
                            (followed.stopped, followed.leaving) = (followed.failures == 0, followed.failures > 0);
                        }
                        self.forget(id);
                    }
                    Some(News::Finish(done)) => {
                        self.look_at_all(false).await;
                        if self.followed.values().any(|followed| followed.failures > 0) {
                            self.failures.reading.get_or_insert_with(|| "the store could not be read in time".to_owned());
                        }
                        if self.followed.values().any(|followed| !followed.unwritten.is_empty()) {
                            let why = || "another process has the file of an execution open".to_owned();
                            self.failures.file.get_or_insert_with(why);
                        }
                        // Nobody may wait any more.
                        let _ = done.send(self.failures.clone());
                    }
                },
                _ = tick.tick(), if !self.followed.is_empty() => self.look_at_all(true).await,
            }
        }
    }

    fn begin(&mut self, id: ExecutionId, from: u64) {
        let store = &self.store;
        match self.followed.get_mut(&id) {
            Some(followed) if followed.stopped => (followed.stopped, followed.from) = (false, from),
            Some(followed) => followed.leaving = false,
            None => {}
        }
        self.followed.entry(id).or_insert_with(|| Followed {
            // What the journal has was not sanitised for anybody: only an export that somebody asks for shows it.
            feed: Feed::new(store.clone(), id, false),
            from,
            file: None,
            unwritten: Vec::new(),
            spans: OpenSpans::default(),
            lineage: None,
            stopped: false,
            leaving: false,
            failures: 0,
            not_before: None,
        });
    }

    /// Looks at all; with `patient` not at those whose last read failed a short while ago.
    async fn look_at_all(&mut self, patient: bool) {
        for id in self.followed.keys().copied().collect::<Vec<_>>() {
            self.look(id, patient).await;
            self.forget(id);
        }
    }

    /// Forgets an execution of which nothing is left to tell.
    fn forget(&mut self, id: ExecutionId) {
        let is_done = |followed: &Followed| {
            let read = followed.feed.is_over() || followed.stopped;
            read && followed.unwritten.is_empty()
        };
        if self.followed.get(&id).is_some_and(is_done) {
            self.followed.remove(&id);
        }
    }

    async fn look(&mut self, id: ExecutionId, patient: bool) {
        let Some(followed) = self.followed.get_mut(&id) else { return };
        if patient && followed.not_before.is_some_and(|moment| Instant::now() < moment) {
            return;
        }
        let looked = match followed.feed.look().await {
            Ok(look) => {
                (followed.failures, followed.not_before) = (0, None);
                look
            }
            // It is about to be created, or was deleted since.
            Err(EngineError::Store(StoreError::NotFound { .. })) => {
                followed.failures = 0;
                return;
            }
            // A store that is busy or out of reach comes back, and the feed goes on where it was.
            Err(error) if error.may_pass() && followed.failures < MOST_FAILURES => {
                let pause = pause_after(followed.failures);
                followed.failures = followed.failures.saturating_add(1);
                followed.not_before = Some(Instant::now() + pause);
                tracing::debug!(execution = %id, error = &error as &dyn std::error::Error, "an execution is read again later");
                return;
            }
            // One that cannot be read keeps nobody else from being told.
            Err(error) => {
                tracing::warn!(execution = %id, error = &error as &dyn std::error::Error, "an execution could not be followed");
                self.failures.reading.get_or_insert_with(|| error.to_string());
                self.followed.remove(&id);
                return;
            }
        };
        if let Some(exporter) = &self.otlp {
            if followed.lineage.is_none() {
                followed.lineage = followed.feed.lineage().await.ok();
            }
            for (seq, event) in &looked.events {
                let ended = followed.spans.take(event, self.options);
                let is_ours = *seq >= followed.from && !followed.stopped;
                if let (Some(ended), Some(lineage), true) = (ended, &followed.lineage, is_ours) {
                    exporter.hand_over(ended, lineage);
                }
            }
        }
        if let Some(folder) = self.atof.as_deref().filter(|_| self.failures.file.is_none()) {
            followed.unwritten.extend(looked.events.into_iter().map(|(_, event)| event));
            if let Err(error) = write(folder, id, followed) {
                tracing::warn!(error, "events are not written any more");
                self.failures.file = Some(error);
            }
        }
        followed.stopped |= std::mem::take(&mut followed.leaving);
    }
}

/// How long after so many failed reads in a row, and one more, the next look waits.
fn pause_after(failures: u32) -> Duration {
    LOOK.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE)
}

fn write(folder: &std::path::Path, id: ExecutionId, followed: &mut Followed) -> Result<(), String> {
    let failed = |error: &dyn std::error::Error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{}: {error}{cause}", AtofFile::path(folder, id).display())
    };
    if followed.file.is_none() && !followed.unwritten.is_empty() {
        followed.file = AtofFile::open(folder, id).map_err(|error| failed(&error))?;
    }
    // Another process may still be about to close it: then it is for the next look.
    let Some(file) = &mut followed.file else { return Ok(()) };
    let mut events = std::mem::take(&mut followed.unwritten);
    super::sort(&mut events);
    events.iter().try_for_each(|event| file.write(event).map_err(|error| failed(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        let seconds: Vec<u64> = (0..9).map(|failures| pause_after(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
