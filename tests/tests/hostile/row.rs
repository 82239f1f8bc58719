//! One attempt: what a guest tries, how it is run, and how that must end.

use kitaru_tests::{Framed, fixture, repository};

/// One attempt.
pub(crate) struct Row {
    /// Its name; of a flow of the guest `hostile` and of a part of `hostile-wat` the name of that.
    pub(crate) name: &'static str,
    /// What it attempts, where nothing else says so.
    pub(crate) attempts: &'static str,
    pub(crate) guest: Guest,
    pub(crate) input: &'static str,
    pub(crate) flags: &'static [&'static str],
    pub(crate) end: End,
}

/// Where a component comes from.
pub(crate) enum Guest {
    /// A flow of the guest `hostile`.
    Flow(&'static str),
    /// A part in `hostile-wat`.
    Wat,
    /// A part of a few sections.
    Part(&'static [(&'static str, &'static str)]),
    /// Made by a function, because it is large.
    Made(fn() -> Vec<u8>),
}

/// How an attempt must end.
pub(crate) enum End {
    /// The execution fails with one of these kinds, or a longer one that begins so, and its message has this in it.
    Fails(&'static [&'static str], &'static str),
    /// The component or its input is refused, for this reason, and no execution comes of it.
    Refused(&'static str),
    /// It does no harm: it completes. The result is the one of the frame, or `"held"`.
    Completes,
    /// It does no harm: it completes with whatever result.
    CompletesAnyhow,
    /// It does no harm: it waits.
    Waits,
}

/// What most rows run with: so little memory that a bomb is over soon, and time enough for a busy machine.
const MODEST: &[&str] = &["--max-memory=64", "--flow-seconds=30", "--checkpoint-seconds=30"];
/// What rows run with that never end by themselves.
pub(crate) const BRIEF: &[&str] = &["--max-memory=64", "--flow-seconds=1", "--checkpoint-seconds=1"];

pub(crate) const LIMIT: &[&str] = &["limit"];
pub(crate) const TRAP: &[&str] = &["trap"];

const fn row(name: &'static str, attempts: &'static str, guest: Guest, end: End) -> Row {
    Row { name, attempts, guest, input: "{}", flags: MODEST, end }
}

/// A flow of the guest `hostile`, whose documentation says what it attempts.
pub(crate) const fn flow(name: &'static str, end: End) -> Row {
    row(name, "", Guest::Flow(name), end)
}

/// A part in `hostile-wat`, whose first comment says what it attempts.
pub(crate) const fn wat(name: &'static str, end: End) -> Row {
    row(name, "", Guest::Wat, end)
}

/// A part of a few sections.
pub(crate) const fn part(
    name: &'static str,
    attempts: &'static str,
    sections: &'static [(&'static str, &'static str)],
    end: End,
) -> Row {
    row(name, attempts, Guest::Part(sections), end)
}

/// A component that a function makes.
pub(crate) const fn made(name: &'static str, attempts: &'static str, make: fn() -> Vec<u8>, end: End) -> Row {
    row(name, attempts, Guest::Made(make), end)
}

impl Row {
    /// The same flow under another name, with arguments.
    pub(crate) const fn called(mut self, name: &'static str, attempts: &'static str, input: &'static str) -> Self {
        (self.name, self.attempts, self.input) = (name, attempts, input);
        self
    }

    /// The same with other flags.
    pub(crate) const fn flags(mut self, flags: &'static [&'static str]) -> Self {
        self.flags = flags;
        self
    }

    /// The same with arguments.
    pub(crate) const fn input(mut self, input: &'static str) -> Self {
        self.input = input;
        self
    }

    /// What is run: the component, which `keep` writes where it has to, and perhaps its flow.
    pub(crate) fn target(&self, keep: impl FnOnce(&str, Vec<u8>) -> String) -> String {
        let file = format!("{}.wasm", self.name.replace([' ', ':'], "-"));
        match &self.guest {
            Guest::Flow(flow) => fixture(&format!("hostile:{flow}")),
            Guest::Wat => keep(&file, Framed::read(self.name).bytes()),
            Guest::Part(sections) => {
                let part = sections.iter().fold(Framed::default(), |part, (section, text)| part.with(section, *text));
                keep(&file, part.bytes())
            }
            Guest::Made(make) => keep(&file, make()),
        }
    }

    /// What it attempts, in a sentence.
    pub(crate) fn attempts(&self) -> String {
        match &self.guest {
            _ if !self.attempts.is_empty() => self.attempts.to_owned(),
            Guest::Wat => {
                let path = repository().join("tests/guests/hostile-wat").join(self.name).with_extension("wat");
                let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let comment: Vec<&str> = text.lines().map_while(|line| line.strip_prefix(";; ")).collect();
                comment.join(" ")
            }
            Guest::Flow(flow) => documented(flow),
            Guest::Part(_) | Guest::Made(_) => panic!("nothing says what `{}` attempts", self.name),
        }
    }

    /// How it ends, in a few words.
    pub(crate) fn ends(&self) -> String {
        let shown =
            |kinds: &[&str]| kinds.iter().map(|kind| format!("`{}`", kind.escape_debug())).collect::<Vec<_>>().join(" or ");
        match &self.end {
            End::Fails(kinds, "") => format!("fails: {}", shown(kinds)),
            End::Fails(kinds, piece) => format!("fails: {}, \"{piece}\"", shown(kinds)),
            End::Refused(piece) => format!("refused: \"{piece}\""),
            End::Completes | End::CompletesAnyhow => "harmless: completes".into(),
            End::Waits => "harmless: waits".into(),
        }
    }
}

/// The documentation of a flow, from its source.
fn documented(flow: &str) -> String {
    let folder = repository().join("tests/guests/hostile/src");
    let head = format!("fn {flow}(");
    for file in std::fs::read_dir(folder).expect("the sources of the guest").map(|file| file.expect("a file").path()) {
        let text = std::fs::read_to_string(&file).expect("a source");
        let Some((before, _)) = text.split_once(&head) else { continue };
        let mut comment: Vec<&str> = before.lines().rev().skip_while(|line| !line.starts_with("/// ")).collect();
        comment.truncate(comment.iter().position(|line| !line.starts_with("/// ")).unwrap_or(comment.len()));
        comment.reverse();
        return comment.iter().map(|line| line.trim_start_matches("/// ")).collect::<Vec<_>>().join(" ");
    }
    panic!("the guest `hostile` has no flow `{flow}`")
}
