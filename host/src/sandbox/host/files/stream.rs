//! A stream into a file: every byte is taken off what the attempt may write, before it is on its way.

use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::sandbox::quota::WriteQuota;

pub(super) struct CountedStream {
    inner: DynOutputStream,
    quota: WriteQuota,
    /// The file, and where the stream begins in it: until something was written.
    start: Option<(Arc<std::fs::File>, u64)>,
}

impl CountedStream {
    /// A stream from this position on.
    pub(super) fn at(inner: DynOutputStream, quota: WriteQuota, file: Arc<std::fs::File>, position: u64) -> Self {
        Self { inner, quota, start: Some((file, position)) }
    }

    /// A stream at the end of the file, wherever that is.
    pub(super) fn append(inner: DynOutputStream, quota: WriteQuota) -> Self {
        Self { inner, quota, start: None }
    }

    fn take(&mut self, bytes: usize) -> StreamResult<()> {
        if bytes == 0 {
            return Ok(());
        }
        let (size, offset) = match self.start.take() {
            Some((file, position)) => {
                let metadata = file.metadata().map_err(|error| StreamError::LastOperationFailed(error.into()))?;
                (metadata.len(), position)
            }
            None => (0, 0),
        };
        self.quota.take_write(size, offset, bytes as u64).map_err(|limit| StreamError::Trap(limit.into()))
    }
}

#[async_trait::async_trait]
impl Pollable for CountedStream {
    async fn ready(&mut self) {
        self.inner.ready().await;
    }
}

#[async_trait::async_trait]
impl OutputStream for CountedStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        // The interface has it so, and the library does not look: what is on its way lies in the host's memory.
        if bytes.len() > self.inner.check_write()? {
            return Err(StreamError::trap("a write of more than `check-write` permits"));
        }
        self.take(bytes.len())?;
        self.inner.write(bytes)
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(bytes.len())?;
        self.inner.blocking_write_and_flush(bytes).await
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.inner.check_write()
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}
