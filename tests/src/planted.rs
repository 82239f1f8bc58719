//! Values that are planted where they belong, and looked for everywhere else.

use std::path::PathBuf;

use crate::{Host, Reply};

/// A value that nothing may show but what was asked for it. Its bytes and their hexadecimal digits are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Planted(pub &'static str);

impl Planted {
    /// Whether bytes have it in them.
    pub fn is_in(self, bytes: &[u8]) -> bool {
        let lower = self.0.to_ascii_lowercase();
        let hex: String = lower.bytes().map(|byte| format!("{byte:02x}")).collect();
        let bytes = bytes.to_ascii_lowercase();
        [lower.as_bytes(), hex.as_bytes()].iter().any(|part| bytes.windows(part.len()).any(|window| window == *part))
    }

    /// Checks that a command has not printed it.
    #[track_caller]
    pub fn is_not_shown_in(self, reply: &Reply) {
        assert!(!self.is_in(reply.stdout.as_bytes()) && !self.is_in(reply.stderr.as_bytes()), "{reply:?}");
    }

    /// Checks that no file of the host's data folder has it.
    #[track_caller]
    pub fn is_in_no_file_of(self, host: &Host) {
        for (path, bytes) in files(host) {
            assert!(!self.is_in(&bytes), "{} has a planted value in it", path.display());
        }
    }
}

/// All files of a data folder, with their bytes.
pub fn files(host: &Host) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), vec![host.home()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder of the data folder") {
            let path = entry.expect("a file of the data folder").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file that can be read");
                found.push((path, bytes));
            }
        }
    }
    found
}
