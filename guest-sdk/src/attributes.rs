//! The attributes, documented here because their examples need this crate.

/// Makes a function a checkpoint: a named, recorded unit of work that a flow calls.
///
/// The function takes `cx: &Checkpoint`, then any number of arguments by value, and returns `Result<T>`. Arguments and the result
/// implement [`Data`](crate::Data), because they cross to another instance. Callers pass a `&Flow` in the first
/// place.
///
/// | Option | Meaning |
/// |---|---|
/// | `name = "draft"` | Instead of the function's name. |
/// | `type = "tool_call"` | A word for what it does. |
/// | `retries = 2` | How many more attempts follow a failed one; 0 if absent. |
/// | `retry_delay = "1s"` | Pause before the first of them; 100 ms if absent. |
/// | `backoff = 2.0` | What the pause is multiplied by each time; 2 if absent. |
/// | `max_delay = "1m"` | No pause is longer; a minute if absent. |
/// | `jitter = 0.1` | The share of a pause that chance may take off, from 0 to 1; 0.2 if absent. |
/// | `retry_on = ["timeout"]` | Only failures of these kinds are retried. |
/// | `no_retry_on = ["invalid"]` | Failures of these kinds are not. |
/// | `timeout = "30s"` | The longest that one attempt may take. |
/// | `effect = "once"` | The body is never started again after it may have had its effect. |
/// | `on_unknown = "ask"` | What happens when nobody knows whether an effect happened: `fail`, `retry` or `ask` a person. |
/// | `cache = true` | Its results may be served to other executions that ask for the same. |
/// | `cache_key = "v2"` | Part of what has to be the same for that. |
/// | `cache_ttl = "24h"` | How long such an outcome may be served. |
/// | `read = ["docs"]`, `write = ["out"]` | Folders that it needs, by their paths in the guest. |
/// | `env = ["LANG"]` | Environment variables that it needs. |
/// | `net = ["api.example.com:443"]` | Hosts that it needs to reach. |
/// | `secrets = ["gh"]` | Secrets that it needs. |
/// | `llm = ["fast"]` | Models that it needs. |
///
/// The last ones are its *needs*. Declaring them grants nothing: whoever runs the flow is shown what is needed, and grants it or not. A checkpoint that
/// declares any of them gets what it declares and nothing beside, whatever was granted; an empty list says that it needs nothing. One
/// that declares none has what [`needs!`] says, or else all that was granted.
///
/// Pauses between attempts survive the process.
///
/// The name also stands for a type, whose `id` gives one call an invocation ID of its own, to find it by in a replay:
///
/// ```
/// use kitaru::prelude::*;
///
/// /// Drafts a text.
/// #[checkpoint(retries = 2, type = "tool_call")]
/// fn draft(cx: &Checkpoint, topic: String) -> Result<String> {
///     Ok(format!("Draft for {topic}, attempt {}", cx.attempt()))
/// }
///
/// #[flow]
/// fn two_drafts(cx: &Flow, topic: String) -> Result<Vec<String>> {
///     let first = draft(cx, topic.clone())?;
///     let second = draft::id("second_opinion").call(cx, topic)?;
///     Ok(vec![first, second])
/// }
/// # fn main() {}
/// ```
pub use kitaru_macros::checkpoint;

/// Makes a struct or enum fit for arguments, results, answers and artifacts: derives serde's `Serialize` and `Deserialize` and
/// schemars' `JsonSchema`, without the crate depending on serde or schemars itself.
///
/// Attributes of serde and schemars work below it. A crate that depends on the two itself can derive as usual instead.
///
/// ```
/// use kitaru::prelude::*;
///
/// /// What goes into a release.
/// #[data]
/// #[derive(Debug, Clone)]
/// struct ReleaseDetails {
///     notes: String,
///     #[serde(default)]
///     major_version: u32,
/// }
/// # fn main() {}
/// ```
pub use kitaru_macros::data;

/// Makes a function a flow: an entry point that the host starts by name and re-executes after every interruption.
///
/// The function takes `cx: &Flow`, then any number of arguments by value, and returns `Result<T>`. Arguments of type `Option` may
/// be left out by whoever starts the flow. The documentation comment is shown beside the flow.
///
/// The function may be `async`: [`Pending`](crate::Pending) calls can then be awaited.
///
/// Options: `name = "review"` (instead of the function's name), `retries = 1` (how often the execution is retried by itself, from
/// the call that failed), `cache = true` (whether its checkpoints' outcomes are cached unless they say otherwise).
///
/// ```
/// use kitaru::prelude::*;
///
/// /// Says hello.
/// #[flow(name = "greet")]
/// fn greeting(cx: &Flow, name: String, loud: Option<bool>) -> Result<String> {
///     let text = format!("Hello, {name}");
///     Ok(if loud.unwrap_or_default() { text.to_uppercase() } else { text })
/// }
/// # fn main() {}
/// ```
pub use kitaru_macros::flow;

/// Declares what a component needs: its flows, which can have models and nothing else, and those of its checkpoints that declare nothing themselves.
///
/// The options are those of [`#[checkpoint]`](macro@checkpoint) for needs. Nothing in the brackets says that nothing is needed.
///
/// ```
/// use kitaru::prelude::*;
///
/// kitaru::needs! { llm = ["fast"] }
///
/// /// Needs a folder, and no model.
/// #[checkpoint(read = ["docs"])]
/// fn word_count(cx: &Checkpoint, path: String) -> Result<usize> {
///     Ok(cx.read_to_string(path)?.split_whitespace().count())
/// }
///
/// #[flow]
/// fn title(cx: &Flow, path: String) -> Result<String> {
///     let words = word_count(cx, path)?;
///     cx.llm(format!("A title for a text of {words} words.")).model("fast").text()
/// }
/// # fn main() {}
/// ```
pub use kitaru_macros::needs;
