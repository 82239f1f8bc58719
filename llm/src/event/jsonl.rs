//! Events into a file or any other writer, one line each.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::subscriber::{DeliveryError, Subscriber};
use super::{Event, atof};

use crate::mutex::lock;

/// Writes every event as a line of ATOF JSON and flushes it.
///
/// After the first error nothing more is written: half a line may be there already, and what followed could not be read. The error
/// is kept for [`JsonLines::finish`].
#[derive(Debug)]
pub struct JsonLines<W> {
    state: Mutex<State<W>>,
}

#[derive(Debug)]
struct State<W> {
    writer: W,
    error: Option<std::io::Error>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to `writer`. Whether a file is appended to or overwritten is decided by how it was opened.
    pub fn new(writer: W) -> Self {
        Self { state: Mutex::new(State { writer, error: None }) }
    }

    /// The writer, when nothing more will come.
    ///
    /// # Errors
    ///
    /// The first error that a line met, or the error of the last flush.
    pub fn finish(self) -> std::io::Result<W> {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.error {
            Some(error) => Err(error),
            None => state.writer.flush().map(|()| state.writer),
        }
    }
}

impl<W: Write + Send> Subscriber for JsonLines<W> {
    fn on_event(&self, event: &Event) -> Result<(), DeliveryError> {
        let mut line = atof::to_line(event);
        line.push('\n');
        let mut state = lock(&self.state);
        if let Some(error) = &state.error {
            return Err(DeliveryError(Box::new(std::io::Error::from(error.kind()))));
        }
        let State { writer, error } = &mut *state;
        writer.write_all(line.as_bytes()).and_then(|()| writer.flush()).map_err(|failed| {
            let kind = failed.kind();
            *error = Some(failed);
            DeliveryError(Box::new(std::io::Error::from(kind)))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use serde_json::Value;
    use uuid::Uuid;

    use super::super::Kind;
    use super::*;
    use crate::clock::Timestamp;

    fn mark(name: &str) -> Event {
        Event {
            uuid: Uuid::nil(),
            parent: None,
            timestamp: Timestamp::from_micros(0),
            name: name.into(),
            kind: Kind::Mark { category: None },
            profile: None,
            data: Value::Null,
            data_schema: None,
            metadata: Value::Null,
        }
    }

    #[test]
    fn each_event_is_a_line() {
        let lines = JsonLines::new(Vec::new());
        lines.on_event(&mark("a\nb")).unwrap();
        lines.on_event(&mark("c")).unwrap();
        let text = String::from_utf8(lines.finish().unwrap()).unwrap();
        let names: Vec<_> = text.lines().map(|line| atof::from_line(line).unwrap().name).collect();
        assert_eq!(names, ["a\nb", "c"]);
    }

    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = self.0.min(bytes.len());
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_first_error_stops_it_and_is_kept() {
        let lines = JsonLines::new(Full(10));
        assert!(lines.on_event(&mark("a")).is_err());
        assert!(lines.on_event(&mark("b")).is_err());
        assert_eq!(lines.finish().err().map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
    }
}
