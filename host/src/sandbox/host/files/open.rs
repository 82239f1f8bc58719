//! Opening what lies in a granted folder: regular files and folders, without leaving the folder, and without waiting for anybody. A FIFO keeps
//! a thread of the host until somebody opens its other end, and to open a device can do something.

use std::fs::Metadata;
use std::io;

use wasmtime::component::Resource;
use wasmtime_wasi::OpenMode;
use wasmtime_wasi::filesystem::{Descriptor, Dir, File};
use wasmtime_wasi::p2::FsResult;

use super::types::{DescriptorFlags, ErrorCode, HostDescriptor as _, OpenFlags, PathFlags};
use super::{Granted, again};
use crate::sandbox::AccessKind;
use crate::sandbox::folders::{Place, is_of_processes};

/// How something is opened.
#[derive(Clone, Copy)]
struct How {
    path: PathFlags,
    open: OpenFlags,
    flags: DescriptorFlags,
    mode: OpenMode,
}

impl How {
    /// # Errors
    /// For flags that do not go together, and such as the library does not know either.
    fn new(path: PathFlags, open: OpenFlags, flags: DescriptorFlags) -> Result<Self, ErrorCode> {
        let makes = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
        if open.contains(OpenFlags::DIRECTORY) && open & makes != OpenFlags::empty() {
            return Err(ErrorCode::Invalid);
        }
        let in_step =
            DescriptorFlags::FILE_INTEGRITY_SYNC | DescriptorFlags::DATA_INTEGRITY_SYNC | DescriptorFlags::REQUESTED_WRITE_SYNC;
        if flags & in_step != DescriptorFlags::empty() {
            return Err(ErrorCode::Unsupported);
        }
        let mut mode = OpenMode::empty();
        // A file is opened for something; what the guest may do with it is looked at when it does it.
        if flags.contains(DescriptorFlags::READ) || !flags.contains(DescriptorFlags::WRITE) {
            mode |= OpenMode::READ;
        }
        if flags.contains(DescriptorFlags::WRITE) || open.contains(OpenFlags::CREATE) || open.contains(OpenFlags::TRUNCATE) {
            mode |= OpenMode::WRITE;
        }
        Ok(Self { path, open, flags, mode })
    }

    fn creates(self) -> bool {
        self.open.contains(OpenFlags::CREATE)
    }

    /// The same for what is there already.
    fn of_what_is_there(self) -> Self {
        Self { open: self.open & !(OpenFlags::CREATE | OpenFlags::EXCLUSIVE), ..self }
    }

    /// In the library's terms. What it concludes from the flag to create it is to know without the flag, too.
    fn flags(self) -> DescriptorFlags {
        let mut flags = self.flags;
        for (mode, flag) in [(OpenMode::READ, DescriptorFlags::READ), (OpenMode::WRITE, DescriptorFlags::WRITE)] {
            if self.mode.contains(mode) {
                flags |= flag;
            }
        }
        flags
    }
}

/// What became of an attempt to open something.
enum Opened {
    Descriptor(Descriptor),
    Refused(&'static str),
}

const ESCAPES_OR_NOT: &str = "it leads out of the granted folder, or the system does not permit it";
const SPECIAL: &str = "it is neither a file nor a folder";
const PROCESSES: &str = "the system shows its processes there";

/// Whether something may be opened by its kind. A link's own kind counts where links are not followed, and opening one fails.
fn is_plain(metadata: &Metadata) -> bool {
    let kind = metadata.file_type();
    kind.is_file() || kind.is_dir() || kind.is_symlink()
}

/// A handle on what was opened.
fn opened(dir: &Dir, file: std::fs::File, mode: OpenMode) -> io::Result<Opened> {
    let metadata = file.metadata()?;
    if !is_plain(&metadata) {
        return Ok(Opened::Refused(SPECIAL));
    }
    if is_of_processes(&file)? {
        return Ok(Opened::Refused(PROCESSES));
    }
    Ok(Opened::Descriptor(if metadata.is_dir() {
        Descriptor::Dir(Dir::new(file, dir.perms, mode, false))
    } else {
        Descriptor::File(File::new(file, dir.perms, mode, false))
    }))
}

impl Granted<'_> {
    /// `open-at`, noted.
    pub(super) async fn open(
        &mut self,
        fd: &Resource<Descriptor>,
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let dir = self.dir(fd)?;
        let how = How::new(path_flags, open, flags)?;
        if how.mode.contains(OpenMode::WRITE) {
            self.may_write(fd, &path)?;
        }
        let target = self.shown(fd, &path);
        let descriptor = match self.open_or_create(fd, &dir, &path, how).await? {
            Opened::Descriptor(descriptor) => descriptor,
            Opened::Refused(why) => {
                let kind = if how.mode.contains(OpenMode::WRITE) { AccessKind::Write } else { AccessKind::Read };
                self.refuse(kind, &target, why);
                return Err(ErrorCode::NotPermitted.into());
            }
        };
        if how.mode.contains(OpenMode::READ) && (flags.contains(DescriptorFlags::READ) || how.mode == OpenMode::READ) {
            self.0.audit.used(AccessKind::Read, &target);
        }
        if how.mode.contains(OpenMode::WRITE) {
            self.0.audit.used(AccessKind::Write, &target);
        }
        let folder = self.0.files.places.get(&fd.rep()).map_or(usize::MAX, |place| place.folder);
        Ok(self.push(descriptor, Place { path: target, folder })?)
    }

    /// A file that is there is opened; one that is made is taken off first.
    async fn open_or_create(&mut self, fd: &Resource<Descriptor>, dir: &Dir, path: &str, how: How) -> FsResult<Opened> {
        if !how.open.contains(OpenFlags::EXCLUSIVE) || !how.creates() {
            let opened = self.open_once(fd, dir, path, how.of_what_is_there()).await;
            let absent = matches!(&opened, Err(error) if matches!(error.downcast_ref(), Some(ErrorCode::NoEntry)));
            if !absent || !how.creates() {
                return opened;
            }
        }
        self.make()?;
        let opened = self.open_once(fd, dir, path, how).await;
        if !matches!(opened, Ok(Opened::Descriptor(_))) {
            self.0.files.quota.return_file();
        }
        opened
    }

    async fn open_once(&mut self, fd: &Resource<Descriptor>, dir: &Dir, path: &str, how: How) -> FsResult<Opened> {
        #[cfg(target_os = "linux")]
        {
            let (folder, text) = (dir.clone(), path.to_owned());
            let opening = tokio::task::spawn_blocking(move || linux::open(&folder, &text, how));
            if let Some(opened) = opening.await.map_err(io::Error::other)?? {
                return Ok(opened);
            }
        }
        self.open_by_library(fd, dir, path, how).await
    }

    /// For systems that cannot open a path beneath a folder in one step: the library goes step by step. Who makes a FIFO of a file between the
    /// look and the opening, and that is nobody in a sandbox, can have a thread wait.
    async fn open_by_library(&mut self, fd: &Resource<Descriptor>, dir: &Dir, path: &str, how: How) -> FsResult<Opened> {
        use super::types::DescriptorType::{Directory, RegularFile, SymbolicLink};

        match self.library().stat_at(again(fd), how.path, path.to_owned()).await {
            Ok(stat) if !matches!(stat.type_, RegularFile | Directory | SymbolicLink) => return Ok(Opened::Refused(SPECIAL)),
            _ => {}
        }
        let fd = match self.library().open_at(again(fd), how.path, path.to_owned(), how.open, how.flags()).await {
            Ok(fd) => fd,
            Err(error) if matches!(error.downcast_ref(), Some(ErrorCode::NotPermitted)) => {
                return Ok(Opened::Refused(ESCAPES_OR_NOT));
            }
            Err(error) => return Err(error),
        };
        let descriptor = self.0.table.delete(fd)?;
        let file = match &descriptor {
            Descriptor::Dir(dir) => &dir.dir,
            Descriptor::File(file) => &file.file,
        };
        Ok(match opened(dir, file.try_clone()?, how.mode)? {
            Opened::Descriptor(_) => Opened::Descriptor(descriptor),
            refused => refused,
        })
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::fs::{Mode, OFlags, ResolveFlags, fcntl_setfl, openat2};
    use rustix::io::Errno;
    use wasmtime_wasi::OpenMode;
    use wasmtime_wasi::filesystem::Dir;

    use super::super::types::{OpenFlags, PathFlags};
    use super::{How, Opened, SPECIAL, is_plain, opened};

    const ESCAPES: &str = "it leads out of the granted folder";
    /// The kernel gives up where something is renamed at the same time.
    const TRIES: usize = 4;

    /// Opens a path beneath a folder as one step of the kernel's: no link leads out, whenever it was made. None where the kernel cannot.
    pub(super) fn open(dir: &Dir, path: &str, how: How) -> io::Result<Option<Opened>> {
        let follow = if how.path.contains(PathFlags::SYMLINK_FOLLOW) { OFlags::empty() } else { OFlags::NOFOLLOW };
        // A look at what it is does nothing to it.
        match beneath(dir, path, OFlags::PATH | follow, Mode::empty()) {
            Ok(Some(seen)) => {
                if !is_plain(&File::from(seen).metadata()?) {
                    return Ok(Some(Opened::Refused(SPECIAL)));
                }
            }
            Ok(None) => return Ok(None),
            // What is wrong with the path is told when it is opened; most often nothing, and it is to be made.
            Err(_) => {}
        }
        // Whatever it has become since: nobody is waited for.
        let flags = follow | flags(how) | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o666) } else { Mode::empty() };
        match beneath(dir, path, flags, mode) {
            Ok(Some(file)) => {
                fcntl_setfl(&file, OFlags::empty())?;
                opened(dir, file.into(), how.mode).map(Some)
            }
            Ok(None) => Ok(None),
            Err(Errno::XDEV) => Ok(Some(Opened::Refused(ESCAPES))),
            // A FIFO that nobody reads, a device that is not there: regular files and folders never say so.
            Err(Errno::NXIO | Errno::NODEV) => Ok(Some(Opened::Refused(SPECIAL))),
            Err(error) => Err(error.into()),
        }
    }

    fn beneath(dir: &Dir, path: &str, flags: OFlags, mode: Mode) -> Result<Option<OwnedFd>, Errno> {
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..TRIES {
            match openat2(&*dir.dir, path, flags | OFlags::CLOEXEC, mode, within) {
                Ok(file) => return Ok(Some(file)),
                Err(Errno::AGAIN) => {}
                // An old kernel, or a filter of system calls.
                Err(Errno::NOSYS | Errno::PERM) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn flags(how: How) -> OFlags {
        let mut flags = match (how.mode.contains(OpenMode::READ), how.mode.contains(OpenMode::WRITE)) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            _ => OFlags::RDONLY,
        };
        flags.set(OFlags::CREATE, how.creates());
        flags.set(OFlags::EXCL, how.creates() && how.open.contains(OpenFlags::EXCLUSIVE));
        flags.set(OFlags::TRUNC, how.open.contains(OpenFlags::TRUNCATE));
        flags.set(OFlags::DIRECTORY, how.open.contains(OpenFlags::DIRECTORY));
        flags
    }
}
