//! The last that models said to one execution, for those who come late or fell behind: bounded, and in few parts however small its pieces are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::chunk::{LiveChunk, Said};

/// How much text of one execution is kept.
pub(super) const KEPT_BYTES: usize = 256 * 1024;
/// In so many pieces, at most.
pub(super) const KEPT_PIECES: usize = 64 * 1024;
/// In so many parts, at most: where calls speak at once, each piece may be one.
pub(super) const KEPT_PARTS: usize = 1_024;
/// How much text of all executions together is kept, as long as none keeps less than [`LEAST_BYTES`] for it.
pub(super) const KEPT_IN_ALL: usize = 32 * 1024 * 1024;
/// What each may keep, however many there are.
pub(super) const LEAST_BYTES: usize = 16 * 1024;
/// How much is kept of answers that have ended, for those who listened by then and have not heard all of it.
const ENDED_BYTES: usize = 16 * 1024;
/// Parts are of about this size, so that little is lost with the oldest.
const PART: usize = 4 * 1024;

/// What is kept of an execution.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The number of the last chunk.
    last: u64,
    parts: VecDeque<Part>,
    bytes: usize,
    pieces: usize,
}

/// Chunks of one answer that follow each other, as one.
#[derive(Debug)]
struct Part {
    /// The number of its first chunk; each other has the next.
    number: u64,
    chunk: LiveChunk,
    /// Where the text of each chunk but the first begins.
    begins: Vec<u32>,
    /// The number of the chunk that ended the answer.
    ended: Option<u64>,
}

impl Part {
    /// The number of its last chunk.
    fn last(&self) -> u64 {
        self.number.saturating_add(self.begins.len() as u64)
    }

    /// What of it has come after the chunk of this number.
    fn after(&self, number: u64) -> LiveChunk {
        let known = number.saturating_add(1).saturating_sub(self.number);
        let begin = usize::try_from(known).ok().and_then(|known| known.checked_sub(1)).and_then(|at| self.begins.get(at));
        let (Some(begin), Said::Text(text)) = (begin, &self.chunk.said) else { return self.chunk.clone() };
        let rest = text.get(*begin as usize..).unwrap_or_default().to_owned();
        let (piece, pieces) = (self.chunk.piece.saturating_add(known), self.chunk.pieces.saturating_sub(known));
        LiveChunk { name: self.chunk.name.clone(), cursor: String::new(), piece, pieces, said: Said::Text(rest), ..self.chunk }
    }

    fn takes(&mut self, next: &LiveChunk) -> bool {
        let begin = self.chunk.said.bytes();
        let Ok(at) = u32::try_from(begin) else { return false };
        let is_taken = begin < PART && self.chunk.takes(next);
        if is_taken {
            self.begins.push(at);
        }
        is_taken
    }
}

impl Kept {
    /// Keeps a chunk of one piece, and returns its number. `in_all` is what all executions keep.
    pub(super) fn push(&mut self, chunk: LiveChunk, in_all: &AtomicUsize) -> u64 {
        self.last = self.last.saturating_add(1);
        let bytes = chunk.said.bytes();
        self.bytes = self.bytes.saturating_add(bytes);
        self.pieces = self.pieces.saturating_add(1);
        in_all.fetch_add(bytes, Ordering::Relaxed);
        if !self.parts.back_mut().is_some_and(|part| part.takes(&chunk)) {
            self.parts.push_back(Part { number: self.last, chunk, begins: Vec::new(), ended: None });
        }
        while self.is_too_much(in_all.load(Ordering::Relaxed)) && self.parts.len() > 1 {
            let Some(gone) = self.parts.pop_front() else { break };
            self.lose(&gone, in_all);
        }
        self.last
    }

    fn is_too_much(&self, in_all: usize) -> bool {
        let most = if in_all > KEPT_IN_ALL { LEAST_BYTES } else { KEPT_BYTES };
        self.bytes > most || self.pieces > KEPT_PIECES || self.parts.len() > KEPT_PARTS
    }

    fn lose(&mut self, gone: &Part, in_all: &AtomicUsize) {
        let bytes = gone.chunk.said.bytes();
        self.bytes = self.bytes.saturating_sub(bytes);
        self.pieces = self.pieces.saturating_sub(gone.begins.len().saturating_add(1));
        in_all.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// An answer ends with the next chunk: what was said in it is for nobody who comes later.
    pub(super) fn end(&mut self, answer: &LiveChunk, in_all: &AtomicUsize) {
        let number = self.last.saturating_add(1);
        self.parts.iter_mut().filter(|part| part.chunk.is_of(answer)).for_each(|part| part.ended = Some(number));
        let most = if in_all.load(Ordering::Relaxed) > KEPT_IN_ALL { 0 } else { ENDED_BYTES };
        let ended = |part: &&Part| part.ended.is_some();
        let mut bytes: usize = self.parts.iter().filter(ended).map(|part| part.chunk.said.bytes()).sum();
        for part in std::mem::take(&mut self.parts) {
            if part.ended.is_some() && bytes > most {
                bytes = bytes.saturating_sub(part.chunk.said.bytes());
                self.lose(&part, in_all);
            } else {
                self.parts.push_back(part);
            }
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, in_all: &AtomicUsize) {
        for part in std::mem::take(&mut self.parts) {
            self.lose(&part, in_all);
        }
    }

    /// What has come after the chunk of this number: with the number of its last, the next and what goes on with it. Of answers that had ended
    /// by the chunk `since` there is nothing to hear.
    pub(super) fn after(&self, number: u64, since: u64) -> Option<(u64, LiveChunk)> {
        let from = self.parts.partition_point(|part| part.last() <= number);
        let mut later = self.parts.range(from..).filter(|part| part.ended.is_none_or(|ended| ended > since));
        let first = later.next()?;
        let (mut last, mut chunk) = (first.last(), first.after(number));
        for next in later {
            if !chunk.takes(&next.chunk) {
                break;
            }
            last = next.last();
        }
        Some((last, chunk))
    }

    #[cfg(test)]
    pub(super) fn bounds(&self) -> [(usize, usize); 3] {
        [(self.bytes, KEPT_BYTES), (self.pieces, KEPT_PIECES), (self.parts.len(), KEPT_PARTS)]
    }
}
