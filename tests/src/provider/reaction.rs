//! What a provider does when it is asked: an answer, or a fault.

use std::time::Duration;

use serde_json::Value;

use super::gate::Gate;

/// What the provider does with one request.
///
/// ```no_run
/// # use kitaru_tests::provider::{Gate, Reaction};
/// # use serde_json::json;
/// # let gate = Gate::new();
/// let _ = Reaction::text("A durable hello.").usage(12, 4);
/// let _ = Reaction::pieces(["A ", "durable ", "hello."]).held_after(2, &gate);
/// let _ = Reaction::tool_call("call_1", "read_file", json!({ "path": "src/lib.rs" })).and_text("Let me look.");
/// let _ = Reaction::status(429).header("retry-after", "1");
/// let _ = Reaction::pieces(["A ", "durable "]).cut_after(1);
/// ```
#[derive(Clone, Debug)]
pub struct Reaction {
    pub(super) what: What,
    pub(super) headers: Vec<(String, String)>,
    pub(super) delay: Duration,
    pub(super) gate: Option<Gate>,
    /// What happens after so many pieces.
    pub(super) interruptions: Vec<(usize, Interruption)>,
    /// The pause before each piece.
    pub(super) pace: Duration,
}

/// The answer or the fault itself.
#[derive(Clone, Debug)]
pub(super) enum What {
    Answer(Answer),
    /// A status that is no success. Without a body, the one of the protocol.
    Status {
        status: u16,
        body: Option<String>,
    },
    /// A refusal that quotes the key.
    EchoedKey {
        status: u16,
    },
    /// These bytes, whatever they are.
    Raw {
        content_type: String,
        pieces: Vec<String>,
    },
    /// So many blanks, with their number in `content-length` or without it.
    Bulk {
        bytes: u64,
        announced: bool,
    },
    Hang,
}

/// What a model says.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) pieces: Vec<String>,
    pub(super) calls: Vec<ToolCall>,
    /// What it thought before, as its protocol brings that: signed, encrypted, or plain.
    pub(super) thinking: Option<String>,
    pub(super) usage: Option<Usage>,
    pub(super) model: Option<String>,
    pub(super) finish: Finish,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        self.pieces.concat()
    }
}

/// A tool that the model asks for.
#[derive(Clone, Debug)]
pub(super) struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl ToolCall {
    /// The arguments as JSON, for protocols that have them so. What is not JSON (a model's slip) becomes text.
    pub(super) fn value(&self) -> Value {
        serde_json::from_str(&self.arguments).unwrap_or_else(|_| Value::String(self.arguments.clone()))
    }

    /// The arguments in two pieces, as streams bring them.
    pub(super) fn halves(&self) -> [&str; 2] {
        let (first, second) = self.arguments.split_at(middle(&self.arguments));
        [first, second]
    }
}

/// The end of a character near the middle of a text.
pub(super) fn middle(text: &str) -> usize {
    (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Tokens, counted as OpenAI does: cached ones are among the input, reasoning is among the output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) cached: u64,
    pub(super) reasoning: u64,
    /// Dollars, as OpenRouter reports them.
    pub(super) cost: Option<f64>,
}

/// Why a model stopped, if it did not ask for tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// It was done.
    #[default]
    Stop,
    /// It had no tokens left.
    Length,
    /// The provider's filter stopped it.
    Filter,
}

/// What happens in the middle of an answer.
#[derive(Clone, Debug)]
pub(super) enum Interruption {
    Cut,
    Hang,
    Held(Gate),
    /// This text comes in between.
    Text(String),
    /// The piece before it comes again and again.
    Endless,
}

impl Reaction {
    fn new(what: What) -> Self {
        let (headers, interruptions) = (Vec::new(), Vec::new());
        Self { what, headers, delay: Duration::ZERO, gate: None, interruptions, pace: Duration::ZERO }
    }

    /// A text. Where a stream is wanted it comes word by word.
    pub fn text(text: &str) -> Self {
        Self::pieces(text.split_inclusive(' '))
    }

    /// A text that a stream brings in these pieces.
    pub fn pieces(pieces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let pieces = pieces.into_iter().map(Into::into).collect();
        let usage = Some(Usage { input: 11, output: 7, cached: 0, reasoning: 0, cost: None });
        Self::new(What::Answer(Answer { pieces, usage, ..Answer::default() }))
    }

    /// A model that asks for a tool. `arguments` may also be a text that is no JSON, as models write them now and then.
    pub fn tool_call(id: &str, name: &str, arguments: Value) -> Self {
        Self::pieces([""; 0]).and_tool_call(id, name, arguments)
    }

    /// The same answer asks for one more tool.
    #[must_use]
    pub fn and_tool_call(self, id: &str, name: &str, arguments: Value) -> Self {
        let arguments = match arguments {
            Value::String(text) => text,
            value => value.to_string(),
        };
        self.with_answer(|answer| answer.calls.push(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments }))
    }

    /// The same answer says something too.
    #[must_use]
    pub fn and_text(self, text: &str) -> Self {
        self.with_answer(|answer| answer.pieces.extend(text.split_inclusive(' ').map(str::to_owned)))
    }

    /// The model thought this before. Streams bring it before the text.
    #[must_use]
    pub fn thinking(self, thought: &str) -> Self {
        self.with_answer(|answer| answer.thinking = Some(thought.to_owned()))
    }

    /// The tokens that the answer says it took: 11 and 7 if nothing else is said.
    #[must_use]
    pub fn usage(self, input: u64, output: u64) -> Self {
        self.with_answer(|answer| answer.usage = Some(Usage { input, output, cached: 0, reasoning: 0, cost: None }))
    }

    /// So many tokens of the input came from the provider's cache, so many of the output are reasoning.
    #[must_use]
    pub fn of_which(self, cached: u64, reasoning: u64) -> Self {
        self.with_usage(|usage| (usage.cached, usage.reasoning) = (cached, reasoning))
    }

    /// What the answer says it cost, in dollars.
    #[must_use]
    pub fn cost(self, dollars: f64) -> Self {
        self.with_usage(|usage| usage.cost = Some(dollars))
    }

    /// An answer that says nothing about tokens.
    #[must_use]
    pub fn without_usage(self) -> Self {
        self.with_answer(|answer| answer.usage = None)
    }

    /// The model that answers, where it is not the one that was asked.
    #[must_use]
    pub fn from_model(self, model: &str) -> Self {
        self.with_answer(|answer| answer.model = Some(model.to_owned()))
    }

    /// Why the model stopped. One that asks for tools stops for that.
    #[must_use]
    pub fn finish(self, finish: Finish) -> Self {
        self.with_answer(|answer| answer.finish = finish)
    }

    /// A status that is no success, with the body that the protocol has for it.
    pub fn status(status: u16) -> Self {
        Self::new(What::Status { status, body: None })
    }

    /// The body of a [`Reaction::status`].
    #[must_use]
    pub fn body(mut self, text: impl Into<String>) -> Self {
        match &mut self.what {
            What::Status { body, .. } => *body = Some(text.into()),
            other => panic!("only a status has a body of its own: {other:?}"),
        }
        self
    }

    /// A status that is no success, in whose message the key stands that came with the request.
    pub fn echoed_key(status: u16) -> Self {
        Self::new(What::EchoedKey { status })
    }

    /// Leads elsewhere, with status 307.
    pub fn redirect(location: &str) -> Self {
        Self::status(307).body("").header("location", location)
    }

    /// Never answers, and keeps the connection.
    pub fn hang() -> Self {
        Self::new(What::Hang)
    }

    /// Status 200 with this body, which need not be what the content type says: bad JSON, bad events.
    pub fn raw(content_type: &str, pieces: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let pieces = pieces.into_iter().map(Into::into).collect();
        Self::new(What::Raw { content_type: content_type.to_owned(), pieces })
    }

    /// Status 200 with so many blanks, which are made while they are sent. Says their number beforehand, or does not.
    pub fn bulk(bytes: u64, announced: bool) -> Self {
        Self::new(What::Bulk { bytes, announced })
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Begins to answer so much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Begins to answer when the gate is open.
    #[must_use]
    pub fn held(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Pauses so long before each piece of a stream.
    #[must_use]
    pub fn paced(mut self, pause: Duration) -> Self {
        self.pace = pause;
        self
    }

    /// Goes on after so many pieces only when the gate is open. An answer that is not streamed is held, cut and so on in the middle.
    #[must_use]
    pub fn held_after(self, pieces: usize, gate: &Gate) -> Self {
        self.interrupted(pieces, Interruption::Held(gate.clone()))
    }

    /// Cuts the connection after so many pieces.
    #[must_use]
    pub fn cut_after(self, pieces: usize) -> Self {
        self.interrupted(pieces, Interruption::Cut)
    }

    /// Sends nothing more after so many pieces, and keeps the connection.
    #[must_use]
    pub fn hang_after(self, pieces: usize) -> Self {
        self.interrupted(pieces, Interruption::Hang)
    }

    /// Sends this text after so many pieces, as it is: an event that is no JSON, an error in the middle.
    #[must_use]
    pub fn with_text_after(self, pieces: usize, text: impl Into<String>) -> Self {
        self.interrupted(pieces, Interruption::Text(text.into()))
    }

    /// Sends the last of so many pieces again and again, for ever.
    #[must_use]
    pub fn endless_after(self, pieces: usize) -> Self {
        self.interrupted(pieces, Interruption::Endless)
    }

    fn interrupted(mut self, pieces: usize, interruption: Interruption) -> Self {
        self.interruptions.push((pieces, interruption));
        self
    }

    fn with_answer(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        match &mut self.what {
            What::Answer(answer) => change(answer),
            other => panic!("only an answer can be changed so: {other:?}"),
        }
        self
    }

    fn with_usage(self, change: impl FnOnce(&mut Usage)) -> Self {
        self.with_answer(|answer| change(answer.usage.as_mut().expect("an answer that says what it took")))
    }
}
