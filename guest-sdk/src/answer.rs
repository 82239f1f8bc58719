//! A wait: what is asked, what an answer must look like, and the answer.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bindings::kitaru::flow::{types, wait};
use crate::flow::{milliseconds, seconds_rounded_up};
use crate::{Error, Failure, Pending, Result, json as text, schema};

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
    deadline: Option<(Duration, Option<String>)>,
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
        Self { name, question: None, schema, timeout: None, metadata: None, deadline: None, decode: text::from_text }
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
        let Self { name, question, timeout, metadata, deadline, .. } = self;
        Wait { name, question, schema, timeout, metadata, deadline, decode }
    }

    /// Answers with `value` if nobody has answered after `duration`, counted from when the question was first asked, whatever
    /// happens to the host meanwhile.
    ///
    /// # Errors
    /// [`Error::Serialization`] for a value that cannot become JSON.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # use std::time::Duration;
    /// # fn f(cx: &Flow) -> Result<bool> { cx.wait("approve").or_after(Duration::from_secs(86_400), false)?.ask() }
    /// ```
    pub fn or_after(mut self, duration: Duration, value: T) -> Result<Self>
    where
        T: Serialize,
    {
        self.deadline = Some((duration, Some(text::to_text(&value)?)));
        Ok(self)
    }

    /// Ends the wait with a failure of kind `timeout` if nobody has answered after `duration`.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # use std::time::Duration;
    /// # fn f(cx: &Flow) -> Result<bool> { cx.wait("approve").within(Duration::from_secs(86_400)).ask() }
    /// ```
    pub fn within(mut self, duration: Duration) -> Self {
        self.deadline = Some((duration, None));
        self
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
        let (request, name, decode) = self.request();
        answered(&name, decode, wait::wait(&request))
    }

    /// Asks without waiting for the answer: the flow goes on, and asks the handle for it.
    ///
    /// # Errors
    /// [`Error::Failed`] where the host refuses the question. The handle's errors are those of [`Wait::ask`].
    ///
    /// ```no_run
    /// use kitaru::prelude::*;
    ///
    /// #[flow]
    /// fn two_people(cx: &Flow) -> Result<bool> {
    ///     let first = cx.wait("first").question("Fine with you?").submit()?;
    ///     let second = cx.wait("second").question("And with you?").submit()?;
    ///     Ok(first.load()? && second.load()?)
    /// }
    /// # fn main() {}
    /// ```
    pub fn submit(self) -> Result<Pending<T>>
    where
        T: 'static,
    {
        let (request, name, decode) = self.request();
        let handle = wait::submit(&request).map_err(Error::from)?;
        Ok(Pending::new(handle, move |outcome| answered(&name, decode, outcome)))
    }

    fn request(self) -> (wait::Request, String, Decode<T>) {
        let name = self.name.clone().unwrap_or_default();
        let (deadline, default) =
            self.deadline.map_or((None, None), |(duration, default)| (Some(milliseconds(duration)), default));
        let request = wait::Request {
            name: self.name,
            question: self.question,
            schema: self.schema.map(|schema| schema.to_string()),
            timeout_seconds: self.timeout.map(seconds_rounded_up),
            metadata: self.metadata.map(|metadata| metadata.to_string()),
            deadline_milliseconds: deadline,
            default,
        };
        (request, name, self.decode)
    }
}

fn answered<T>(name: &str, decode: fn(&str) -> Result<T>, outcome: Result<String, types::Failure>) -> Result<T> {
    match outcome {
        Ok(answer) => decode(&answer)
            .map_err(|error| Error::serialization(format!("the answer to wait `{name}` has an unexpected form: {error}"))),
        Err(failure) if failure.kind == "aborted" => {
            Err(Error::Aborted { wait: name.to_owned(), failure: Box::new(Failure::from(failure)) })
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Makes an answer of its JSON.
type Decode<T> = fn(&str) -> Result<T>;
