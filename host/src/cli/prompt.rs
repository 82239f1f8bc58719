//! Questions of a flow, asked where a person can answer.

use std::sync::{Arc, OnceLock};

use owo_colors::OwoColorize as _;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};

use super::error::CliError;
use super::terminal::{lines, one_line};
use crate::engine::check_schema;
use crate::service::{PendingWaitView, Service, ServiceError};

/// Lines that a person types. One thread reads them for the whole program, because a read that was begun cannot be taken back; whoever asks
/// gets the next line.
#[derive(Clone)]
pub(super) struct Keyboard {
    typed: Arc<Mutex<mpsc::UnboundedReceiver<String>>>,
}

impl Keyboard {
    pub(super) fn open() -> Self {
        static KEYBOARD: OnceLock<Keyboard> = OnceLock::new();
        KEYBOARD.get_or_init(Self::start).clone()
    }

    fn start() -> Self {
        let (send, typed) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            while std::io::stdin().read_line(&mut line).is_ok_and(|read| read > 0) {
                if send.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        Self { typed: Arc::new(Mutex::new(typed)) }
    }

    /// Forgets lines that were typed and that nobody has read. Whether there were any.
    pub(super) fn forget(&mut self) -> bool {
        let mut any = false;
        if let Ok(mut typed) = self.typed.try_lock() {
            while typed.try_recv().is_ok() {
                any = true;
            }
        }
        any
    }

    /// The next line; none at the end of input.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.typed.lock().await.recv().await.map(|line| line.trim().to_owned())
    }
}

/// What a person decided.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// This value.
    Value(Value),
    /// End the wait.
    Abort,
    /// Leave it open.
    Leave,
}

/// Shows a question.
pub(super) fn show(wait: &PendingWaitView) {
    let question = wait.question.as_deref().unwrap_or("An answer is needed.");
    anstream::eprintln!(
        "\n{} {}   {}",
        "?".yellow().bold(),
        lines(question).bold(),
        format!("({})", one_line(&wait.name)).dimmed()
    );
    if let Some(metadata) = &wait.metadata {
        anstream::eprintln!("  {}", one_line(&metadata.to_string()));
    }
    match &wait.schema {
        Some(schema) => anstream::eprintln!("  {} {}", "schema".dimmed(), one_line(&schema.to_string())),
        None => anstream::eprintln!("  {}", "any JSON is accepted; null too".dimmed()),
    }
}

/// Asks until there is an answer that the wait accepts, or the person leaves it. `None` when the input ended.
pub(super) async fn ask(keyboard: &mut Keyboard, wait: &PendingWaitView) -> Option<Answer> {
    let help = if is_boolean(wait) { "y, n" } else { "JSON" };
    loop {
        eprint_prompt(&format!("  {help}; `abort`; or nothing to leave it open > "));
        match interpret(wait, &keyboard.line().await?) {
            Ok(answer) => return Some(answer),
            Err(problem) => anstream::eprintln!("  {} {}", "✗".red(), one_line(&problem)),
        }
    }
}

/// Shows what stands before an answer, and stays in its line.
pub(super) fn eprint_prompt(text: &str) {
    use std::io::Write as _;
    anstream::eprint!("{text}");
    // Without its flush a prompt may show after the answer; nothing else depends on it.
    let _ = std::io::stderr().flush();
}

fn is_boolean(wait: &PendingWaitView) -> bool {
    wait.schema.as_ref().and_then(|schema| schema.get("type")).is_some_and(|kind| kind == "boolean")
}

fn interpret(wait: &PendingWaitView, typed: &str) -> Result<Answer, String> {
    match typed.to_lowercase().as_str() {
        "" => return Ok(Answer::Leave),
        "abort" => return Ok(Answer::Abort),
        "y" | "yes" if is_boolean(wait) => return Ok(Answer::Value(true.into())),
        "n" | "no" if is_boolean(wait) => return Ok(Answer::Value(false.into())),
        _ => {}
    }
    let text = Value::from(typed);
    let fits = |value: &Value| wait.schema.as_ref().is_some_and(|schema| check_schema(schema, value).is_ok());
    match serde_json::from_str(typed) {
        // `2024` is a text where only a text is asked for.
        Ok(value) if fits(&value) || !fits(&text) => Ok(Answer::Value(value)),
        Ok(_) => Ok(Answer::Value(text)),
        Err(_) if fits(&text) && !typed.starts_with(['{', '[', '"']) => Ok(Answer::Value(text)),
        Err(error) => Err(format!("that is not JSON: {error}")),
    }
}

/// A value that fits a schema, as far as its usual words say: for a person to change.
pub(super) fn example(schema: &Value) -> Value {
    let first = |key: &str| schema.get(key).and_then(Value::as_array).and_then(|all| all.first());
    if let Some(value) = schema.get("const").or_else(|| schema.get("default")).or_else(|| first("enum")) {
        return value.clone();
    }
    if let Some(one) = ["oneOf", "anyOf", "allOf"].into_iter().find_map(first) {
        return example(one);
    }
    let kind = schema.get("type").map(|kind| kind.as_array().and_then(|all| all.first()).unwrap_or(kind));
    match kind.and_then(Value::as_str) {
        Some("boolean") => true.into(),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("string") => "text".into(),
        Some("array") => Value::Array(schema.get("items").map(example).into_iter().collect()),
        Some("object") => {
            let named = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let field = |name: &str| {
                let schema = schema.get("properties").and_then(|all| all.get(name));
                (name.to_owned(), schema.map_or(Value::Null, example))
            };
            Value::Object(named.map(field).collect())
        }
        _ => Value::Null,
    }
}

/// Gives the answer to the service. True when the wait is settled, false when the value was not accepted and the person should try again.
pub(super) async fn give(service: &dyn Service, wait: &PendingWaitView, answer: Answer) -> Result<bool, CliError> {
    let id = service.resolve(&wait.exec_id).await?;
    let given = match answer {
        Answer::Value(value) => service.input(id, Some(&wait.wait_id), &value).await,
        Answer::Abort => service.abort_wait(id, Some(&wait.wait_id)).await,
        Answer::Leave => return Ok(true),
    };
    match given {
        Ok(()) => Ok(true),
        Err(error) if refused(&error) => {
            anstream::eprintln!("  {} {}", "✗".red(), one_line(&error.to_string()));
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

fn refused(error: &ServiceError) -> bool {
    error.class() == "KitaruWaitValidationError"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wait(schema: Value) -> PendingWaitView {
        PendingWaitView {
            wait_id: "e:0".into(),
            exec_id: "e".into(),
            flow_name: "f".into(),
            name: "w".into(),
            question: None,
            schema: Some(schema),
            metadata: None,
            entered_waiting_at: String::new(),
            deadline: None,
        }
    }

    #[test]
    fn an_example_fits_its_schema() {
        let schemas = [
            json!({ "type": "boolean" }),
            json!({ "type": ["string", "null"] }),
            json!({ "type": "integer", "minimum": 7 }),
            json!({ "enum": ["low", "high"] }),
            json!({ "type": "array", "items": { "type": "number" } }),
            json!({ "type": "object", "required": ["notes", "major_version"], "properties": {
                "notes": { "type": "string" }, "major_version": { "type": "integer" }, "more": { "type": "string" } } }),
            json!({ "oneOf": [{ "type": "object", "required": ["action"], "properties": { "action": { "enum": ["retry", "fail"] } } }] }),
            json!({}),
        ];
        for schema in schemas {
            assert!(check_schema(&schema, &example(&schema)).is_ok(), "{schema}: {}", example(&schema));
        }
    }

    #[test]
    fn what_people_type() {
        let boolean = wait(json!({ "type": "boolean" }));
        assert_eq!(interpret(&boolean, "Y"), Ok(Answer::Value(json!(true))));
        assert_eq!(interpret(&boolean, "no"), Ok(Answer::Value(json!(false))));
        assert_eq!(interpret(&boolean, ""), Ok(Answer::Leave));
        assert_eq!(interpret(&boolean, "abort"), Ok(Answer::Abort));
        assert!(interpret(&boolean, "maybe").is_err());
        let string = wait(json!({ "type": "string" }));
        assert_eq!(interpret(&string, "plain words"), Ok(Answer::Value(json!("plain words"))));
        assert_eq!(interpret(&string, "\"quoted\""), Ok(Answer::Value(json!("quoted"))));
        assert_eq!(interpret(&string, "2024"), Ok(Answer::Value(json!("2024"))));
        let comment = wait(json!({ "type": ["string", "null"] }));
        assert_eq!(interpret(&comment, "fine by me"), Ok(Answer::Value(json!("fine by me"))));
        assert_eq!(interpret(&comment, "null"), Ok(Answer::Value(json!(null))));
        assert!(interpret(&comment, "{broken").is_err() && interpret(&wait(json!({})), "{broken").is_err());
        assert_eq!(interpret(&wait(json!({})), "{\"a\":1}"), Ok(Answer::Value(json!({ "a": 1 }))));
    }
}
