//! How much one attempt may write to the folders that it was granted.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::limits::{LimitReached, Limits};
use super::reached::reached;

/// What is left of `written_mib` and `written_files`. Clones share it: a stream takes from it as well.
///
/// Reaching it ends the instance. An error code in its place could be overlooked, by a buffer that is flushed as it is dropped for example,
/// and the body would return as if all were written; what it returned would be recorded for good.
#[derive(Clone, Debug)]
pub(super) struct WriteQuota {
    left: Arc<Left>,
    limits: Limits,
}

#[derive(Debug)]
struct Left {
    bytes: AtomicU64,
    files: AtomicU64,
}

fn take(left: &AtomicU64, amount: u64) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(amount)).is_ok()
}

impl WriteQuota {
    pub(super) fn new(limits: &Limits) -> Self {
        let left = Left { bytes: limits.written_bytes().into(), files: limits.written_files.into() };
        Self { left: Arc::new(left), limits: *limits }
    }

    /// Takes `len` bytes off that are to be written at `offset` of a file of `size` bytes. What lies between is taken off too: it takes room as
    /// soon as the file is copied, and on some file systems at once.
    pub(super) fn take_write(&self, size: u64, offset: u64, len: u64) -> Result<(), LimitReached> {
        if len == 0 {
            return Ok(());
        }
        self.take_bytes(offset.saturating_sub(size).saturating_add(len))
    }

    /// Takes `bytes` off, none of them if there are not so many left.
    pub(super) fn take_bytes(&self, bytes: u64) -> Result<(), LimitReached> {
        if take(&self.left.bytes, bytes) {
            return Ok(());
        }
        reached("written_mib");
        let limit = self.limits.written_mib;
        Err(LimitReached(format!("it writes more to granted folders than the limit `written_mib` of {limit} MiB")))
    }

    /// Takes one file or folder off.
    pub(super) fn take_file(&self) -> Result<(), LimitReached> {
        if take(&self.left.files, 1) {
            return Ok(());
        }
        reached("written_files");
        let limit = self.limits.written_files;
        Err(LimitReached(format!("it makes more files and folders than the limit `written_files` of {limit}")))
    }

    /// The file was not made after all.
    pub(super) fn return_file(&self) {
        self.left.files.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_gaps_and_files_are_taken_off() {
        let quota = WriteQuota::new(&Limits { written_mib: 1, written_files: 2, ..Limits::default() });
        const MIB: u64 = 1 << 20;
        quota.take_write(0, 0, 1000).unwrap();
        quota.take_write(1000, 500, 1000).unwrap();
        quota.take_write(1500, u64::MAX, 0).unwrap();
        // A gap of 500 bytes, and the byte behind it.
        quota.take_write(1500, 2000, 1).unwrap();
        let left = MIB - 2501;
        assert!(quota.take_write(0, left, 1).unwrap_err().0.contains("`written_mib` of 1 MiB"));
        assert!(quota.take_write(0, u64::MAX, u64::MAX).is_err());
        quota.take_bytes(left).unwrap();
        assert!(quota.clone().take_bytes(1).is_err(), "clones share what is left");
        quota.take_bytes(0).unwrap();

        quota.take_file().unwrap();
        quota.take_file().unwrap();
        assert!(quota.take_file().unwrap_err().0.contains("`written_files` of 2"));
        quota.return_file();
        quota.take_file().unwrap();
        assert!(WriteQuota::new(&Limits { written_mib: u64::MAX, ..Limits::default() }).take_bytes(u64::MAX).is_ok());
    }
}
