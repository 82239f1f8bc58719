//! From events to a trajectory.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Agent, FinalMetrics, Metrics, Observation, ObservationResult, Source, Step, ToolCall, Trajectory, VERSION};
use crate::chat::{ApiSpecific, ChatRequest, ChatResponse, Message, Role};
use crate::clock::Timestamp;
use crate::event::{CHUNK_MARK, Category, Event, Profile, rfc3339};

/// The scopes at the top: each is a session of its own.
pub fn roots(events: &[Event]) -> Vec<Uuid> {
    let mut roots: Vec<_> = events.iter().filter(|event| event.is_start() && event.parent.is_none()).collect();
    roots.sort_by_key(|event| event.timestamp);
    roots.into_iter().map(|event| event.uuid).collect()
}

/// The trajectory of everything inside the scope `root`, or of all events. Events are sorted by time first.
pub fn trajectory(events: &[Event], root: Option<Uuid>, session_id: impl Into<String>, agent: Agent) -> Trajectory {
    let mut sorted: Vec<&Event> = events.iter().collect();
    sorted.sort_by_key(|event| event.timestamp);
    let starts: HashMap<Uuid, &Event> =
        sorted.iter().filter(|event| event.is_start()).map(|event| (event.uuid, *event)).collect();
    let mut build = Build { starts, agent, steps: Vec::new(), instructions: String::new(), cost: Some(0) };
    for event in sorted {
        if root.is_none_or(|root| build.is_inside(event, root)) {
            build.add(event);
        }
    }
    build.finish(session_id.into())
}

struct Build<'a> {
    starts: HashMap<Uuid, &'a Event>,
    agent: Agent,
    steps: Vec<Step>,
    /// The instructions of the last system step.
    instructions: String,
    /// Billionths of a US dollar so far; none once a cost is not known.
    cost: Option<i64>,
}

impl Build<'_> {
    fn is_inside(&self, event: &Event, root: Uuid) -> bool {
        let mut at = Some(event.uuid).filter(|uuid| self.starts.contains_key(uuid)).or(event.parent);
        // Records of others may have circles in them: no way is longer than there are scopes.
        for _ in 0..=self.starts.len() {
            match at {
                None => return false,
                Some(uuid) if uuid == root => return true,
                Some(uuid) => at = self.starts.get(&uuid).and_then(|scope| scope.parent),
            }
        }
        false
    }

    fn add(&mut self, event: &Event) {
        match event.category() {
            Some(Category::Llm) if event.is_start() => self.asked(event),
            Some(Category::Llm) if event.is_end() => self.answered(event),
            Some(Category::Tool) if event.is_end() => self.observed(event),
            _ if event.is_mark() && !event.data.is_null() && event.name != CHUNK_MARK => {
                let mut step = self.step(event, Source::System, format!("{}: {}", event.name, text(&event.data)));
                step.extra.insert("mark".to_owned(), json!({ "name": event.name, "data": event.data }));
                self.steps.push(step);
            }
            _ => {}
        }
    }

    fn asked(&mut self, event: &Event) {
        let Some(request) = event.profile.as_ref().and_then(Profile::request) else {
            // Without an annotation the messages are shown as they are recorded.
            match event.data.pointer("/content/messages") {
                None | Some(Value::Null) => {}
                Some(messages) => self.steps.push(self.step(event, Source::User, text(messages))),
            }
            return;
        };
        self.note_agent(event, &request);
        let is_instruction = |message: &&Message| message.role.is_instruction();
        let instructions = join(request.messages.iter().filter(is_instruction));
        if !instructions.is_empty() && instructions != self.instructions {
            self.steps.push(self.step(event, Source::System, instructions.clone()));
            self.instructions = instructions;
        }
        let is_older = |message: &Message| matches!(message.role, Role::Assistant | Role::Tool);
        let new = request.messages.iter().rposition(is_older).map_or(0, |at| at + 1);
        let said = join(request.messages.iter().skip(new).filter(|message| !is_instruction(message)));
        if !said.is_empty() {
            self.steps.push(self.step(event, Source::User, said));
        }
    }

    fn note_agent(&mut self, event: &Event, request: &ChatRequest) {
        if self.agent.model_name.is_none() {
            let model = event.profile.as_ref().and_then(|profile| profile.model_name.clone());
            self.agent.model_name = model.or_else(|| request.model.clone());
        }
        if self.agent.tool_definitions.is_none() && !request.tools.is_empty() {
            let tools = request.tools.iter().filter_map(|tool| serde_json::to_value(tool).ok());
            self.agent.tool_definitions = Some(tools.collect());
        }
    }

    fn answered(&mut self, event: &Event) {
        let response = event.profile.as_ref().and_then(Profile::response);
        let failed = event.error_type();
        let message = match &response {
            Some(response) => response.text(),
            None if failed.is_some() || event.data.is_null() => String::new(),
            None => text(&event.data),
        };
        let mut step = self.step(event, Source::Agent, message);
        let model = response.as_ref().and_then(|response| response.model.clone());
        step.model_name = model.or_else(|| event.profile.as_ref().and_then(|profile| profile.model_name.clone()));
        if let Some(error_type) = failed {
            step.extra.insert("error_type".to_owned(), json!(error_type));
        }
        if let Some(response) = &response {
            step.reasoning_content = thinking(response);
            step.tool_calls = response
                .tool_calls
                .iter()
                .map(|call| ToolCall {
                    tool_call_id: call.id.clone(),
                    function_name: call.name.clone(),
                    arguments: match &call.arguments {
                        Value::Object(arguments) => arguments.clone(),
                        other => Map::from_iter([("value".to_owned(), other.clone())]),
                    },
                })
                .collect();
        }
        let metrics = metrics(event, response.as_ref());
        self.cost = match metrics.cost_usd.map(to_nanodollars) {
            Some(cost) => self.cost.zip(cost).map(|(sum, cost)| sum.saturating_add(cost)),
            None if metrics.prompt_tokens.or(metrics.completion_tokens).is_some() => None,
            None => self.cost,
        };
        step.metrics = Some(metrics).filter(|metrics| *metrics != Metrics::default());
        self.steps.push(step);
    }

    fn observed(&mut self, event: &Event) {
        let content = match event.error_type() {
            Some(error_type) if event.data.is_null() => format!("error: {error_type}"),
            // Nothing was recorded, which is not to say that it was `null`.
            _ if event.data.is_null() => String::new(),
            _ => text(&event.data),
        };
        let id = event.profile.as_ref().and_then(|profile| profile.tool_call_id.as_deref());
        // By the model's name for the call, or else by the tool's name among the calls that have no answer yet.
        let asks = |step: &Step| {
            let answered = |call: &ToolCall| {
                let results = step.observation.iter().flat_map(|observation| &observation.results);
                results.into_iter().any(|result| result.source_call_id.as_ref() == Some(&call.tool_call_id))
            };
            let mut calls = step.tool_calls.iter();
            let call = match id {
                Some(id) => calls.find(|call| call.tool_call_id == id),
                None => calls.find(|call| call.function_name == event.name && !answered(call)),
            };
            call.map(|call| call.tool_call_id.clone())
        };
        let found = self.steps.iter_mut().rev().find_map(|step| asks(step).map(|id| (step, id)));
        if let Some((step, id)) = found {
            let result = ObservationResult { source_call_id: Some(id), content };
            step.observation.get_or_insert_default().results.push(result);
            return;
        }
        let result = ObservationResult { source_call_id: None, content };
        match self.steps.last_mut() {
            Some(Step { source: Source::System, observation: Some(observation), .. }) => observation.results.push(result),
            _ => {
                let mut step = self.step(event, Source::System, String::new());
                step.observation = Some(Observation { results: vec![result] });
                self.steps.push(step);
            }
        }
    }

    fn step(&self, event: &Event, source: Source, message: String) -> Step {
        let parent = event.parent.and_then(|parent| self.starts.get(&parent));
        let mut extra = Map::new();
        extra.insert(
            "ancestry".to_owned(),
            json!({
                "function_id": event.uuid, "function_name": event.name,
                "parent_id": event.parent, "parent_name": parent.map(|parent| &parent.name),
            }),
        );
        if event.is_end() {
            let began = self.starts.get(&event.uuid).map(|start| seconds(start.timestamp));
            let status = if event.error_type().is_some() { "error" } else { "completed" };
            let ended = seconds(event.timestamp);
            extra.insert(
                "invocation".to_owned(),
                json!({ "invocation_id": event.uuid, "start_timestamp": began, "end_timestamp": ended, "status": status }),
            );
        }
        Step {
            step_id: u64::try_from(self.steps.len()).unwrap_or(u64::MAX).saturating_add(1),
            timestamp: rfc3339::write(event.timestamp),
            source,
            message,
            model_name: None,
            reasoning_content: None,
            tool_calls: Vec::new(),
            metrics: None,
            observation: None,
            extra,
        }
    }

    fn finish(self, session_id: String) -> Trajectory {
        let Self { agent, steps, cost, .. } = self;
        let metrics = || steps.iter().filter_map(|step| step.metrics.as_ref());
        let sum = |tokens: fn(&Metrics) -> Option<u64>| metrics().filter_map(tokens).fold(0, u64::saturating_add);
        let final_metrics = FinalMetrics {
            total_prompt_tokens: sum(|metrics| metrics.prompt_tokens),
            total_completion_tokens: sum(|metrics| metrics.completion_tokens),
            total_cached_tokens: sum(|metrics| metrics.cached_tokens),
            total_cost_usd: cost.map(to_dollars),
            total_steps: u64::try_from(steps.len()).unwrap_or(u64::MAX),
        };
        Trajectory { schema_version: VERSION.to_owned(), session_id, agent, steps, final_metrics: Some(final_metrics) }
    }
}

/// Tokens from the annotation; the cost from the metadata `kitaru.llm.cost_usd`, or else as the provider reported it.
fn metrics(event: &Event, response: Option<&ChatResponse>) -> Metrics {
    let usage = response.and_then(|response| response.usage.as_ref());
    let noted = event.metadata_member("kitaru.llm.cost_usd").and_then(Value::as_f64);
    let reported = || usage.and_then(|usage| usage.reported_cost_nanodollars).and_then(|cost| i64::try_from(cost).ok());
    Metrics {
        prompt_tokens: response.and_then(ChatResponse::input_tokens),
        completion_tokens: usage.and_then(|usage| usage.completion_tokens),
        cached_tokens: usage.and_then(|usage| usage.cache_read_tokens),
        cost_usd: noted.or_else(|| reported().map(to_dollars)),
    }
}

fn thinking(response: &ChatResponse) -> Option<String> {
    let Some(ApiSpecific::AnthropicMessages { content_blocks: Some(blocks), .. }) = &response.api_specific else {
        return None;
    };
    let thoughts: String = blocks.iter().filter_map(|block| block.get("thinking").and_then(Value::as_str)).collect();
    Some(thoughts).filter(|thoughts| !thoughts.is_empty())
}

fn join<'a>(messages: impl Iterator<Item = &'a Message>) -> String {
    messages.map(Message::text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn seconds(moment: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the format has seconds as a floating-point number")]
    let micros = moment.as_micros() as f64;
    micros / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "the format has US dollars as a floating-point number")]
fn to_dollars(nanodollars: i64) -> f64 {
    nanodollars as f64 / 1e9
}

/// Sums are made in whole billionths, so that they do not depend on the order; none for what is no amount.
fn to_nanodollars(dollars: f64) -> Option<i64> {
    let nanodollars = (dollars * 1e9).round();
    #[expect(clippy::cast_possible_truncation, reason = "checked to be well inside of what an i64 can hold")]
    (nanodollars.is_finite() && nanodollars.abs() < 9e18).then_some(nanodollars as i64)
}
