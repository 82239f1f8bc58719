//! A call that is being prepared, and the ways to make it.

use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Answer, LlmSpan, LlmStream, Message, Tool, ToolChoice};
use crate::bindings::kitaru::flow::llm;
use crate::scope::Scope;
use crate::{Checkpoint, Error, Flow, Pending, Result, json as text, schema};

/// A call of a language model that is being prepared. It is made by [`Llm::text`], [`Llm::json`], [`Llm::ask`] or [`Llm::stream`].
///
/// In a flow it is a durable call of its own: re-executed, the flow gets the recorded answer, and nobody pays twice. In a checkpoint it is
/// recorded with the checkpoint, and is made again when the checkpoint runs again. The operator must have granted the model (`--allow-llm`).
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[checkpoint]
/// fn outline(cx: &Checkpoint, topic: String) -> Result<String> {
///     cx.llm(format!("Outline a report about {topic}.")).model("fast").name("outline_call").text()
/// }
///
/// #[flow]
/// fn write(cx: &Flow, topic: String) -> Result<String> {
///     let outline = outline(cx, topic)?;
///     cx.llm(format!("Write the report:\n{outline}")).system("You are brief.").max_tokens(800).text()
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
#[must_use = "no model is asked until `.text()`, `.json()`, `.ask()` or `.stream()`"]
pub struct Llm<S> {
    prompt: Prompt,
    history: Vec<Message>,
    tools: Vec<Tool>,
    members: Map<String, Value>,
    extra: Map<String, Value>,
    scope: PhantomData<fn(&S)>,
}

/// What a model is asked: one text, or a conversation.
///
/// ```
/// use kitaru::llm::{Message, Prompt};
/// let text: Prompt = "What is a tide?".into();
/// let conversation: Prompt = vec![Message::user("What is a tide?")].into();
/// assert_ne!(text, conversation);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Prompt {
    /// A message of the user.
    Text(String),
    /// A conversation.
    Messages(Vec<Message>),
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Prompt {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Prompt {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Vec<Message>> for Prompt {
    fn from(messages: Vec<Message>) -> Self {
        Self::Messages(messages)
    }
}

impl From<&[Message]> for Prompt {
    fn from(messages: &[Message]) -> Self {
        Self::Messages(messages.to_vec())
    }
}

impl From<&Vec<Message>> for Prompt {
    fn from(messages: &Vec<Message>) -> Self {
        Self::Messages(messages.clone())
    }
}

impl From<Message> for Prompt {
    fn from(message: Message) -> Self {
        Self::Messages(vec![message])
    }
}

impl<S: Scope> Llm<S> {
    pub(crate) fn new(prompt: Prompt) -> Self {
        let (history, tools, members, extra) = Default::default();
        Self { prompt, history, tools, members, extra, scope: PhantomData }
    }

    /// The model: an alias that the host knows, or `provider/model`. Without one the host's default is asked.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("Hello").model("anthropic/claude-haiku-4-5").text() }
    /// ```
    pub fn model(self, model: impl Into<String>) -> Self {
        self.with("model", model.into())
    }

    /// Instructions that stand before the conversation.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("Hello").system("Answer in French.").text() }
    /// ```
    pub fn system(self, instructions: impl Into<String>) -> Self {
        self.with("system", instructions.into())
    }

    /// The conversation so far: these messages stand before the prompt.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow, history: Vec<Message>) -> Result<String> { cx.llm("And then?").messages(history).text() }
    /// ```
    pub fn messages(mut self, history: impl IntoIterator<Item = Message>) -> Self {
        self.history.extend(history);
        self
    }

    /// The name of the call in records: of its artifacts `<name>_prompt` and `<name>_response`, of its metadata, and in a flow of the durable
    /// call, by which a replay finds it. Otherwise `llm_1`, `llm_2` …
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("Hello").name("greeting").text() }
    /// ```
    pub fn name(self, name: impl Into<String>) -> Self {
        self.with("name", name.into())
    }

    /// How freely the model samples, 0 to 2.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("Hello").temperature(0.2).text() }
    /// ```
    pub fn temperature(self, temperature: f64) -> Self {
        self.with("temperature", temperature)
    }

    /// Sample only from the likeliest tokens that make up this share, 0 to 1.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("Hello").top_p(0.9).text() }
    /// ```
    pub fn top_p(self, share: f64) -> Self {
        self.with("top_p", share)
    }

    /// How many tokens the answer may have.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("Hello").max_tokens(200).text() }
    /// ```
    pub fn max_tokens(self, tokens: u64) -> Self {
        self.with("max_tokens", tokens)
    }

    /// Texts that end the answer.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("Count.").stop(["10"]).text() }
    /// ```
    pub fn stop<T: Into<String>>(self, texts: impl IntoIterator<Item = T>) -> Self {
        let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        self.with("stop", texts)
    }

    /// A number that makes the provider's sampling repeatable, as far as it can be.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("Hello").seed(7).text() }
    /// ```
    pub fn seed(self, seed: i64) -> Self {
        self.with("seed", seed)
    }

    /// Tools that the model may ask for. The host runs none: the answer says which are asked for ([`Answer::tool_calls`]).
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// #[data]
    /// struct Search {
    ///     words: String,
    /// }
    ///
    /// # fn f(cx: &Flow) -> Result<Vec<ToolCall>> {
    /// let answer = cx.llm("Find the tide tables.").tools([Tool::new::<Search>("search", "Searches files")]).ask()?;
    /// # Ok(answer.tool_calls)
    /// # }
    /// ```
    pub fn tools(mut self, tools: impl IntoIterator<Item = Tool>) -> Self {
        self.tools.extend(tools);
        self
    }

    /// Whether the model must, may or must not ask for a tool.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow, tool: Tool) -> Result<Answer> { cx.llm("Go.").tools([tool]).tool_choice(ToolChoice::Required).ask() }
    /// ```
    pub fn tool_choice(self, choice: ToolChoice) -> Self {
        self.with("tool_choice", choice.to_json())
    }

    /// Whether the model may ask for several tools in one answer.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow, tool: Tool) -> Result<Answer> { cx.llm("Go.").tools([tool]).parallel_tools(false).ask() }
    /// ```
    pub fn parallel_tools(self, may: bool) -> Self {
        self.with("parallel_tool_calls", may)
    }

    /// How often an answer that does not fit the type of [`Llm::json`] is sent back to be mended, at most 5 times. Each time is paid for.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<Vec<String>> { cx.llm("Name three rivers.").repairs(1).json() }
    /// ```
    pub fn repairs(self, times: u32) -> Self {
        self.with("repairs", times)
    }

    /// A parameter in the words of the provider's own protocol, sent as it is.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("Hello").extra("top_k", 5).text() }
    /// ```
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// A text of your own, which comes back in the answer and stands in all records of the call.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("Hello").correlation("ticket-17").text() }
    /// ```
    pub fn correlation(self, text: impl Into<String>) -> Self {
        self.with("correlation", text.into())
    }

    /// Asks for the provider's own document too: [`Answer::raw`].
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<Option<Value>> { Ok(cx.llm("Hello").raw().ask()?.raw) }
    /// ```
    pub fn raw(self) -> Self {
        self.with("raw", true)
    }

    /// Asks, and gives the text of the answer.
    ///
    /// # Errors
    /// [`Error::Capability`] where the model was not granted; [`Error::Failed`] for everything else, of kind `provider`, `budget`,
    /// `rate-limited`, `guardrail-rejected`, `not-configured` … An answer without text is one of kind `no-text`.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<String> { cx.llm("What is a tide?").text() }
    /// ```
    pub fn text(self) -> Result<String> {
        let answer = self.ask()?;
        if answer.text.is_empty() {
            let asked: Vec<&str> = answer.tool_calls.iter().map(|call| call.name.as_str()).collect();
            let why =
                if asked.is_empty() { "it is empty".to_owned() } else { format!("it asks for tools: {}", asked.join(", ")) };
            return Err(Error::new(format!("the answer has no text: {why}")).kind("no-text"));
        }
        Ok(answer.text)
    }

    /// Asks for a `T`: the model is given its JSON Schema, and the host checks the answer against it.
    ///
    /// # Errors
    /// As [`Llm::text`]; [`Error::Failed`] of kind `schema` for an answer that does not fit, after all [`Llm::repairs`].
    ///
    /// ```no_run
    /// use kitaru::prelude::*;
    ///
    /// #[data]
    /// struct River {
    ///     name: String,
    ///     kilometres: u32,
    /// }
    ///
    /// #[flow]
    /// fn longest(cx: &Flow) -> Result<River> {
    ///     cx.llm("Which river is the longest?").repairs(1).json()
    /// }
    /// # fn main() {}
    /// ```
    pub fn json<T: DeserializeOwned + JsonSchema>(self) -> Result<T> {
        let schema = json!({ "name": name_of_schema::<T>(), "schema": schema::of::<T>().to_value() });
        let answer = self.with("schema", schema).ask()?;
        match answer.value {
            Some(value) => serde_json::from_value(value).map_err(|error| Error::serialization(error.to_string())),
            // What a person gave in place of an answer: the JSON as text, or what looks like an answer with a text and nothing else.
            None => text::from_text(&answer.text)
                .or_else(|error| serde_json::from_value(json!({ "text": answer.text })).map_err(|_| error)),
        }
    }

    /// Asks, and gives the whole answer.
    ///
    /// # Errors
    /// As [`Llm::text`], but for the last.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<Option<f64>> { Ok(cx.llm("What is a tide?").ask()?.cost_usd) }
    /// ```
    pub fn ask(self) -> Result<Answer> {
        Answer::from_text(&llm::complete(&self.request()?)?)
    }

    /// Asks for an answer in pieces. A checkpoint gets them as the model writes them. A flow gets them when the whole answer is recorded, in
    /// the pieces in which it came.
    ///
    /// # Errors
    /// As [`Llm::ask`].
    ///
    /// ```no_run
    /// use kitaru::prelude::*;
    ///
    /// #[checkpoint]
    /// fn tell(cx: &Checkpoint, topic: String) -> Result<String> {
    ///     let mut story = cx.llm(format!("Tell a story about {topic}.")).stream()?;
    ///     for piece in &mut story {
    ///         cx.progress(&piece?, None);
    ///     }
    ///     Ok(story.finish()?.text)
    /// }
    /// # fn main() {}
    /// ```
    pub fn stream(self) -> Result<LlmStream> {
        let stream = llm::open_stream(&self.with("stream", true).request()?).map_err(Error::from)?;
        Ok(LlmStream::new(stream))
    }

    fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// The request as the host takes it.
    fn request(self) -> Result<String> {
        let Self { prompt, history, tools, mut members, extra, scope: _ } = self;
        let prompt = match prompt {
            prompt if history.is_empty() => prompt,
            Prompt::Text(text) => Prompt::Messages(history.into_iter().chain([Message::user(text)]).collect()),
            Prompt::Messages(messages) => Prompt::Messages(history.into_iter().chain(messages).collect()),
        };
        let prompt = serde_json::to_value(prompt).map_err(|error| Error::serialization(error.to_string()))?;
        members.insert("prompt".into(), prompt);
        if !tools.is_empty() {
            members.insert("tools".into(), tools.iter().map(Tool::to_json).collect());
        }
        if !extra.is_empty() {
            members.insert("extra".into(), extra.into());
        }
        text::to_text(&members)
    }
}

impl Llm<Flow> {
    /// Asks beside the flow: a handle on the answer.
    ///
    /// # Errors
    /// [`Error::Failed`] where the host refuses (a limit).
    ///
    /// ```no_run
    /// use kitaru::prelude::*;
    ///
    /// #[flow]
    /// fn both(cx: &Flow, question: String) -> Result<Vec<String>> {
    ///     let fast = cx.llm(&question).model("fast").submit()?;
    ///     let smart = cx.llm(&question).model("smart").submit()?; // both are asked now
    ///     Ok(vec![fast.load()?.text, smart.load()?.text])
    /// }
    /// # fn main() {}
    /// ```
    pub fn submit(self) -> Result<Pending<Answer>> {
        let handle = llm::submit(&self.request()?)?;
        Ok(Pending::new(handle, |outcome| Answer::from_text(&outcome?)))
    }
}

impl Llm<Checkpoint> {
    /// Asks the host whether the call may be made, and makes none.
    ///
    /// # Errors
    /// As [`Llm::ask`]: what the call would fail with before it is made.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<bool> { Ok(cx.llm("Hello").check().is_ok()) }
    /// ```
    pub fn check(self) -> Result<()> {
        Ok(llm::check(&self.request()?)?)
    }

    /// What would be sent to the provider, in the words of its protocol. Nothing is sent.
    ///
    /// # Errors
    /// As [`Llm::ask`].
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<Value> { cx.llm("Hello").preview() }
    /// ```
    pub fn preview(self) -> Result<Value> {
        text::from_text(&llm::preview(&self.request()?)?)
    }

    /// Records that this call begins, which the checkpoint makes by itself, over a network that it was granted: so that it is among the
    /// others in records and sums.
    ///
    /// # Errors
    /// As [`Llm::ask`].
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn my_own_client(prompt: &str) -> Result<Value> { Ok(json!({})) }
    /// # fn f(cx: &Checkpoint) -> Result<Value> {
    /// let span = cx.llm("Hello").model("openai/gpt-4o-mini").span()?;
    /// let document = my_own_client("Hello")?;
    /// span.end(&document)?;
    /// # Ok(document)
    /// # }
    /// ```
    pub fn span(self) -> Result<LlmSpan> {
        Ok(LlmSpan::new(llm::begin_span(&self.request()?)?))
    }
}

/// The name of a schema as providers accept it.
fn name_of_schema<T: JsonSchema>() -> String {
    let name: String = T::schema_name().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(60).collect();
    if name.is_empty() { "answer".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(call: Llm<Checkpoint>) -> Value {
        serde_json::from_str(&call.request().unwrap()).unwrap()
    }

    #[test]
    fn a_request_has_what_was_said_and_nothing_else() {
        assert_eq!(request(Llm::new("Hello".into())), json!({ "prompt": "Hello" }));
        let call =
            Llm::new(vec![Message::user("b")].into()).messages([Message::system("a")]).temperature(0.5).stop(["x"]).seed(-1);
        assert_eq!(
            request(call.extra("top_k", 5)),
            json!({
                "temperature": 0.5, "stop": ["x"], "seed": -1,
                "prompt": [{ "role": "system", "content": "a" }, { "role": "user", "content": "b" }],
                "extra": { "top_k": 5 },
            })
        );
        assert!(
            Llm::<Flow>::new("x".into()).temperature(f64::NAN).request().is_ok(),
            "a number that is none is left to the host"
        );
    }

    #[test]
    fn history_stands_before_a_text() {
        let call = Llm::new("c".into()).messages([Message::user("a"), Message::assistant("b")]);
        let roles: Vec<_> = request(call)["prompt"].as_array().unwrap().iter().map(|message| message["role"].clone()).collect();
        assert_eq!(roles, ["user", "assistant", "user"]);
    }

    #[test]
    fn names_of_schemas_are_what_providers_take() {
        assert_eq!(name_of_schema::<Vec<String>>(), "Array_of_string");
        assert_eq!(name_of_schema::<Option<u8>>(), "Nullable_uint8");
    }
}
