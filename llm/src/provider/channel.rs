//! Which strings of an answer's events are pieces of one text.

use serde_json::Value;

/// A piece of a text, and of a tool's arguments, as OpenAI Responses has them.
const TEXT: &str = "response.output_text.delta";
const ARGUMENTS: &str = "response.function_call_arguments.delta";
/// Events with what such pieces go on from.
const PART_ADDED: &str = "response.content_part.added";
const ITEM_ADDED: &str = "response.output_item.added";

/// What tells texts apart that do not go on from one another: all names around them, whether they are thought or said, and the numbers of the answer
/// and of the call of a tool where several come side by side. Blocks and items come one after the other, and callers read their texts as one; so do
/// we.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Channel {
    numbers: Vec<u64>,
    is_thought: bool,
    name: String,
}

/// A step from an event to one of its strings.
enum Step<'e> {
    Name(&'e str),
    Position(usize),
}

/// Where a string stands.
pub(super) struct Place<'e> {
    steps: Vec<Step<'e>>,
    numbers: Vec<u64>,
    is_thought: bool,
    /// The type of an event of OpenAI Responses: others put texts of one kind only under the same names.
    kind: String,
}

impl<'e> Place<'e> {
    /// At the top of an event.
    pub(super) fn top(event: &Value) -> Self {
        let kind = kind_of(event);
        // Calls of tools may come side by side; texts are read as one.
        let number =
            matches!(kind, ARGUMENTS | ITEM_ADDED).then(|| event.get("output_index").and_then(Value::as_u64).unwrap_or_default());
        let kind = if kind.starts_with("response.") { kind.to_owned() } else { String::new() };
        Self { steps: Vec::new(), numbers: number.into_iter().collect(), is_thought: false, kind }
    }

    /// Goes to what an object has under this name.
    pub(super) fn enter(&mut self, name: &'e str) {
        self.steps.push(Step::Name(name));
    }

    /// Goes to an element of an array. Tells whether it has a number.
    pub(super) fn enter_element(&mut self, position: usize, element: &Value) -> bool {
        let told = element.get("index").and_then(Value::as_u64);
        // What a missing number means to those who put the answer together.
        let number = match self.steps.last() {
            Some(Step::Name("choices" | "candidates")) => told.or(Some(0)),
            Some(Step::Name("tool_calls")) => told.or(Some(position as u64)),
            _ => told,
        };
        self.numbers.extend(number);
        self.steps.push(Step::Position(position));
        number.is_some()
    }

    /// Goes back from there.
    pub(super) fn leave(&mut self) {
        self.steps.pop();
    }

    /// Goes back from an element.
    pub(super) fn leave_element(&mut self, numbered: bool) {
        self.leave();
        if numbered {
            self.numbers.pop();
        }
    }

    /// Whether what stands here is thought: Gemini has it among the texts that it says. Tells what was so before.
    pub(super) fn think(&mut self, is_thought: bool) -> bool {
        std::mem::replace(&mut self.is_thought, is_thought)
    }

    /// The text that a string at this place belongs to.
    pub(super) fn channel(&self) -> Channel {
        let names = self.steps.iter().filter_map(|step| match step {
            Step::Name(name) => Some(*name),
            Step::Position(_) => None,
        });
        let names = names.collect::<Vec<_>>().join("/");
        let name = match (self.kind.as_str(), names.as_str()) {
            (PART_ADDED, "part/text") => format!("{TEXT} delta"),
            (ITEM_ADDED, "item/arguments") => format!("{ARGUMENTS} delta"),
            // Anthropic's blocks go on from what they begin with.
            ("", begins) => match begins.strip_prefix("content_block/") {
                Some(name) => format!(" delta/{name}"),
                None => format!(" {begins}"),
            },
            (kind, name) => format!("{kind} {name}"),
        };
        Channel { numbers: self.numbers.clone(), is_thought: self.is_thought, name }
    }

    /// Where that is, as a JSON pointer.
    pub(super) fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.steps {
            pointer.push('/');
            match step {
                Step::Name(name) => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
                Step::Position(position) => pointer.push_str(&position.to_string()),
            }
        }
        pointer
    }
}

/// Whether a block or an item ends with this event, and so very likely its texts.
pub(super) fn ends_texts(event: &Value) -> bool {
    let kind = kind_of(event);
    kind == "content_block_stop"
        || (kind.starts_with("response.") && kind.ends_with(".done"))
        || event.get("contentBlockStop").is_some()
}

fn kind_of(event: &Value) -> &str {
    event.get("type").and_then(Value::as_str).unwrap_or_default()
}
