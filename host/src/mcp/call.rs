//! Calls of tools.

use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ElicitResult, ElicitationAction};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Map, Value, json};

use super::arguments::Part;
use super::asking::{self, Round, Way};
use super::form::Form;
use super::tools::{self, Kind};
use super::visitor::Visitor;
use super::{arguments, cleaning, flows, results, verb};
use crate::access::Role;
use crate::ids::ExecutionId;
use crate::service::verbs::Entry;
use crate::service::{ExecutionView, LogEntry, PendingWaitView, ServiceError};

/// A call of a tool, and whose.
struct Call<'a> {
    visitor: &'a Visitor,
    context: &'a RequestContext<RoleServer>,
    kind: Kind,
    /// What runs, if the caller has said that.
    target: Option<String>,
    /// Which part of a list is wanted.
    part: Option<Part>,
}

/// Does what a tool is for.
pub(super) async fn call(
    visitor: &Visitor,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let returned = Round::returned(&request)?;
    let mut given = request.arguments.unwrap_or_default();
    let target = target(&given);
    if let Some(kind) = tools::kind_of(&request.name) {
        let part = match Part::taken_from(kind.entry().about.name, &mut given) {
            Ok(part) => part,
            Err(error) => return Ok(results::refused(&error).into()),
        };
        let call = Call { visitor, context, kind, target, part };
        return match returned {
            Some((round, answer)) if kind.leads_on() => call.answered(round, answer).await,
            _ => call.verb(kind.entry(), arguments::parameters(kind.entry().about.name, given)).await,
        };
    }
    if let (cleaning::NAME, Some(previewer)) = (&*request.name, &visitor.cleaning) {
        return Ok(cleaning::call(previewer.clone(), given).await.into());
    }
    match flows::of_tool(visitor, &request.name).await {
        Ok(Some((flow, entry))) => {
            let call = Call { visitor, context, kind: Kind::Starts(entry), target: Some(flow.clone()), part: None };
            match returned {
                Some((round, answer)) => call.answered(round, answer).await,
                None => call.verb(entry, Ok(flows::parameters(flow, given))).await,
            }
        }
        Ok(None) => Err(ErrorData::invalid_params(format!("there is no tool `{}`", request.name), None)),
        Err(error) => Ok(results::refused(&error).into()),
    }
}

impl Call<'_> {
    /// Calls the verb, and follows what it starts or lets go on.
    async fn verb(
        &self,
        entry: &Entry,
        parameters: Result<Map<String, Value>, ServiceError>,
    ) -> Result<CallToolResponse, ErrorData> {
        let done = match parameters {
            Ok(parameters) => self.visitor.call(entry, Value::Object(parameters)).await,
            Err(error) => Err(error),
        };
        let done = match done {
            Ok(done) => match self.part {
                Some(part) => part.of(done),
                None => done,
            },
            Err(error) => return Ok(results::refused(&error).into()),
        };
        if self.kind.is_log() {
            return Ok(results::text(log(&done)).into());
        }
        let id = done.get("exec_id").and_then(Value::as_str).and_then(|id| id.parse::<ExecutionId>().ok());
        match id {
            Some(id) if self.kind.leads_on() => self.follow(id, 0, None).await,
            _ => Ok(results::value(done, None).into()),
        }
    }

    /// Goes on with the answer that the client brings back.
    async fn answered(&self, round: Round, answer: Option<ElicitResult>) -> Result<CallToolResponse, ErrorData> {
        let id = match self.visitor.service.resolve(&round.execution).await {
            Ok(id) => id,
            Err(error) => return Ok(results::refused(&error).into()),
        };
        match self.take(id, &round.wait, answer).await {
            Taken::Yes => self.follow(id, round.asked, None).await,
            Taken::DoesNotFit(error) => self.follow(id, round.asked, Some(error)).await,
            Taken::No(why) => self.over(id, Some(&why)).await,
        }
    }

    /// Follows an execution to its next stop, and asks what it asks, until nothing is asked or nobody answers.
    async fn follow(
        &self,
        id: ExecutionId,
        mut asked: u32,
        mut refused: Option<ServiceError>,
    ) -> Result<CallToolResponse, ErrorData> {
        let way = if self.visitor.role < Role::Operator { Way::None } else { Way::of(self.context) };
        loop {
            let settled = tokio::select! {
                settled = asking::settle(self.visitor.service.as_ref(), id) => settled,
                () = self.context.ct.cancelled() => Ok(()),
            };
            let view = match settled {
                Ok(()) => self.visitor.service.get(id).await,
                Err(error) => Err(error),
            };
            let view = match view {
                Ok(view) => view,
                Err(error) => return Ok(self.unread(id, &error)),
            };
            let Some(wait) = view.summary.pending_wait.clone() else { return Ok(self.shown(&view, None)) };
            let round = Round { execution: id.to_string(), wait: wait.wait_id.clone(), asked: asked.saturating_add(1) };
            let form = Form::of(wait.schema.as_ref()).filter(|_| asking::may_ask(asked));
            let message = asking::message(&view.summary.flow_name, &wait, refused.as_ref());
            let answer = match (way, form) {
                (Way::None, _) | (_, None) => return Ok(self.shown(&view, Some((&wait, "")))),
                (Way::Result, Some(form)) => return Ok(asking::required(&form, message, &round)?.into()),
                (Way::Request, Some(form)) => {
                    let answer = asking::ask(self.context, &form, message).await;
                    self.take(id, &wait.wait_id, answer).await
                }
            };
            asked = round.asked;
            refused = match answer {
                Taken::Yes => None,
                Taken::DoesNotFit(error) => Some(error),
                Taken::No(why) => return self.over(id, Some(&why)).await,
            };
        }
    }

    /// Gives an execution the answer that a person has typed.
    async fn take(&self, id: ExecutionId, wait: &str, answer: Option<ElicitResult>) -> Taken {
        let content = match answer {
            Some(ElicitResult { action: ElicitationAction::Accept, content, .. }) => content,
            Some(_) => return Taken::No("The person was asked, and did not answer.\n".into()),
            None => return Taken::No("No answer came.\n".into()),
        };
        let answered = match (self.form_of(id, wait).await, verb("executions.input")) {
            (Ok(Some(form)), Some(entry)) => {
                let params = json!({ "execution": id.to_string(), "wait": wait, "value": form.answer(content) });
                self.visitor.call(entry, params).await.map(drop)
            }
            (Ok(Some(_)), None) => Err(ServiceError::state("questions cannot be answered here")),
            (Ok(None), _) => return Taken::No("The question is not open any more.\n".into()),
            (Err(error), _) => Err(error),
        };
        match answered {
            Ok(()) => Taken::Yes,
            Err(error) if asking::does_not_fit(&error) => Taken::DoesNotFit(error),
            Err(error) => Taken::No(asking::not_taken(&error)),
        }
    }

    /// The form that was shown for a wait; none if that is not open any more.
    async fn form_of(&self, id: ExecutionId, wait: &str) -> Result<Option<Form>, ServiceError> {
        let open = self.visitor.service.pending_waits(Some(id)).await?;
        Ok(open.iter().find(|one| one.wait_id == wait).and_then(|one| Form::of(one.schema.as_ref())))
    }

    /// The execution as it stands, where nobody is asked any more.
    async fn over(&self, id: ExecutionId, why: Option<&str>) -> Result<CallToolResponse, ErrorData> {
        match self.visitor.service.get(id).await {
            Ok(view) => {
                let wait = view.summary.pending_wait.clone();
                Ok(self.shown(&view, wait.as_ref().map(|wait| (wait, why.unwrap_or_default()))))
            }
            Err(error) => Ok(self.unread(id, &error)),
        }
    }

    /// The execution as the tool gives it, with a note about the question that it has.
    fn shown(&self, view: &ExecutionView, wait: Option<(&PendingWaitView, &str)>) -> CallToolResponse {
        let note = wait.map(|(wait, why)| asking::how_to_answer(wait, why));
        let execution = match serde_json::to_value(view) {
            Ok(execution) => execution,
            Err(error) => return results::refused(&ServiceError::state(error.to_string())).into(),
        };
        let given = match self.kind {
            Kind::Starts(_) => {
                let summary = &view.summary;
                let target = self.target.clone().unwrap_or_else(|| format!("{}:{}", summary.component_digest, summary.flow_name));
                json!({ "exec_id": summary.exec_id, "target": target, "execution": execution, "warning": null })
            }
            _ => execution,
        };
        results::value(given, note).into()
    }

    /// What has been done, where what came of it cannot be read: whoever starts an execution learns its ID in any case.
    fn unread(&self, id: ExecutionId, error: &ServiceError) -> CallToolResponse {
        let given: CallToolResult = match self.kind {
            Kind::Starts(_) => {
                let target = self.target.clone().unwrap_or_default();
                let given =
                    json!({ "exec_id": id.to_string(), "target": target, "execution": null, "warning": results::told(error) });
                results::value(given, None)
            }
            _ => results::refused(error),
        };
        given.into()
    }
}

/// What a call says is to run.
fn target(given: &Map<String, Value>) -> Option<String> {
    let word = |name: &str| given.get(name).and_then(Value::as_str);
    let parts = || match (word("component"), word("flow")) {
        (Some(component), Some(flow)) => Some(format!("{component}:{flow}")),
        (None, flow) => flow.map(str::to_owned),
        // Which flow that is, the execution tells.
        (Some(_), None) => None,
    };
    word("target").map(str::to_owned).or_else(parts)
}

/// What became of an answer.
enum Taken {
    Yes,
    /// Another may be taken.
    DoesNotFit(ServiceError),
    /// Why the question is left open.
    No(String),
}

/// Log lines as Kitaru's assistants read them, one for each entry.
pub(super) fn log(lines: &Value) -> String {
    let more = lines.get("next_cursor").and_then(Value::as_u64).map(|next| format!("\n… more, with `after`: {next}"));
    let lines = lines.get("items").cloned().unwrap_or_default();
    let lines: Vec<LogEntry> = serde_json::from_value(lines).unwrap_or_default();
    if lines.is_empty() {
        return "No log entries found.".into();
    }
    let line = |entry: &LogEntry| {
        let checkpoint = entry.checkpoint_name.as_ref().map(|name| format!("[{name}] ")).unwrap_or_default();
        // An entry that has lines of its own stays one entry.
        let message = entry.message.replace('\r', "\\r").replace('\n', "\\n");
        format!("{} {} {checkpoint}{message}", entry.timestamp, entry.level)
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n") + &more.unwrap_or_default()
}

/// So many lines, the last ones, are an execution's log as a resource.
const LINES: u64 = 10_000;

/// The log of an execution as text.
pub(super) async fn log_of(visitor: &Visitor, execution: &str) -> Result<String, ServiceError> {
    let entry = verb("executions.logs").ok_or_else(|| ServiceError::state("there are no logs here"))?;
    let given = json!({ "execution": execution, "limit": LINES });
    Ok(log(&visitor.call(entry, given).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_one_line_for_each_entry() {
        let entry = |message: &str, checkpoint: Option<&str>| {
            json!({
                "message": message, "level": "INFO", "timestamp": "2026-01-01T00:00:00Z", "source": "step", "module": "log",
                "checkpoint_name": checkpoint,
            })
        };
        let lines = json!({ "items": [entry("a\nb", Some("draft")), entry("c", None)], "count": 2 });
        assert_eq!(log(&lines), "2026-01-01T00:00:00Z INFO [draft] a\\nb\n2026-01-01T00:00:00Z INFO c");
        let page = json!({ "items": [entry("a", None)], "count": 1, "next_cursor": 7 });
        assert_eq!(log(&page), "2026-01-01T00:00:00Z INFO a\n… more, with `after`: 7");
        assert_eq!(log(&json!({ "items": [], "count": 0 })), "No log entries found.");
    }
}
