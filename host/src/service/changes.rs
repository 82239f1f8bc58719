//! What changed of an execution since somebody looked at it: for whoever shows it while it goes on, at a price that does not grow with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ExecutionView, JournalCall, LocalService, ServiceError, executions, journal};
use crate::engine::{JournalRead, is_beginning};
use crate::ids::{ComponentDigest, ExecutionId};

/// What changed of an execution.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExecutionChangesView {
    /// What to give as `since` at the next look.
    pub cursor: String,
    /// Whether all of it is told: what was known before counts no more.
    pub is_whole: bool,
    /// The execution as it is now, with those of its checkpoints, waits and artifacts that belong to the calls in `journal`. Its input does not change,
    /// and is null unless all is told.
    pub execution: ExecutionView,
    /// Durable calls that may have changed, by index. All others are as they were, but for those from the index `execution.resources.calls` on, which
    /// are no more.
    pub journal: Vec<JournalCall>,
}

/// So many calls are always told one by one.
const MANY: usize = 256;

/// What changed since the look that gave `cursor`; everything where there was none, or the journal has become another one since.
pub(super) async fn since(
    service: &LocalService,
    id: ExecutionId,
    cursor: Option<&str>,
) -> Result<ExecutionChangesView, ServiceError> {
    let (engine, store) = (service.engine(), service.store().as_ref());
    let known = cursor.map(Cursor::parse).transpose()?.unwrap_or_default();
    // Before its journal: what has changed between the two is told again.
    let mut row = engine.execution(id).await?;
    let journal = service.journals().up_to_date(store, id).await?;
    if row.status.is_terminal() && journal.history.reopened_seq.is_some_and(|seq| seq >= known.records) {
        // That it goes on is told once: what it shows of calls without an end is not to be of the time before.
        row = engine.execution(id).await?;
    }
    let manifest = engine.known_manifest(row.new.component);
    let code = code(row.new.component, manifest.is_some());
    let is_known = code == known.code && is_beginning(store, id, known.records, &known.link).await?;
    let mut calls = journal.history.changed_since(if is_known { known.records } else { 0 }, row.status.is_terminal());
    // To look up so many one by one takes longer than to read everything.
    let is_whole = !is_known || known.records == 0 || (calls.len() > MANY && calls.len() > journal.history.calls().len() / 2);
    if is_whole {
        calls = (0..journal.history.len()).collect();
    }
    let execution = if is_whole {
        executions::whole(engine, &row, &journal, manifest).await?
    } else {
        executions::part(engine, &row, &journal, &calls, manifest).await?
    };
    let calls = journal::views(engine, &row, &journal.history, calls.into_iter()).await?;
    Ok(ExecutionChangesView { cursor: Cursor::of(&journal, code).to_string(), is_whole, execution, journal: calls })
}

/// What calls are shown with besides what became of them: what its component declares, where this host knows that.
fn code(component: ComponentDigest, is_known: bool) -> u32 {
    let [a, b, c, d, ..] = *component.as_bytes();
    u32::from_be_bytes([a, b, c, d]) & !1 | u32::from(is_known)
}

/// How much of a journal somebody knows: its number of records, and how its last link begins. A host may lose records that were not on the disk yet
/// when its machine died, and go on with others. And which [`code`] it was shown with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cursor {
    records: u64,
    link: [u8; 8],
    code: u32,
}

impl Cursor {
    fn of(journal: &JournalRead, code: u32) -> Self {
        let mut link = [0; 8];
        link.iter_mut().zip(journal.link).for_each(|(to, from)| *to = from);
        Self { records: journal.history.next_seq, link, code }
    }

    fn parse(text: &str) -> Result<Self, ServiceError> {
        let read = || {
            let (records, rest) = text.split_once('-')?;
            let (link, code) = rest.split_once('-').filter(|(link, code)| link.len() == 16 && code.len() == 8)?;
            let (link, code) = (u64::from_str_radix(link, 16).ok()?, u32::from_str_radix(code, 16).ok()?);
            Some(Self { records: records.parse().ok()?, link: link.to_be_bytes(), code })
        };
        read().ok_or_else(|| ServiceError::Usage {
            message: "`since` is no cursor of an earlier look.".into(),
            hint: Some("leave it out to be told everything, with a `cursor`".into()),
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{:016x}-{:08x}", self.records, u64::from_be_bytes(self.link), self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_tells_one_component_from_another_and_whether_it_was_known() {
        let [one, other] = [b"one".as_slice(), b"other"].map(ComponentDigest::of);
        assert_ne!(code(one, true), code(one, false));
        assert_ne!(code(one, true), code(other, true));
        assert_eq!(code(other, false), code(other, false));
    }

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        for cursor in [Cursor::default(), Cursor { records: 120, link: [0, 1, 2, 0xff, 4, 5, 6, 7], code: 9 }] {
            assert_eq!(Cursor::parse(&cursor.to_string()).unwrap(), cursor);
        }
        for wrong in [
            "",
            "7",
            "-",
            "7-",
            "7-0000000000000000",
            "x-0000000000000000-00000000",
            "7-00000000000000000-00000000",
            "7-zzzzzzzzzzzzzzzz-00000000",
            "7-0000000000000000-0000000z",
            "-1-0000000000000000-00000000",
        ] {
            assert!(Cursor::parse(wrong).unwrap_err().to_string().contains("`since`"), "{wrong}");
        }
    }
}
