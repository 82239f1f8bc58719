//! Questions of executions, put to the person who sits before the assistant.
//!
//! Clients of the protocol's version 2026-07-28 are answered that input is required, and repeat the call with it; older ones are asked while they
//! wait for the call's result. A question stays open whatever becomes of that: it can be answered by a tool, and on every other surface.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ElicitRequest, ElicitRequestParams, ElicitResult, InputRequest,
    InputRequiredResult, ProtocolVersion,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::form::Form;
use super::results;
use crate::ids::ExecutionId;
use crate::service::{FollowEvent, LogQuery, PendingWaitView, Service, ServiceError};

/// A call waits so long for what it started to come to a stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// So often it looks whether an execution sleeps, which nobody tells.
const LOOK: Duration = Duration::from_secs(1);
/// A person who is asked during a call may take so long; later the question is answered like any other.
const UNTIL_ANSWERED: Duration = Duration::from_secs(600);
/// So many questions are asked for one call.
const MOST_QUESTIONS: u32 = 8;
/// What belongs to a question is shown up to so many characters.
const LONGEST: usize = 4_000;
/// The key of the only input that is asked for at a time.
const KEY: &str = "answer";

/// Returns when an execution has ended, asks something, or has a long time before it.
pub(super) async fn settle(service: &dyn Service, id: ExecutionId) -> Result<(), ServiceError> {
    let until = Instant::now() + PATIENCE;
    let query = LogQuery { limit: Some(1), ..LogQuery::default() };
    let mut following = service.follow(id, &query).await?;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        match timeout(left.min(LOOK), following.next()).await {
            Ok(Ok(Some(FollowEvent::Log { .. }))) => {}
            Ok(Ok(Some(FollowEvent::Waiting { .. } | FollowEvent::Terminal { .. }) | None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let now = service.get(id).await?.summary;
                if now.status == "waiting" && !now.is_due {
                    return Ok(());
                }
            }
        }
    }
}

/// Where a call stands between two questions; the client keeps it, and could have made it up. It names what the caller may answer in any case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Round {
    /// The execution that the call has started or let go on.
    pub(super) execution: String,
    /// The wait that was asked for.
    pub(super) wait: String,
    /// How many questions this call has asked.
    pub(super) asked: u32,
}

impl Round {
    /// What the client brings back, with the answer.
    pub(super) fn returned(request: &CallToolRequestParams) -> Result<Option<(Self, Option<ElicitResult>)>, ErrorData> {
        let Some(state) = &request.request_state else { return Ok(None) };
        let round: Self = serde_json::from_str(state)
            .map_err(|_| ErrorData::invalid_params("`requestState` is none of this server's", None))?;
        let given = request.input_responses.as_ref().and_then(|given| given.get(KEY)).cloned();
        let given = given.map(serde_json::from_value).transpose();
        let given = given.map_err(|error| ErrorData::invalid_params(format!("the answer cannot be read: {error}"), None))?;
        Ok(Some((round, given)))
    }
}

/// Whether a call that has asked so many questions may ask another.
pub(super) fn may_ask(asked: u32) -> bool {
    asked < MOST_QUESTIONS
}

/// How a client is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Not at all.
    None,
    /// By a request while it waits.
    Request,
    /// By a result that requires input.
    Result,
}

impl Way {
    /// How the client of a request is asked.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        Self::by(context.client_capabilities().as_ref(), context.protocol_version().as_ref())
    }

    fn by(capabilities: Option<&ClientCapabilities>, version: Option<&ProtocolVersion>) -> Self {
        let elicitation = capabilities.and_then(|capabilities| capabilities.elicitation.as_ref());
        // Who says nothing of modes has forms.
        if !elicitation.is_some_and(|modes| modes.form.is_some() || modes.url.is_none()) {
            return Self::None;
        }
        let since = ProtocolVersion::V_2026_07_28;
        if version.is_some_and(|version| version.as_str() >= since.as_str()) { Self::Result } else { Self::Request }
    }
}

/// What is shown to the person: who asks, what, and about what.
pub(super) fn message(flow: &str, wait: &PendingWaitView, refused: Option<&ServiceError>) -> String {
    let question = wait.question.as_deref().unwrap_or("");
    let mut text = format!("The flow `{flow}` asks ({}): {}", wait.name, short(question));
    if let Some(about) = wait.metadata.as_ref().filter(|about| !about.is_null()) {
        let about = serde_json::to_string_pretty(about).unwrap_or_default();
        text.push_str(&format!("\n\n{}", short(&about)));
    }
    text.push_str(&format!("\n\nExecution {}", wait.exec_id));
    match refused {
        Some(error) => format!("The answer was not accepted: {}\n\n{text}", short(&error.to_string())),
        None => text,
    }
}

/// What the assistant is told of a question that nobody has answered during the call.
pub(super) fn how_to_answer(wait: &PendingWaitView, why: &str) -> String {
    let schema = wait.schema.as_ref().filter(|schema| !schema.is_null()).map_or_else(|| "any JSON".to_owned(), Value::to_string);
    let question = short(wait.question.as_deref().unwrap_or(""));
    let arguments = serde_json::json!({ "exec_id": wait.exec_id, "wait": wait.wait_id });
    format!(
        "The execution waits for an answer to `{}`: {question}\n{why}Ask the person, and answer with the tool kitaru_executions_input, \
         {arguments} and a `value` that fits this schema: {}",
        wait.name,
        short(&schema)
    )
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn parameters(form: &Form, message: String) -> ElicitRequestParams {
    ElicitRequestParams::FormElicitationParams { meta: None, message, requested_schema: form.schema.clone() }
}

/// The question as a result that requires input.
pub(super) fn required(form: &Form, message: String, round: &Round) -> Result<InputRequiredResult, ErrorData> {
    let request = InputRequest::Elicitation(ElicitRequest::new(parameters(form, message)));
    let state = serde_json::to_string(round).map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(InputRequiredResult::new(Some([(KEY.to_owned(), request)].into()), Some(state)))
}

/// Asks now. None where no answer comes: the client cannot after all, or it takes too long, or the call is cancelled.
pub(super) async fn ask(context: &RequestContext<RoleServer>, form: &Form, message: String) -> Option<ElicitResult> {
    let asked = context.peer.create_elicitation_with_timeout(parameters(form, message), Some(UNTIL_ANSWERED));
    tokio::select! {
        answered = asked => answered.inspect_err(|error| tracing::debug!(%error, "nobody could be asked")).ok(),
        () = context.ct.cancelled() => None,
    }
}

/// Whether an answer was refused because it does not fit, so that another may.
pub(super) fn does_not_fit(error: &ServiceError) -> bool {
    error.class() == "KitaruWaitValidationError"
}

/// Why a question stays open that an answer was refused for.
pub(super) fn not_taken(error: &ServiceError) -> String {
    format!("The person's answer was not taken: {}\n", results::told(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wait() -> PendingWaitView {
        PendingWaitView {
            wait_id: "e:0".into(),
            exec_id: "e".into(),
            flow_name: "f".into(),
            name: "approve".into(),
            question: Some("Publish?".into()),
            schema: Some(json!({ "type": "boolean" })),
            metadata: Some(json!({ "draft": "text" })),
            entered_waiting_at: "2026-01-01T00:00:00Z".into(),
            deadline: None,
        }
    }

    #[test]
    fn clients_are_asked_as_their_version_has_it() {
        let read = |capabilities: Value| serde_json::from_value::<ClientCapabilities>(capabilities).unwrap();
        let forms = read(json!({ "elicitation": {} }));
        let cases = [
            (None, ProtocolVersion::V_2025_06_18, Way::None),
            (Some(read(json!({}))), ProtocolVersion::V_2026_07_28, Way::None),
            (Some(read(json!({ "elicitation": { "url": {} } }))), ProtocolVersion::V_2025_06_18, Way::None),
            (Some(read(json!({ "elicitation": { "form": {}, "url": {} } }))), ProtocolVersion::V_2025_06_18, Way::Request),
            (Some(forms.clone()), ProtocolVersion::V_2025_06_18, Way::Request),
            (Some(forms), ProtocolVersion::V_2026_07_28, Way::Result),
        ];
        for (capabilities, version, way) in cases {
            assert_eq!(Way::by(capabilities.as_ref(), Some(&version)), way, "{capabilities:?} {version}");
        }
    }

    #[test]
    fn what_is_required_comes_back() {
        let round = Round { execution: "e".into(), wait: "e:0".into(), asked: 1 };
        let form = Form::of(Some(&json!({ "type": "boolean" }))).unwrap();
        let required = serde_json::to_value(required(&form, message("release", &wait(), None), &round).unwrap()).unwrap();
        let asked = &required["inputRequests"][KEY];
        assert_eq!((&required["resultType"], &asked["method"]), (&json!("input_required"), &json!("elicitation/create")));
        assert_eq!(asked["params"]["requestedSchema"]["properties"][KEY], json!({ "type": "boolean" }));
        let mut request = CallToolRequestParams::new("kitaru_executions_run");
        assert!(Round::returned(&request).unwrap().is_none());
        request.request_state = Some(required["requestState"].as_str().unwrap().to_owned());
        let (returned, answer) = Round::returned(&request).unwrap().unwrap();
        assert_eq!((returned.execution, returned.wait, returned.asked, answer), ("e".into(), "e:0".into(), 1, None));
        request.input_responses = Some([(KEY.to_owned(), json!({ "action": "accept", "content": { KEY: true } }))].into());
        let (_, answer) = Round::returned(&request).unwrap().unwrap();
        assert_eq!(answer.unwrap().content, Some(json!({ KEY: true })));
        request.request_state = Some("made up".into());
        assert!(Round::returned(&request).is_err());
    }

    #[test]
    fn the_question_says_who_asks_and_how_it_can_be_answered() {
        let text = message("release", &wait(), Some(&ServiceError::usage("too long")));
        for part in ["`release`", "Publish?", "approve", "\"draft\"", "Execution e", "too long"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let told = how_to_answer(&wait(), "");
        assert!(told.contains("kitaru_executions_input") && told.contains(r#"{"type":"boolean"}"#), "{told}");
        let long = PendingWaitView { question: Some("ä".repeat(LONGEST * 2)), ..wait() };
        assert!(message("release", &long, None).chars().count() < LONGEST + 500);
    }
}
