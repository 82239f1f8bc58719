//! What is in an export, seen as it goes by: a tar file, of which only the names of entries are looked at.

use crate::ids::ExecutionId;

const BLOCK: usize = 512;
/// The entry that is written last.
const LAST: &str = "export.json";

/// The names in an export.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The header that is not whole yet.
    header: Vec<u8>,
    /// What is left of the entry's content.
    skip: u64,
    executions: Vec<ExecutionId>,
    has_end: bool,
}

impl Names {
    /// The next bytes, wherever they were cut.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            bytes = bytes.get(skipped..).unwrap_or_default();
            self.skip -= skipped as u64;
            if self.skip > 0 || bytes.is_empty() {
                return;
            }
            let wanted = (BLOCK - self.header.len()).min(bytes.len());
            let (part, rest) = bytes.split_at(wanted);
            self.header.extend_from_slice(part);
            bytes = rest;
            if self.header.len() == BLOCK {
                let header = std::mem::take(&mut self.header);
                self.entry(&header);
            }
        }
    }

    fn entry(&mut self, header: &[u8]) {
        // Two empty blocks end a file.
        let Some(name) = text(header, 0, 100).filter(|name| !name.is_empty()) else { return };
        let size = text(header, 124, 12).and_then(|size| u64::from_str_radix(size.trim(), 8).ok()).unwrap_or_default();
        self.skip = size.next_multiple_of(BLOCK as u64);
        self.has_end |= name == LAST;
        let id: Option<ExecutionId> =
            name.strip_prefix("executions/").and_then(|name| name.strip_suffix(".json")).and_then(|id| id.parse().ok());
        self.executions.extend(id);
    }

    /// The executions, in their order; none if it was cut short.
    pub(super) fn executions(self) -> Option<Vec<ExecutionId>> {
        (self.has_end && self.skip == 0).then_some(self.executions)
    }
}

/// A field of a header, to its first zero.
fn text(header: &[u8], at: usize, length: usize) -> Option<&str> {
    let field = header.get(at..at + length)?;
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(length);
    std::str::from_utf8(field.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Ids as _, SystemIds};

    #[test]
    fn executions_are_found_wherever_the_file_is_cut_and_only_in_a_whole_one() {
        let ids = [SystemIds.execution(), SystemIds.execution()];
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |name: &str, content: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, name, content).unwrap();
        };
        for id in ids {
            add(&format!("executions/{id}.json"), &[7; 1_300]);
            add(&format!("journals/{id}.bin"), &[1; 512]);
        }
        add("blobs/x", b"");
        add(LAST, b"{}");
        let bytes = archive.into_inner().unwrap();
        for size in [1, 7, 511, 512, 513, 100_000] {
            let mut names = Names::default();
            bytes.chunks(size).for_each(|piece| names.take(piece));
            assert_eq!(names.executions().as_deref(), Some(&ids[..]), "{size}");
        }
        let mut cut = Names::default();
        cut.take(&bytes[..bytes.len() - 3 * BLOCK]);
        assert_eq!(cut.executions(), None);
    }
}
