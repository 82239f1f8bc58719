//! Standard output and error of a guest: whole lines into the execution's log.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::limits::LimitReached;
use super::port::LogSink;
use super::reached::reached;
use crate::journal::LogLevel;
use crate::mutex::lock;

/// A line longer than this is cut into pieces, so that a guest without line ends cannot fill the host's memory.
const LONGEST_LINE: usize = 64 * 1024;
/// How much of the end of standard error is kept for the message of a panic.
const TAIL: usize = 4 * 1024;

struct Buffer {
    partial: Vec<u8>,
    tail: Vec<u8>,
}

/// What a line costs beside its text, in bytes.
const LINE_COST: usize = 64;

fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// One of a guest's two output streams.
#[derive(Clone)]
pub(super) struct LogStream {
    module: &'static str,
    level: LogLevel,
    sink: Arc<dyn LogSink>,
    buffer: Arc<Mutex<Buffer>>,
    budget: LogBudget,
}

/// Log text that an instance may still write, over all its streams.
#[derive(Clone)]
pub(super) struct LogBudget {
    left: Arc<std::sync::atomic::AtomicU64>,
    limit: u64,
}

impl LogBudget {
    pub(super) fn new(limit: u64) -> Self {
        Self { left: Arc::new(limit.into()), limit }
    }

    /// Takes `lines` lines of together `bytes` bytes off. A line costs the host more than its text.
    pub(super) fn take_lines(&self, lines: usize, bytes: usize) -> Result<(), LimitReached> {
        self.take(bytes.saturating_add(lines.saturating_mul(LINE_COST)))
    }

    /// Takes `bytes` off.
    fn take(&self, bytes: usize) -> Result<(), LimitReached> {
        use std::sync::atomic::Ordering::Relaxed;
        self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes as u64)).map(drop).map_err(|_| {
            reached("log_mib");
            LimitReached(format!("it wrote more log text than the limit `log_mib` of {} MiB", self.limit >> 20))
        })
    }
}

impl LogStream {
    pub(super) fn new(module: &'static str, level: LogLevel, sink: Arc<dyn LogSink>, budget: LogBudget) -> Self {
        Self { module, level, sink, buffer: Arc::new(Mutex::new(Buffer { partial: Vec::new(), tail: Vec::new() })), budget }
    }

    fn take(&self, bytes: &[u8]) {
        let mut buffer = lock(&self.buffer);
        buffer.tail.extend_from_slice(bytes);
        let surplus = buffer.tail.len().saturating_sub(TAIL);
        buffer.tail.drain(..surplus);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            buffer.partial.extend_from_slice(piece);
            let whole = buffer.partial.ends_with(b"\n");
            if whole || buffer.partial.len() >= LONGEST_LINE {
                let rest = std::mem::take(&mut buffer.partial);
                rest.strip_suffix(b"\n").unwrap_or(&rest).chunks(LONGEST_LINE).for_each(|line| self.emit(line));
                if rest == b"\n" {
                    self.emit(b"");
                }
            }
        }
    }

    fn emit(&self, line: &[u8]) {
        self.sink.line(self.level, self.module, String::from_utf8_lossy(line).into_owned());
    }

    /// Emits what has no line end, when the instance is over.
    pub(super) fn finish(&self) {
        let rest = std::mem::take(&mut lock(&self.buffer).partial);
        if !rest.is_empty() {
            self.emit(&rest);
        }
    }

    /// The end of what was written.
    pub(super) fn tail(&self) -> String {
        String::from_utf8_lossy(&lock(&self.buffer).tail).into_owned()
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {
        self.sink.catch_up().await;
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.budget.take_lines(line_ends(&bytes), bytes.len()).map_err(|error| StreamError::Trap(error.into()))?;
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        // Nothing may be written while the store is far behind; `ready` tells when it has caught up.
        Ok(if self.sink.is_behind() { 0 } else { LONGEST_LINE })
    }
}

impl tokio::io::AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        if let Err(error) = self.budget.take_lines(line_ends(bytes), bytes.len()) {
            return Poll::Ready(Err(std::io::Error::other(error)));
        }
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
