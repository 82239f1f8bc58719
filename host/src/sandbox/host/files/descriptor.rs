//! What a guest does with a handle on a file or folder.

use std::path::{Component, Path};

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsResult};

use super::stream::CountedStream;
use super::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode, Filesize,
    HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use super::{Granted, again, ended};
use crate::sandbox::AccessKind;

/// Listings that one instance may have open: the host reads each whole, and who made the folder decides how long it is.
const LISTINGS: usize = 32;

/// Whether a link may be made that says this. The library refuses absolute ones. One with `..` leads no guest out of its folder; but a program
/// outside follows it wherever it leads, and a guest can move it until it leads out.
fn may_be_linked_to(target: &str) -> bool {
    Path::new(target).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

impl HostDescriptor for Granted<'_> {
    /// Advice is no order, and what one guest advises is done to the machine's cache of all files: none is passed on.
    async fn advise(&mut self, fd: Resource<Descriptor>, _: Filesize, _: Filesize, _: Advice) -> FsResult<()> {
        self.file(&fd).map(drop)
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.library().sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.library().get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.library().get_type(fd).await
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        let file = self.file(&fd)?;
        self.may_write(&fd, "")?;
        let grows = size.saturating_sub(file.file.metadata()?.len());
        self.0.files.quota.take_bytes(grows).map_err(ended)?;
        self.library().set_size(fd, size).await
    }

    async fn set_times(&mut self, fd: Resource<Descriptor>, atim: NewTimestamp, mtim: NewTimestamp) -> FsResult<()> {
        self.may_write(&fd, "")?;
        let target = self.shown(&fd, "");
        let done = self.library().set_times(fd, atim, mtim).await;
        self.changed(&target, done)
    }

    async fn read(&mut self, fd: Resource<Descriptor>, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.library().read(fd, len, offset).await
    }

    async fn write(&mut self, fd: Resource<Descriptor>, buffer: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let file = self.file(&fd)?;
        self.may_write(&fd, "")?;
        let size = file.file.metadata()?.len();
        self.0.files.quota.take_write(size, offset, buffer.len() as u64).map_err(ended)?;
        self.library().write(fd, buffer, offset).await
    }

    async fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
        if self.0.files.listings >= LISTINGS {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        let target = self.shown(&fd, "");
        let listing = self.library().read_directory(fd).await?;
        self.0.files.listings += 1;
        self.note_read(&target);
        Ok(listing)
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.library().sync(fd).await
    }

    async fn create_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.may_write(&fd, &path)?;
        self.make()?;
        let target = self.shown(&fd, &path);
        let done = self.library().create_directory_at(fd, path).await;
        self.made(&target, done)
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.library().stat(fd).await
    }

    async fn stat_at(&mut self, fd: Resource<Descriptor>, path_flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        let target = self.shown(&fd, &path);
        let stat = self.library().stat_at(fd, path_flags, path).await?;
        self.note_read(&target);
        Ok(stat)
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        atim: NewTimestamp,
        mtim: NewTimestamp,
    ) -> FsResult<()> {
        self.may_write(&fd, &path)?;
        if path_flags.contains(PathFlags::SYMLINK_FOLLOW) {
            // The library opens what is there, whatever it is.
            let opened = self.open(&fd, path_flags, path, OpenFlags::empty(), DescriptorFlags::READ).await?;
            let done = HostDescriptor::set_times(self, again(&opened), atim, mtim).await;
            self.close(opened).map_err(wasmtime_wasi::p2::FsError::trap)?;
            return done;
        }
        let target = self.shown(&fd, &path);
        let done = self.library().set_times_at(fd, path_flags, path, atim, mtim).await;
        self.changed(&target, done)
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        old_path_flags: PathFlags,
        old_path: String,
        new_fd: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        self.may_write(&fd, &old_path)?;
        self.may_write(&new_fd, &new_path)?;
        self.make()?;
        let target = self.shown(&new_fd, &new_path);
        let done = self.library().link_at(fd, old_path_flags, old_path, new_fd, new_path).await;
        self.made(&target, done)
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        self.open(&fd, path_flags, path, open_flags, flags).await
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.close(fd)
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        let target = self.shown(&fd, &path);
        let link = self.library().readlink_at(fd, path).await?;
        self.note_read(&target);
        Ok(link)
    }

    async fn remove_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.may_write(&fd, &path)?;
        let target = self.shown(&fd, &path);
        let done = self.library().remove_directory_at(fd, path).await;
        self.changed(&target, done)
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        old_path: String,
        new_fd: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        self.may_write(&fd, &old_path)?;
        self.may_write(&new_fd, &new_path)?;
        let (from, to) = (self.shown(&fd, &old_path), self.shown(&new_fd, &new_path));
        let done = self.library().rename_at(fd, old_path, new_fd, new_path).await;
        if done.is_ok() {
            self.0.audit.used(AccessKind::Write, &from);
        }
        self.changed(&to, done)
    }

    async fn symlink_at(&mut self, fd: Resource<Descriptor>, to: String, path: String) -> FsResult<()> {
        self.may_write(&fd, &path)?;
        let target = self.shown(&fd, &path);
        if !may_be_linked_to(&to) {
            self.refuse(AccessKind::Write, &target, "a link can be made to a path below its own folder, without `..`");
            return Err(ErrorCode::NotPermitted.into());
        }
        self.0.files.quota.take_bytes(to.len() as u64).map_err(ended)?;
        self.make()?;
        let done = self.library().symlink_at(fd, to, path).await;
        self.made(&target, done)
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.may_write(&fd, &path)?;
        let target = self.shown(&fd, &path);
        let done = self.library().unlink_file_at(fd, path).await;
        self.changed(&target, done)
    }

    fn read_via_stream(&mut self, fd: Resource<Descriptor>, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.library().read_via_stream(fd, offset)
    }

    fn write_via_stream(&mut self, fd: Resource<Descriptor>, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let file = self.file(&fd)?;
        self.may_write(&fd, "")?;
        let stream = self.library().write_via_stream(fd, offset)?;
        let inner = self.0.table.delete(stream)?;
        let stream: DynOutputStream = Box::new(CountedStream::at(inner, self.0.files.quota.clone(), file.file, offset));
        Ok(self.0.table.push(stream)?)
    }

    fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        self.may_write(&fd, "")?;
        let stream = self.library().append_via_stream(fd)?;
        let inner = self.0.table.delete(stream)?;
        let stream: DynOutputStream = Box::new(CountedStream::append(inner, self.0.files.quota.clone()));
        Ok(self.0.table.push(stream)?)
    }

    async fn is_same_object(&mut self, a: Resource<Descriptor>, b: Resource<Descriptor>) -> wasmtime::Result<bool> {
        self.library().is_same_object(a, b).await
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.library().metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        let target = self.shown(&fd, &path);
        let hash = self.library().metadata_hash_at(fd, path_flags, path).await?;
        self.note_read(&target);
        Ok(hash)
    }
}

impl HostDirectoryEntryStream for Granted<'_> {
    async fn read_directory_entry(&mut self, stream: Resource<DirectoryEntryStream>) -> FsResult<Option<DirectoryEntry>> {
        self.library().read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.library(), stream)?;
        self.0.files.listings = self.0.files.listings.saturating_sub(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_down() {
        for target in ["a", "a/b", "./a", "a/./b", "…"] {
            assert!(may_be_linked_to(target), "{target}");
        }
        for target in ["..", "../a", "a/..", "a/../../b", "/", "/etc/passwd", "//a"] {
            assert!(!may_be_linked_to(target), "{target}");
        }
    }
}
