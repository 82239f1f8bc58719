//! The work of statements, for tests that guard how it grows: instructions of SQLite's machine, with which the clock and other processes have
//! nothing to do.
//!
//! `KITARU_FAULT_COUNT=<file>`: each run of a statement appends a line there when it ends, with how many instructions it took.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};

/// The same connection, whose work is counted if somebody wants to know.
pub(super) fn counted(mut db: Connection) -> rusqlite::Result<Connection> {
    let file = std::env::var_os("KITARU_FAULT_COUNT").map(|path| File::options().create(true).append(true).open(path));
    if let Some(Ok(mut file)) = file {
        // SQLite counts all runs of a statement that is kept together, and those of one that is made anew from the beginning.
        let mut before: HashMap<String, i32> = HashMap::new();
        let count = move |event: TraceEvent<'_>| {
            if let TraceEvent::Profile(statement, _) = event {
                let all = statement.get_status(StatementStatus::VmStep);
                let known = before.insert(statement.sql().into_owned(), all);
                let known =
                    known.filter(|known| *known <= all && statement.get_status(StatementStatus::Run) > 1).unwrap_or_default();
                // Whoever reads the file misses what could not be written.
                let _ = writeln!(file, "{}", all - known);
            }
        };
        db.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(count))?;
    }
    Ok(db)
}
