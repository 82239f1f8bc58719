//! A wait: what is asked, what an answer must look like, and the answer.

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bindings::kitaru::flow::wait;
use crate::flow::seconds_rounded_up;
use crate::{Error, Failure, Result, json as text, schema};

/// A wait that is being prepared. It happens, durably, in [`Wait::ask`].
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[data]
/// struct ReleaseDetails {
///     notes: String,
///     major_version: u32,
/// }
///
/// #[flow]
/// fn release(cx: &Flow) -> Result<String> {
///     let details = cx
///         .wait("release_details")
///         .question("What is in it?")
///         .metadata(json!({ "channel": "stable" }))
///         .schema::<ReleaseDetails>()
///         .ask()?;
///     Ok(format!("v{}: {}", details.major_version, details.notes))
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
#[must_use = "nothing is asked until `.ask()`"]
pub struct Wait<T> {
    name: Option<String>,
    question: Option<String>,
    schema: Option<Value>,
    timeout: Option<Duration>,
    metadata: Option<Value>,
    decode: fn(&str) -> Result<T>,
}

/// What a wait can ask for: a type with a JSON Schema that can be read from JSON. Implemented by itself.
///
/// ```
/// fn needs_answer<T: kitaru::Answer>() {}
/// needs_answer::<Option<Vec<u32>>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "a wait cannot ask for `{Self}`",
    label = "it has no JSON Schema, or cannot be read from JSON",
    note = "a type of your own can be an answer once it has `#[data]`, or derives `Deserialize` and `JsonSchema`"
)]
pub trait Answer: JsonSchema + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: JsonSchema + DeserializeOwned> Answer for T {}

impl Wait<bool> {
    pub(crate) fn new(name: Option<String>) -> Self {
        let schema = Some(json!({ "type": "boolean" }));
        Self { name, question: None, schema, timeout: None, metadata: None, decode: text::from_text }
    }
}

impl<T> Wait<T> {
    /// What a person is asked.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<bool> { cx.wait("approve").question("Approve the draft?").ask() }
    /// ```
    pub fn question(mut self, question: impl Into<String>) -> Self {
        self.question = Some(question.into());
        self
    }

    /// A JSON object shown beside the question.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<bool> { cx.wait("approve").metadata(json!({ "words": 1200 })).ask() }
    /// ```
    pub fn metadata(mut self, metadata: Value) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// How long the host keeps the waiting flow at hand before only its record remains. The wait itself never expires.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<bool> { cx.wait("approve").timeout(std::time::Duration::from_secs(5)).ask() }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Asks for a `T`: the host refuses answers that do not satisfy its JSON Schema, and the flow goes on waiting.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<u32> { cx.wait("copies").schema::<u32>().ask() }
    /// ```
    pub fn schema<A: Answer>(self) -> Wait<A> {
        self.answered(Some(schema::of::<A>().to_value()), text::from_text)
    }

    /// Asks for JSON that satisfies a schema of your own.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<Value> { cx.wait("comment").json_schema(json!({ "type": ["string", "null"] })).ask() }
    /// ```
    pub fn json_schema(self, schema: Value) -> Wait<Value> {
        self.answered(Some(schema), text::from_text)
    }

    /// Accepts any JSON, `null` included.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow) -> Result<Value> { cx.wait("anything").any().ask() }
    /// ```
    pub fn any(self) -> Wait<Value> {
        self.answered(None, text::from_text)
    }

    fn answered<A>(self, schema: Option<Value>, decode: fn(&str) -> Result<A>) -> Wait<A> {
        let Self { name, question, timeout, metadata, .. } = self;
        Wait { name, question, schema, timeout, metadata, decode }
    }

    /// Asks, and returns the answer. The execution costs nothing while it waits, however long that is.
    ///
    /// # Errors
    /// [`Error::Aborted`] where a person aborted the wait, [`Error::Serialization`] where the answer satisfies the schema but is
    /// not a `T`, [`Error::Failed`] where the host refuses the question.
    ///
    /// ```no_run
    /// use kitaru::prelude::*;
    ///
    /// #[flow]
    /// fn gate(cx: &Flow) -> Result<String> {
    ///     match cx.wait("go").ask() {
    ///         Ok(go) => Ok(format!("go: {go}")),
    ///         Err(Error::Aborted { .. }) => Ok("nobody wants it".into()),
    ///         Err(error) => Err(error),
    ///     }
    /// }
    /// # fn main() {}
    /// ```
    pub fn ask(self) -> Result<T> {
        let name = self.name.clone().unwrap_or_default();
        let request = wait::Request {
            name: self.name,
            question: self.question,
            schema: self.schema.map(|schema| schema.to_string()),
            timeout_seconds: self.timeout.map(seconds_rounded_up),
            metadata: self.metadata.map(|metadata| metadata.to_string()),
        };
        match wait::wait(&request) {
            Ok(answer) => (self.decode)(&answer)
                .map_err(|error| Error::serialization(format!("the answer to wait `{name}` has an unexpected form: {error}"))),
            Err(failure) if failure.kind == "aborted" => {
                Err(Error::Aborted { wait: name, failure: Box::new(Failure::from(failure)) })
            }
            Err(failure) => Err(failure.into()),
        }
    }
}
