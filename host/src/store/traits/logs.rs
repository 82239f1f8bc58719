//! Log lines, each once (E11).

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::ids::ExecutionId;
use crate::journal::LogLevel;
use crate::store::StoreError;

/// Who wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// A checkpoint body.
    Step,
    /// The flow body, or the host about the execution.
    Runner,
}

impl LogSource {
    /// The word used in JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Runner => "runner",
        }
    }

    /// The source that `word` names.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Step, Self::Runner].into_iter().find(|source| source.as_str() == word)
    }
}

/// A log line. (`execution`, `call`, `attempt`, `ordinal`) names it, so that what a re-executed prefix logs again is recognised.
#[derive(Clone, Debug)]
pub struct LogRow {
    /// Whose.
    pub execution: ExecutionId,
    /// The checkpoint call, or for the flow body the index of the durable call that it makes next.
    pub call: u32,
    /// The attempt; 0 for the flow body.
    pub attempt: u32,
    /// Position in that attempt or stretch of the flow body.
    pub ordinal: u32,
    /// When.
    pub at: Timestamp,
    /// How much it matters.
    pub level: LogLevel,
    /// Who wrote it.
    pub source: LogSource,
    /// The checkpoint's name.
    pub checkpoint: Option<String>,
    /// Where the line came from: `stdout`, `stderr` or `log`.
    pub module: &'static str,
    /// The line.
    pub message: String,
}

/// A stored log line.
#[derive(Clone, Debug)]
pub struct StoredLog {
    /// Grows with every line of the store: the place to go on reading from.
    pub id: u64,
    /// The line; its `module` is one of the three words.
    pub row: LogRow,
}

/// Which lines to read.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// Only lines after this one.
    pub after: Option<u64>,
    /// Only this checkpoint's.
    pub checkpoint: Option<String>,
    /// Only of this source.
    pub source: Option<LogSource>,
    /// At most so many: the last ones, or with `after` the next ones.
    pub limit: Option<u64>,
}

/// Log lines.
#[async_trait]
pub trait Logs {
    /// Adds lines, relaxed; a line whose name is there already is dropped (E11). Not fenced: a line harms nobody.
    async fn log(&self, rows: Vec<LogRow>) -> Result<(), StoreError>;
    /// Lines in the order in which they were added.
    async fn logs(&self, execution: ExecutionId, filter: &LogFilter) -> Result<Vec<StoredLog>, StoreError>;
}
