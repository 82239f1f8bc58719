//! What a guest can do with the folders that it was granted, call by call.

mod bounds;
mod walls;

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use tempfile::TempDir;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::{DynOutputStream, FsResult, StreamError};

use super::preopens::Host as _;
use super::types::{
    DescriptorFlags, ErrorCode, HostDescriptor as _, HostDirectoryEntryStream, NewTimestamp, OpenFlags, PathFlags,
};
use super::{Granted, again};
use crate::clock::Timestamp;
use crate::sandbox::folders::Files;
use crate::sandbox::grants::{FolderGrant, Grants};
use crate::sandbox::instance::{Silent, Streams, state};
use crate::sandbox::limits::{LimitReached, Limits};
use crate::sandbox::port::{FlowClock, LogSink};
use crate::sandbox::state::{Capabilities, Fresh, HostState, Port};
use crate::sandbox::{AccessKind, Sandbox, determinism};

const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;
const READ: DescriptorFlags = DescriptorFlags::READ;
const WRITE: DescriptorFlags = DescriptorFlags::WRITE;

/// A guest with the folder `in` to read and `out` to write, beside the file `outside.txt`.
struct Guest {
    state: HostState,
    top: PathBuf,
    input: Resource<Descriptor>,
    output: Resource<Descriptor>,
    _folder: TempDir,
}

fn empty_state(limits: Limits) -> HostState {
    static SANDBOX: OnceLock<Arc<Sandbox>> = OnceLock::new();
    let sandbox = SANDBOX.get_or_init(|| Sandbox::new(None, [0; 32]).unwrap());
    let log: Arc<dyn LogSink> = Arc::new(Silent);
    let streams = Streams::new(&log, &limits);
    let wasi = determinism::flow_wasi(&FlowClock::new(Timestamp::from_micros(0)), streams.stdout.clone(), streams.stderr.clone());
    let fresh = Fresh {
        port: Port::Describe,
        wasi,
        entropy: None,
        limits,
        log,
        capabilities: Capabilities::none(&limits),
        seat: sandbox.ceiling().exempt(),
        deadline: Instant::now(),
    };
    state(sandbox, &streams, fresh)
}

impl Guest {
    fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        for name in ["in", "out"] {
            std::fs::create_dir_all(top.join(name).join("deep")).unwrap();
            std::fs::write(top.join(name).join("a.txt"), "text of a").unwrap();
            symlink("../outside.txt", top.join(name).join("up")).unwrap();
            symlink(top.join("outside.txt"), top.join(name).join("absolute")).unwrap();
            symlink("..", top.join(name).join("parent")).unwrap();
            symlink("/proc/self/root", top.join(name).join("root")).unwrap();
            symlink("a.txt", top.join(name).join("good")).unwrap();
        }
        std::fs::write(top.join("outside.txt"), "outside").unwrap();
        let grant = |name: &str| vec![FolderGrant { host: top.join(name), guest: name.into() }];
        let grants = Grants { read: grant("in"), write: grant("out"), ..Grants::default() };
        let mut state = empty_state(limits);
        state.files = Files::open(&grants, &limits).unwrap();
        let mut folders = Granted(&mut state).get_directories().unwrap();
        let (output, input) = (folders.pop().unwrap().0, folders.pop().unwrap().0);
        Self { state, top, input, output, _folder: folder }
    }

    fn wasi(&mut self) -> Granted<'_> {
        Granted(&mut self.state)
    }

    async fn open(&mut self, path: &str, open: OpenFlags, flags: DescriptorFlags) -> FsResult<Resource<Descriptor>> {
        let fd = again(&self.output);
        self.wasi().open_at(fd, FOLLOW, path.into(), open, flags).await
    }

    async fn file(&mut self, path: &str) -> Resource<Descriptor> {
        self.open(path, OpenFlags::CREATE, READ | WRITE).await.unwrap()
    }

    async fn stream(&mut self, stream: Resource<DynOutputStream>, bytes: usize) -> Result<(), StreamError> {
        let stream = self.state.table.get_mut(&stream).unwrap();
        stream.blocking_write_and_flush(Bytes::from(vec![b'x'; bytes])).await
    }

    fn read_outside(&self) -> String {
        assert_eq!(std::fs::read_dir(&self.top).unwrap().count(), 3, "nothing was made outside");
        std::fs::read_to_string(self.top.join("outside.txt")).unwrap()
    }

    fn denied(&self, kind: AccessKind, target: &str) -> bool {
        self.state.audit.accesses().iter().any(|access| (access.kind, access.allowed, &*access.target) == (kind, false, target))
    }

    fn used(&self, kind: AccessKind, target: &str) -> u64 {
        let accesses = self.state.audit.accesses();
        accesses.iter().filter(|it| (it.kind, it.allowed, &*it.target) == (kind, true, target)).map(|it| it.count).sum()
    }
}

#[track_caller]
fn code<T>(result: FsResult<T>) -> ErrorCode {
    result.map(drop).unwrap_err().downcast().unwrap()
}

/// The text of the limit that ended the instance.
#[track_caller]
fn limit<T>(result: FsResult<T>) -> String {
    result.map(drop).unwrap_err().downcast().unwrap_err().downcast::<LimitReached>().unwrap().0
}

#[track_caller]
fn stream_limit(result: Result<(), StreamError>) -> String {
    let Err(StreamError::Trap(error)) = result else { panic!("the stream went on: {result:?}") };
    error.downcast::<LimitReached>().unwrap().0
}

fn small() -> Limits {
    Limits { written_mib: 1, written_files: 3, ..Limits::default() }
}

const MIB: u64 = 1 << 20;
