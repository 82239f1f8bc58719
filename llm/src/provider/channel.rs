//! Which strings of an answer's events are pieces of one text, and which of its texts end together.

use std::hash::{BuildHasher as _, RandomState};

use serde_json::Value;

/// A piece of a text, and of a tool's arguments, as OpenAI Responses has them.
const TEXT: &str = "response.output_text.delta";
const ARGUMENTS: &str = "response.function_call_arguments.delta";
/// Events with what such pieces go on from.
const PART_ADDED: &str = "response.content_part.added";
const ITEM_ADDED: &str = "response.output_item.added";

/// What tells texts apart that do not go on from one another: all names around them, whether they are thought or said, and the numbers of the answer
/// and of the call of a tool where several come side by side. Blocks and items mostly come one after the other, and callers hear their texts as one; but
/// whoever puts an answer together does so by their numbers. So a text may belong to two: that of all, and that of its own block or item.
///
/// It is a number, made of all that by a hash whose key nobody knows: names are as long as a provider likes, and it must not choose two texts that
/// look like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Channel(u64);

/// What the elements of an array are numbered by where they do not say.
#[derive(Clone, Copy, Default)]
enum Elements {
    /// They are read as one, numbered or not.
    #[default]
    Bare,
    /// Answers: a missing number means the first, to those who put them together.
    Answers,
    /// Calls of tools: by their place.
    Calls,
}

/// A step from an event to one of its strings.
#[derive(Clone, Copy, Default)]
struct Level {
    /// All names up to here.
    names: u64,
    /// All numbers up to here of what is never read as one.
    numbers: u64,
    /// Those of blocks, items and parts too.
    own: u64,
    elements: Elements,
}

/// Where a string stands. Each name on the way is read once, however many strings stand below it.
pub(super) struct Place {
    hash: RandomState,
    levels: Vec<Level>,
    is_thought: bool,
    /// It is no event of OpenAI Responses: others put texts of one kind only under the same names.
    is_plain: bool,
    /// The names of a text that another goes on from, and those of the other.
    begins: Option<(u64, u64)>,
    strings: usize,
}

impl Place {
    /// At the top of an event. All events of an answer share one `hash`.
    pub(super) fn top(event: &Value, hash: &RandomState) -> Self {
        let kind = kind_of(event);
        let is_plain = !kind.starts_with("response.");
        let mut place = Self { hash: hash.clone(), levels: Vec::new(), is_thought: false, is_plain, begins: None, strings: 0 };
        let names = place.path(&[if is_plain { "" } else { kind }]);
        // Calls of tools may come side by side; texts are read as one.
        let is_call = matches!(kind, ARGUMENTS | ITEM_ADDED);
        let numbers = if is_call { place.numbered(0, count(event, "output_index")) } else { 0 };
        let item = Item::of(event).filter(|_| !is_call);
        let own = item.map_or(numbers, |item| place.hash.hash_one((numbers, item)));
        place.begins = match kind {
            PART_ADDED => Some((place.path(&[kind, "part", "text"]), place.path(&[TEXT, "delta"]))),
            ITEM_ADDED => Some((place.path(&[kind, "item", "arguments"]), place.path(&[ARGUMENTS, "delta"]))),
            _ => None,
        };
        place.levels.push(Level { names, numbers, own, elements: Elements::Bare });
        place
    }

    /// Goes to what an object has under this name.
    pub(super) fn enter(&mut self, name: &str) {
        let above = self.here();
        // Anthropic's blocks go on from what they begin with.
        let is_block = self.is_plain && self.levels.len() == 1 && name == "content_block";
        let names = self.named(above.names, if is_block { "delta" } else { name });
        let elements = match name {
            "choices" | "candidates" => Elements::Answers,
            "tool_calls" => Elements::Calls,
            _ => Elements::Bare,
        };
        self.levels.push(Level { names, elements, ..above });
    }

    /// Goes to an element of an array.
    pub(super) fn enter_element(&mut self, position: usize, element: &Value) {
        let above = self.here();
        let told = element.get("index").and_then(Value::as_u64);
        let number = match above.elements {
            Elements::Bare => None,
            Elements::Answers => told.or(Some(0)),
            Elements::Calls => told.or(Some(position as u64)),
        };
        let numbers = number.map_or(above.numbers, |number| self.numbered(above.numbers, number));
        let own = number.or(told).map_or(above.own, |number| self.numbered(above.own, number));
        self.levels.push(Level { numbers, own, elements: Elements::Bare, ..above });
    }

    /// Goes back from there.
    pub(super) fn leave(&mut self) {
        self.levels.pop();
    }

    /// Whether what stands here is thought: Gemini has it among the texts that it says. Tells what was so before.
    pub(super) fn think(&mut self, is_thought: bool) -> bool {
        std::mem::replace(&mut self.is_thought, is_thought)
    }

    /// The number of the event's next string, in their order.
    pub(super) fn next_string(&mut self) -> usize {
        let number = self.strings;
        self.strings = number.saturating_add(1);
        number
    }

    /// The texts that a string at this place belongs to: one, or two.
    pub(super) fn channels(&self) -> impl Iterator<Item = Channel> {
        let Level { names, numbers, own, .. } = self.here();
        let names = match self.begins {
            Some((begin, other)) if begin == names => other,
            _ => names,
        };
        let channel = |numbers: u64| Channel(self.hash.hash_one((names, numbers, self.is_thought)));
        [Some(channel(numbers)), (own != numbers).then(|| channel(own))].into_iter().flatten()
    }

    fn here(&self) -> Level {
        self.levels.last().copied().unwrap_or_default()
    }

    fn path(&self, names: &[&str]) -> u64 {
        names.iter().fold(0, |path, name| self.named(path, name))
    }

    fn named(&self, path: u64, name: &str) -> u64 {
        #[cfg(test)]
        work::add(name.len());
        self.hash.hash_one((path, name))
    }

    fn numbered(&self, numbers: u64, number: u64) -> u64 {
        self.hash.hash_one((numbers, number))
    }
}

/// A block or an item of an answer, and a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item {
    number: u64,
    part: Option<(&'static str, u64)>,
}

impl Item {
    /// What an event belongs to, if its protocol has such. A missing number is the first, as it is to those who put the answer together.
    pub(super) fn of(event: &Value) -> Option<Self> {
        let kind = kind_of(event);
        if kind.starts_with("response.") {
            let number = count(event, "output_index");
            let parts = ["content_index", "summary_index"];
            let part = parts.into_iter().find_map(|name| Some((name, event.get(name)?.as_u64()?)));
            return Some(Self { number, part });
        }
        if kind.starts_with("content_block_") {
            return Some(Self { number: count(event, "index"), part: None });
        }
        let amazon = ["contentBlockStart", "contentBlockDelta", "contentBlockStop"];
        let block = amazon.into_iter().find_map(|name| event.get(name))?;
        Some(Self { number: count(block, "contentBlockIndex"), part: None })
    }

    /// What ends with an event, and so very likely its texts.
    pub(super) fn ended_by(event: &Value) -> Option<Self> {
        let kind = kind_of(event);
        let ends = kind == "content_block_stop"
            || (kind.starts_with("response.") && kind.ends_with(".done"))
            || event.get("contentBlockStop").is_some();
        if ends { Self::of(event) } else { None }
    }

    /// Whether `other` is this, or a part of it.
    pub(super) fn has(self, other: Self) -> bool {
        self.number == other.number && (self.part.is_none() || self.part == other.part)
    }
}

fn kind_of(event: &Value) -> &str {
    event.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn count(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// How many bytes of names were read, for tests of how often that is.
#[cfg(test)]
pub(super) mod work {
    use std::cell::Cell;

    thread_local! {
        static NAMES: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn add(bytes: usize) {
        NAMES.set(NAMES.get() + bytes);
    }

    /// What came together since it was last asked, in this thread.
    pub(in crate::provider) fn take() -> usize {
        NAMES.take()
    }
}
