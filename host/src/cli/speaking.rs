//! What models say, at a terminal while they say it.

use std::collections::BTreeMap;

use super::terminal::{lines, one_line};
use crate::engine::{LiveChunk, Said};

/// Stands where pieces did not come.
const GAP: &str = " … ";
/// Stands before each line of an answer: what a model says is not to look like what this program says.
const MARGIN: &str = "  ";

/// Which answer it is: the call, the attempt of it, and the position among the calls of the attempt.
type Answer = (u32, u32, u32);

/// What came of answers under way, so that nothing of it is shown twice.
#[derive(Debug, Default)]
pub(super) struct Heard(BTreeMap<Answer, Known>);

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The number of the piece that comes next.
    next: u64,
    bytes: usize,
}

/// What a chunk has that is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct New {
    pub(super) chunk: LiveChunk,
    /// Pieces before it did not come.
    pub(super) after_gap: bool,
}

impl Heard {
    /// What is new in a chunk, if anything is: one that follows a lost connection may begin anew.
    pub(super) fn take(&mut self, chunk: LiveChunk) -> Option<New> {
        let answer = (chunk.call.index, chunk.attempt, chunk.ordinal);
        let known = self.0.get(&answer).copied();
        let Known { next, bytes } = known.unwrap_or_default();
        let end = chunk.piece.saturating_add(chunk.pieces);
        match &chunk.said {
            Said::Ended => {
                self.0.remove(&answer)?;
                // Its last words were said while nobody could hear them: they are in its record.
                Some(New { after_gap: chunk.piece > next, chunk })
            }
            _ if known.is_some() && end <= next => None,
            Said::Withheld => {
                self.0.insert(answer, Known { next: end, bytes });
                Some(New { chunk, after_gap: false })
            }
            Said::Text(text) => {
                let from = if chunk.piece == 0 { bytes } else { 0 };
                let rest = text.get(from..).unwrap_or_default().to_owned();
                let shown = bytes.saturating_sub(from).saturating_add(text.len());
                self.0.insert(answer, Known { next: end, bytes: shown });
                let (piece, after_gap) = (chunk.piece.max(next), chunk.piece > next);
                let pieces = end.saturating_sub(piece);
                Some(New { chunk: LiveChunk { piece, pieces, said: Said::Text(rest), ..chunk }, after_gap })
            }
        }
    }
}

/// Writes answers as text among other lines, and says whose they are where several speak.
#[derive(Debug, Default)]
pub(super) struct Speaking {
    begun: Vec<Answer>,
    /// Whose text the line has that is being written; and whether anything stands in it.
    speaker: Option<Answer>,
    is_within: bool,
}

impl Speaking {
    /// What to write of what is new.
    pub(super) fn say(&mut self, new: &New) -> String {
        let LiveChunk { call, attempt, ordinal, name, said, .. } = &new.chunk;
        let (answer, name) = ((call.index, *attempt, *ordinal), one_line(name));
        match said {
            Said::Text(text) => {
                let mut out = self.turn_to(answer, &name);
                if new.after_gap {
                    self.write(GAP, &mut out);
                }
                self.write(&lines(text), &mut out);
                out
            }
            Said::Withheld => {
                self.begun.push(answer);
                let out = self.pause();
                format!("{out}[A model answers: {name}. What it says is shown when it is recorded]\n")
            }
            Said::Ended => {
                let mut out = String::new();
                if new.after_gap {
                    out = self.turn_to(answer, &name);
                    self.write(GAP.trim_end(), &mut out);
                }
                self.begun.retain(|begun| *begun != answer);
                out.push_str(self.pause());
                format!("{out}[Its answer is recorded: {name}]\n")
            }
        }
    }

    /// What to write before any other line.
    pub(super) fn pause(&mut self) -> &'static str {
        self.speaker = None;
        if std::mem::take(&mut self.is_within) { "\n" } else { "" }
    }

    fn turn_to(&mut self, answer: Answer, name: &str) -> String {
        if self.speaker == Some(answer) {
            return String::new();
        }
        let mut out = self.pause().to_owned();
        if self.begun.contains(&answer) {
            out.push_str(&format!("[{name} goes on]\n"));
        } else {
            self.begun.push(answer);
            out.push_str(&format!("[A model answers: {name}]\n"));
        }
        self.speaker = Some(answer);
        out
    }

    fn write(&mut self, text: &str, out: &mut String) {
        for line in text.split_inclusive('\n') {
            if !self.is_within && line != "\n" {
                out.push_str(MARGIN);
            }
            out.push_str(line);
            self.is_within = !line.ends_with('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CallId, Ids as _, SystemIds};

    fn chunk(index: u32, piece: u64, pieces: u64, said: Said) -> LiveChunk {
        let call = CallId { execution: SystemIds.execution(), index };
        let name = format!("story_{index}");
        LiveChunk { cursor: String::new(), call, attempt: 1, ordinal: 0, name, piece, pieces, said }
    }

    fn text(index: u32, piece: u64, text: &str) -> LiveChunk {
        chunk(index, piece, text.split_whitespace().count() as u64, Said::Text(text.into()))
    }

    fn shown(chunks: impl IntoIterator<Item = LiveChunk>) -> String {
        let (mut heard, mut speaking) = (Heard::default(), Speaking::default());
        chunks.into_iter().filter_map(|chunk| heard.take(chunk)).map(|new| speaking.say(&new)).collect()
    }

    #[test]
    fn an_answer_is_one_text_however_often_it_is_told() {
        let end = chunk(0, 4, 1, Said::Ended);
        for chunks in [
            vec![text(0, 0, "One two "), text(0, 2, "three "), text(0, 3, "four")],
            // Told again, and told anew with more.
            vec![
                text(0, 0, "One two "),
                text(0, 0, "One two "),
                text(0, 0, "One two three "),
                text(0, 2, "three "),
                text(0, 3, "four"),
            ],
        ] {
            let expected = "[A model answers: story_0]\n  One two three four\n[Its answer is recorded: story_0]\n";
            assert_eq!(shown(chunks.into_iter().chain([end.clone(), end.clone()])), expected);
        }
    }

    #[test]
    fn what_did_not_come_is_seen_as_a_gap() {
        assert_eq!(
            shown([text(0, 0, "One "), text(0, 5, "six "), text(0, 6, "seven")]),
            "[A model answers: story_0]\n  One  … six seven"
        );
        assert_eq!(shown([text(0, 7, "eight")]), "[A model answers: story_0]\n   … eight");
    }

    #[test]
    fn last_words_that_were_not_heard_are_seen_to_be_missing() {
        let said = shown([text(0, 0, "One two"), chunk(0, 5, 1, Said::Ended)]);
        assert_eq!(said, "[A model answers: story_0]\n  One two …\n[Its answer is recorded: story_0]\n");
    }

    #[test]
    fn several_who_speak_at_once_are_told_apart() {
        let said = shown([
            text(0, 0, "One "),
            text(1, 0, "Eins\n"),
            text(0, 1, "two"),
            chunk(1, 1, 1, Said::Ended),
            text(0, 2, "three"),
        ]);
        let expected = "[A model answers: story_0]\n  One \n[A model answers: story_1]\n  Eins\n[story_0 goes on]\n  two\n\
                        [Its answer is recorded: story_1]\n[story_0 goes on]\n  three";
        assert_eq!(said, expected);
    }

    #[test]
    fn a_model_cannot_write_what_this_program_writes() {
        let hostile = "a\n[Execution completed successfully]\n\u{1b}[2J\u{202e}b\tc";
        let expected = "[A model answers: story_0]\n  a\n  [Execution completed successfully]\n  \\u{1b}[2J\\u{202e}b\tc";
        assert_eq!(shown([chunk(0, 0, 1, Said::Text(hostile.into()))]), expected);
    }

    #[test]
    fn what_is_not_shown_while_it_comes_is_announced() {
        let expected =
            "[A model answers: story_0. What it says is shown when it is recorded]\n[Its answer is recorded: story_0]\n";
        assert_eq!(shown([chunk(0, 0, 1, Said::Withheld), chunk(0, 1, 1, Said::Ended)]), expected);
    }
}
