//! The ways to make a call that is prepared.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Answer, Llm, LlmSpan, LlmStream};
use crate::bindings::kitaru::flow::llm;
use crate::scope::Scope;
use crate::{Checkpoint, Error, Flow, Pending, Result, json as text, schema};

impl<S: Scope> Llm<S> {
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

    #[test]
    fn names_of_schemas_are_what_providers_take() {
        assert_eq!(name_of_schema::<Vec<String>>(), "Array_of_string");
        assert_eq!(name_of_schema::<Option<u8>>(), "Nullable_uint8");
    }
}
