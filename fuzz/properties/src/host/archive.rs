//! Archives, as bytes.

use kitaru_host::engine::fuzzing::{archive_files, archive_of, journal};
use kitaru_host::ids::{ComponentDigest, ExecutionId};

/// What is taken for an archive has nothing but what an export has, each file under the name of what it holds; it can be written again and is
/// the same; and its journals are whole or refused.
pub(crate) fn any_archive(data: &[u8]) {
    let id = ExecutionId::from_bytes([1; 16]);
    records(id, data);
    let Ok(files) = archive_files(data) else { return };
    for (name, bytes) in &files {
        match name.split_once('/') {
            None => assert_eq!(name, "export.json"),
            Some(("components", rest)) => assert_eq!(rest, format!("{}.wasm", ComponentDigest::of(bytes))),
            Some(("journals", _)) => records(id, bytes),
            Some((folder, _)) => assert!(["executions", "blobs"].contains(&folder), "{name}"),
        }
    }
    if files.keys().all(|name| is_plain(name)) {
        let list: Vec<_> = files.clone().into_iter().collect();
        let written = archive_of(&list).expect("files with plain names can be written");
        assert_eq!(archive_files(&written).expect("what was written can be read"), files);
    }
}

/// Whether an archive has the name as it stands: others are brought into the form of a path.
fn is_plain(name: &str) -> bool {
    let fits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    name.len() <= 100 && name.split('/').all(|part| fits(part) && !matches!(part, "." | ".."))
}

fn records(id: ExecutionId, bytes: &[u8]) {
    let Ok(entries) = journal(id, bytes) else { return };
    assert!((0..).zip(&entries).all(|(seq, entry)| entry.seq == seq), "a journal with a gap is taken for whole");
}
