//! What executions leave behind: lines that checkpoint bodies write, rows in the store.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::Host;

/// A line that a body of the counting fixtures wrote: it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The idempotency key that it was given.
    pub key: String,
    /// The number of its attempt.
    pub attempt: u32,
    /// Which step of the flow.
    pub step: u64,
}

/// The file in which the bodies of one flow leave their lines.
pub struct Traces {
    path: String,
}

impl Traces {
    /// How many milliseconds a slow body is given that is to run until the test says otherwise (see [`Traces::open`]): more than a test has
    /// patience for, and less than a host lets a body take.
    pub const HELD: u64 = 120_000;

    /// The file `traces` in the host's working folder, which must be granted with [`Host::writable`].
    pub fn new(host: &Host) -> Self {
        Self { path: host.path("traces") }
    }

    /// Its path as guests name it.
    pub fn guest_path() -> &'static str {
        "out/traces"
    }

    /// Lets the slow bodies of these steps come to their end at once, those that run and those to come.
    pub fn open(&self, steps: impl IntoIterator<Item = u64>) {
        for step in steps {
            std::fs::write(format!("{}.{step}", self.path), "").expect("a file in the working folder");
        }
    }

    /// All bodies that ran, in order.
    pub fn read(&self) -> Vec<Trace> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let trace = |line: &str| {
            let mut words = line.split(' ');
            let trace = (|| {
                let (key, attempt, step) = (words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                Some(Trace { key: key.to_owned(), attempt, step })
            })();
            trace.unwrap_or_else(|| panic!("not a trace: {line:?}"))
        };
        whole.lines().map(trace).collect()
    }

    /// The steps that ran, in order.
    pub fn steps(&self) -> Vec<u64> {
        self.read().iter().map(|trace| trace.step).collect()
    }
}

/// The number that the store's rows have for an execution.
pub(crate) fn key_of(store: &Connection, execution: &str) -> i64 {
    let id = execution.replace('-', "").to_uppercase();
    let found = store.query_row("SELECT id FROM executions WHERE hex(exec_id) = ?1", [&id], |row| row.get(0));
    found.unwrap_or_else(|error| panic!("execution {execution} is not in the store: {error}"))
}

/// What the store holds about an execution, row by row: of `executions` itself and of each of `tables`.
pub(crate) fn rows_of(database: &Path, execution: &str, tables: &[&str]) -> Vec<String> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store is there");
    let key = key_of(&connection, execution);
    let mut rows = Vec::new();
    for table in tables {
        let column = if *table == "executions" { "id" } else { "execution" };
        let mut statement =
            connection.prepare(&format!("SELECT * FROM {table} WHERE {column} = ?1 ORDER BY id")).expect("a table of the store");
        let columns = statement.column_count();
        let mut found = statement.query([key]).expect("rows");
        while let Some(row) = found.next().expect("a row") {
            let cells: Vec<ValueRef<'_>> = (0..columns).map(|column| row.get_ref(column).expect("a cell")).collect();
            rows.push(format!("{table}: {cells:?}"));
        }
    }
    rows
}
