//! `wasi:filesystem`, over the library's own: what a guest does in a granted folder is noted, what it writes is counted, and nothing is opened
//! that is neither file nor folder. That no path leads out of a folder is the library's work on the whole; `open` does it for what is opened.

mod descriptor;
mod open;
mod stream;
#[cfg(test)]
#[cfg(unix)]
mod tests;

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, Dir, File, WasiFilesystemCtxView, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::{FsError, FsResult};

use self::types::ErrorCode;
use crate::sandbox::AccessKind;
use crate::sandbox::folders::{Folder, Place};
use crate::sandbox::limits::LimitReached;
use crate::sandbox::state::HostState;

struct Granted<'a>(&'a mut HostState);

struct HasGranted;

impl HasData for HasGranted {
    type Data<'a> = Granted<'a>;
}

pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    preopens::add_to_linker::<HostState, HasGranted>(linker, |state| Granted(state))?;
    types::add_to_linker::<HostState, HasGranted>(linker, |state| Granted(state))
}

impl preopens::Host for Granted<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let folders = self.0.files.folders.clone();
        let mut opened = Vec::with_capacity(folders.len());
        for (number, Folder { dir, guest, .. }) in folders.into_iter().enumerate() {
            let place = Place { path: guest.clone(), folder: number };
            opened.push((self.push(Descriptor::Dir(dir), place)?, guest));
        }
        Ok(opened)
    }
}

impl types::Host for Granted<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        types::Host::convert_error_code(&mut self.library(), error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.library(), error)
    }
}

/// A limit ends the instance.
fn ended(limit: LimitReached) -> FsError {
    FsError::trap(limit)
}

/// Another handle on the same thing, for a function that takes one.
fn again(fd: &Resource<Descriptor>) -> Resource<Descriptor> {
    Resource::new_borrow(fd.rep())
}

impl Granted<'_> {
    fn library(&mut self) -> WasiFilesystemCtxView<'_> {
        self.0.filesystem()
    }

    /// Gives the guest a handle on something.
    fn push(
        &mut self,
        descriptor: Descriptor,
        place: Place,
    ) -> Result<Resource<Descriptor>, wasmtime::component::ResourceTableError> {
        let fd = self.0.table.push(descriptor)?;
        self.0.files.places.insert(fd.rep(), place);
        Ok(fd)
    }

    fn close(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.0.files.places.remove(&fd.rep());
        types::HostDescriptor::drop(&mut self.library(), fd)
    }

    fn dir(&self, fd: &Resource<Descriptor>) -> FsResult<Dir> {
        match self.0.table.get(fd)? {
            Descriptor::Dir(dir) => Ok(dir.clone()),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn file(&self, fd: &Resource<Descriptor>) -> FsResult<File> {
        match self.0.table.get(fd)? {
            Descriptor::File(file) => Ok(file.clone()),
            Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    /// The path at `fd`, as the guest says it.
    fn shown(&self, fd: &Resource<Descriptor>, path: &str) -> String {
        self.0.files.places.get(&fd.rep()).map_or_else(String::new, |place| place.join(path))
    }

    /// Checks that what lies at `fd` may be changed; a refusal names the flag that grants it.
    fn may_write(&self, fd: &Resource<Descriptor>, path: &str) -> FsResult<()> {
        let perms = match self.0.table.get(fd)? {
            Descriptor::Dir(dir) => dir.perms,
            Descriptor::File(file) => file.perms,
        };
        if !perms.write_not_permitted() {
            return Ok(());
        }
        let target = self.shown(fd, path);
        let files = &self.0.files;
        let folder = files.places.get(&fd.rep()).and_then(|place| files.folders.get(place.folder));
        let flag = folder.map_or_else(|| "--allow-write=<folder>".to_owned(), |folder| folder.flag("--allow-write"));
        self.0.audit.denied(AccessKind::Write, &target, &format!("writing {target}"), &flag);
        Err(ErrorCode::NotPermitted.into())
    }

    fn note_read(&self, target: &str) {
        self.0.audit.used(AccessKind::Read, target);
    }

    /// Notes a change, or that it was refused although the folder is granted for writing.
    fn changed<T>(&self, target: &str, done: FsResult<T>) -> FsResult<T> {
        match &done {
            Ok(_) => self.0.audit.used(AccessKind::Write, target),
            Err(error) if matches!(error.downcast_ref(), Some(ErrorCode::NotPermitted)) => {
                self.refuse(
                    AccessKind::Write,
                    target,
                    "its path leads out of the granted folder, or the system does not permit it",
                );
            }
            Err(_) => {}
        }
        done
    }

    /// Notes a refusal against which no flag helps.
    fn refuse(&self, kind: AccessKind, target: &str, why: &str) {
        let doing = if kind == AccessKind::Read { "reading" } else { "writing" };
        self.0.audit.refused(kind, target, format!("{doing} {target}: {why}"));
    }

    /// Takes one off the files that the guest may make.
    fn make(&self) -> FsResult<()> {
        self.0.files.quota.take_file().map_err(ended)
    }

    /// Gives it back where none was made.
    fn made<T>(&self, target: &str, done: FsResult<T>) -> FsResult<T> {
        if done.is_err() {
            self.0.files.quota.return_file();
        }
        self.changed(target, done)
    }
}
