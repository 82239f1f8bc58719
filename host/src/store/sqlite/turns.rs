//! Whose turn it is among writes that are queued: nobody waits for the log lines of another execution.
//!
//! Everything is written as it came, but for writes that are log lines and nothing else. Others pass those, unless they are of the same execution:
//! they take its lines along, so that the order within an execution stays as it was, and no step ever waits for more than its own. Lines that nobody
//! takes along have commits to themselves while there is nothing else, and otherwise a small part of the time, in turns.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::ids::ExecutionId;

/// About so many lines go in one turn; a long one counts once for each KiB. They take some tenths of a millisecond.
const LINES: usize = 64;
/// Lines have a turn each time that so much has passed in commits of others. So they are written however busy the store is, and take a small part of its
/// time.
const PATIENCE: Duration = Duration::from_millis(1);
/// So many turns at once, after a commit that took long.
const MOST_TURNS: u128 = 8;
/// About so many lines have a commit to themselves: whoever comes while they are committed waits for that.
const LINES_TOGETHER: usize = 256;

/// What a write has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// For no lines.
    Free,
    /// For those of its execution that came before it.
    Of(ExecutionId),
    /// It is lines of an execution with this weight, and nothing else.
    Lines(ExecutionId, usize),
}

/// Writes that wait for their turn.
pub(super) struct Turns<W> {
    /// Those that have nothing to wait for.
    ready: VecDeque<W>,
    /// Lines that others may pass, by their execution. None of them is empty.
    lines: HashMap<ExecutionId, VecDeque<(usize, W)>>,
    /// Whose lines come next. Some may have gone with a step meanwhile.
    next: VecDeque<ExecutionId>,
    /// Since when the lines wait for a turn.
    since: Option<Instant>,
    /// How many lines were taken for the commit under way, if that has nothing else in it.
    alone: Option<usize>,
}

impl<W> Default for Turns<W> {
    fn default() -> Self {
        Self { ready: VecDeque::new(), lines: HashMap::new(), next: VecDeque::new(), since: None, alone: None }
    }
}

impl<W> Turns<W> {
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.lines.is_empty()
    }

    pub(super) fn push(&mut self, turn: Turn, write: W) {
        match turn {
            Turn::Lines(execution, count) => {
                let lines = self.lines.entry(execution).or_default();
                if lines.is_empty() {
                    self.next.push_back(execution);
                }
                return lines.push_back((count, write));
            }
            Turn::Of(execution) if !self.lines.is_empty() => {
                let own = self.lines.remove(&execution).unwrap_or_default();
                self.ready.extend(own.into_iter().map(|(_, lines)| lines));
            }
            Turn::Free | Turn::Of(_) => {}
        }
        self.ready.push_back(write);
    }

    /// Those that are to be committed next, at most `most`.
    pub(super) fn take(&mut self, most: usize, now: Instant) -> Vec<W> {
        self.alone = None;
        if self.lines.is_empty() {
            self.next.clear();
            self.since = None;
        } else if self.ready.is_empty() {
            self.since = None;
            self.alone = Some(0);
            return self.more_lines().into_iter().collect();
        } else {
            let since = *self.since.get_or_insert(now);
            let turns = (now.saturating_duration_since(since).as_nanos() / PATIENCE.as_nanos()).min(MOST_TURNS);
            if turns > 0 {
                // What they take themselves does not count: time goes on with the next commit.
                self.since = None;
                (0..turns).for_each(|_| self.let_lines_in());
            }
        }
        let many = self.ready.len().min(most);
        self.ready.drain(..many).collect()
    }

    /// More lines for the commit of those that were taken: none where that is of anything else, or anything else waits meanwhile.
    pub(super) fn more_lines(&mut self) -> Option<W> {
        let taken = self.alone.filter(|taken| *taken < LINES_TOGETHER && self.ready.is_empty())?;
        let (count, lines) = self.next_lines()?;
        self.alone = Some(taken + count);
        Some(lines)
    }

    /// One turn: after what is ready already.
    fn let_lines_in(&mut self) {
        let mut let_in = 0;
        while let_in < LINES
            && let Some((count, lines)) = self.next_lines()
        {
            self.ready.push_back(lines);
            let_in += count.max(1);
        }
    }

    /// The first lines of whoever is next.
    fn next_lines(&mut self) -> Option<(usize, W)> {
        while let Some(execution) = self.next.pop_front() {
            let Some(mut lines) = self.lines.remove(&execution) else { continue };
            let first = lines.pop_front();
            if !lines.is_empty() {
                self.lines.insert(execution, lines);
                self.next.push_back(execution);
            }
            if first.is_some() {
                return first;
            }
        }
        None
    }
}

#[cfg(test)]
#[path = "turns_tests.rs"]
mod tests;
