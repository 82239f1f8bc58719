//! Live progress on standard error while a person watches: which checkpoint runs and for how long, what was served, what the flow says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::OwoColorize as _;

use super::terminal::one_line;
use crate::engine::{Event, LiveChunk, Said, ServedFrom};
use crate::ids::ExecutionId;
use crate::journal::LogLevel;
use crate::store::LogSource;

/// So many characters of what a model says are shown beside its name.
const SAID: usize = 48;

/// Shows events as they come.
pub(super) struct Progress {
    live: bool,
    /// The line that moves, while something runs.
    bar: Option<ProgressBar>,
    /// Bodies that run, and since when.
    running: BTreeMap<(ExecutionId, u32), (String, Instant)>,
    /// Who speaks, and the last that they said.
    said: (String, String),
    /// Served calls are counted, and told in one line.
    served: (u32, Option<ServedFrom>),
}

impl Progress {
    /// With `live`, a line that moves; otherwise only lines that stay.
    pub(super) fn new(live: bool) -> Self {
        Self { live, bar: None, running: BTreeMap::new(), said: <_>::default(), served: (0, None) }
    }

    /// A line that stays, above the one that moves.
    pub(super) fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| anstream::eprintln!("{line}")),
            None => anstream::eprintln!("{line}"),
        }
    }

    /// Shows what happened at a moment. It may be some time ago: nothing is shown while a question stands at the terminal.
    pub(super) fn show(&mut self, at: Instant, event: &Event) {
        if !matches!(event, Event::Served { .. } | Event::Log(_) | Event::Progress { .. }) {
            self.tell_served();
        }
        match event {
            Event::Started { .. } | Event::Answered { .. } => {}
            Event::FlowRetry { failure, retry, retries } => {
                self.say(&format!("{} the flow failed, retry {retry} of {retries}: {}", "✗".red(), one_line(&failure.message)));
            }
            Event::Served { kind, invocation, from, .. } => match from {
                ServedFrom::Override => {
                    self.say(&format!("{} {} {}", "•".cyan(), one_line(invocation), "overridden".dimmed()));
                }
                from => {
                    // One line for a checkpoint of interest, one for many.
                    if self.served.1.as_ref().is_some_and(|known| known != from) {
                        self.tell_served();
                    }
                    self.served = (self.served.0 + 1, Some(from.clone()));
                    if kind.is_checkpoint() && self.served.0 <= 20 {
                        let from = match from {
                            ServedFrom::Source(_) => "served from the replayed execution",
                            ServedFrom::Cache => "served from the cache",
                            _ => "served from the journal",
                        };
                        self.say(&format!("{} {} {}", "•".cyan(), one_line(invocation), from.dimmed()));
                    }
                }
            },
            Event::Running { execution, index, invocation, attempt } => {
                let attempt = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
                self.running.insert((*execution, *index), (format!("{}{attempt}", one_line(invocation)), at));
                self.move_line();
            }
            Event::Ran { execution, index, invocation, failure, again } => {
                let took = self
                    .running
                    .remove(&(*execution, *index))
                    .map(|(_, since)| human(at.saturating_duration_since(since)))
                    .unwrap_or_default();
                self.move_line();
                let name = one_line(invocation);
                match failure {
                    None => self.say(&format!("{} {name} {}", "✓".green(), took.dimmed())),
                    Some(failure) => {
                        let next = if *again { ", trying again" } else { "" };
                        self.say(&format!("{} {name} {}{next}: {}", "✗".red(), took.dimmed(), one_line(&failure.message)));
                    }
                }
            }
            Event::Log(row) => {
                // What goes wrong is seen anyway, in the failure; what the author wants to be read is shown.
                let place = match (&row.source, &row.checkpoint) {
                    (LogSource::Step, Some(checkpoint)) => format!("[{}] ", one_line(checkpoint)),
                    _ => String::new(),
                };
                let text = format!("  {}{}", place.dimmed(), one_line(&row.message));
                if row.level >= LogLevel::Info {
                    self.say(&text);
                }
            }
            Event::Progress { message, fraction, .. } => {
                if let Some(bar) = &self.bar {
                    let part = fraction.map(|fraction| format!(" {:.0} %", fraction * 100.0)).unwrap_or_default();
                    bar.set_message(format!("{}{part}", one_line(message)));
                }
            }
            Event::Waiting { .. } | Event::Stopped { .. } => self.rest(),
        }
    }

    /// Shows the last words that a model said.
    pub(super) fn said(&mut self, chunk: &LiveChunk) {
        let Some(bar) = &self.bar else { return };
        let (speaker, words) = &mut self.said;
        if *speaker != chunk.name {
            (*speaker, *words) = (chunk.name.clone(), String::new());
        }
        match &chunk.said {
            Said::Text(text) => words.push_str(text),
            Said::Withheld => return,
            Said::Ended => words.clear(),
        }
        // As much of it as surely stands in one line, without what would leave it.
        let clean = one_line(&words.split_whitespace().collect::<Vec<_>>().join(" "));
        let from = clean.char_indices().nth_back(SAID - 1).map_or(0, |(at, _)| at);
        let last = clean.get(from..).unwrap_or_default();
        let cut = if from > 0 { "…" } else { "" };
        bar.set_message(format!("{} {}", one_line(speaker), format!("{cut}{last}").dimmed()));
        let from = words.char_indices().nth_back(SAID * 2).map_or(0, |(at, _)| at);
        words.drain(..from);
    }

    /// Shows what runs longest, and how much runs beside it; nothing where nothing runs.
    fn move_line(&mut self) {
        self.rest();
        let Some((name, since)) = self.running.values().min_by_key(|(_, since)| *since).filter(|_| self.live) else { return };
        let bar = ProgressBar::new_spinner().with_elapsed(since.elapsed());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        let beside = self.running.len() - 1;
        bar.set_message(if beside == 0 { name.clone() } else { format!("{name} and {beside} more") });
        bar.enable_steady_tick(Duration::from_millis(100));
        self.bar = Some(bar);
    }

    fn tell_served(&mut self) {
        let (count, from) = std::mem::take(&mut self.served);
        if count > 20 && from.is_some() {
            self.say(&format!("{} {}", "•".cyan(), format!("… {count} calls served in all").dimmed()));
        }
    }

    /// Takes the moving line away.
    fn rest(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    pub(super) fn finish(&mut self) {
        self.tell_served();
        self.rest();
    }
}

/// A duration for people.
fn human(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 120.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.0} min", seconds / 60.0),
    }
}
