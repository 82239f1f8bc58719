//! A call that is being prepared.

use std::marker::PhantomData;

use serde_json::{Map, Value};

use super::{Message, Prompt, Tool, ToolChoice};
use crate::scope::Scope;
use crate::{Error, Result, json as text};

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

    /// Tools that the model may ask for. The host runs none: the answer says which are asked for ([`Answer::tool_calls`](super::Answer::tool_calls)).
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

    /// Asks for the provider's own document too: [`Answer::raw`](super::Answer::raw).
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<Option<Value>> { Ok(cx.llm("Hello").raw().ask()?.raw) }
    /// ```
    pub fn raw(self) -> Self {
        self.with("raw", true)
    }

    pub(super) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// The request as the host takes it.
    pub(super) fn request(self) -> Result<String> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Checkpoint, Flow};

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
}
