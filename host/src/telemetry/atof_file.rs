//! A file of events that grows with its execution: one line for each, appended and flushed at once.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use kitaru_llm::event::{Event, JsonLines, Subscriber as _, atof};
use uuid::Uuid;

use super::identity;
use crate::ids::ExecutionId;

/// The file of one execution. It knows what is in it, so that whoever goes on with the execution adds what is missing and nothing twice.
pub(super) struct AtofFile {
    lines: JsonLines<File>,
    written: HashSet<(Uuid, bool)>,
}

impl AtofFile {
    pub(super) fn path(folder: &Path, execution: ExecutionId) -> PathBuf {
        folder.join(format!("{execution}.jsonl"))
    }

    /// Opens the file, which is made if need be. None while another process writes it.
    pub(super) fn open(folder: &Path, execution: ExecutionId) -> std::io::Result<Option<Self>> {
        std::fs::create_dir_all(folder)?;
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(Self::path(folder, execution))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut written = HashSet::new();
        let mut whole: u64 = 0;
        let mut reader = BufReader::new(&mut file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            // A line that a crash cut is written again.
            if length == 0 || line.last() != Some(&b'\n') {
                break;
            }
            whole = whole.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            let event = std::str::from_utf8(&line).ok().and_then(|line| atof::from_line(line.trim_end()).ok());
            written.extend(event.as_ref().map(identity::key));
        }
        drop(reader);
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        file.flush()?;
        Ok(Some(Self { lines: JsonLines::new(file), written }))
    }

    /// Appends an event that is not there yet.
    pub(super) fn write(&mut self, event: &Event) -> Result<(), kitaru_llm::event::DeliveryError> {
        if !self.written.insert(identity::key(event)) {
            return Ok(());
        }
        self.lines.on_event(event)
    }
}

#[cfg(test)]
mod tests {
    use kitaru_llm::clock::Timestamp;
    use kitaru_llm::event::Kind;
    use serde_json::Value;

    use super::*;

    fn mark(number: u128) -> Event {
        Event {
            uuid: Uuid::from_u128(number),
            parent: None,
            timestamp: Timestamp::from_micros(0),
            name: "m".into(),
            kind: Kind::Mark { category: None },
            profile: None,
            data: Value::Null,
            data_schema: None,
            metadata: Value::Null,
        }
    }

    #[test]
    fn whoever_goes_on_adds_what_is_missing_and_mends_what_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let id = ExecutionId::from_bytes([1; 16]);
        let path = AtofFile::path(&folder.path().join("events"), id);
        let mut first = AtofFile::open(path.parent().unwrap(), id).unwrap().unwrap();
        first.write(&mark(1)).unwrap();
        first.write(&mark(2)).unwrap();
        assert!(AtofFile::open(path.parent().unwrap(), id).unwrap().is_none(), "another one writes it");
        drop(first);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        let mut second = AtofFile::open(path.parent().unwrap(), id).unwrap().unwrap();
        for number in 1..=3 {
            second.write(&mark(number)).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let found: Vec<_> = text.lines().map(|line| atof::from_line(line).unwrap().uuid.as_u128()).collect();
        assert_eq!(found, [1, 2, 3]);
    }
}
