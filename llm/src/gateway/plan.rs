//! What can be told of a call without asking anybody.

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::candidate::Candidate;
use super::core::Core;
use super::failing;
use super::failure::CallFailure;
use super::place::CallPlace;
use super::request::{CallRequest, MOST_REPAIRS};
use super::structured::Schema;
use crate::chat::{Message, RawRequest};
use crate::codec::Api;
use crate::models::{
    CallName, FrozenModels, ModelRegistry, SelectError, SelectedModel, check_system_leads, default_executor, normalise_prompt,
};
use crate::policy::MockCall;
use crate::price::Cost;
use crate::usage::{BillingEffect, RecordStatus, Recorded, TokenCounts, UsageRecord};

/// What `extra` cannot set: the conversation, the model and the delivery are the call's. Gateways that are providers take models by other names, too
/// (OpenRouter `models`, `route` and `preset`, LiteLLM `fallbacks`): which models may be called is not for the call to say.
const OWN: [&str; 14] = [
    "model",
    "models",
    "route",
    "preset",
    "fallbacks",
    "messages",
    "input",
    "contents",
    "system",
    "instructions",
    "systemInstruction",
    "prompt",
    "stream",
    "tools",
];

/// A call whose name, prompt and model are settled.
#[derive(Clone, Debug)]
pub struct PlannedCall {
    pub(super) request: CallRequest,
    pub(super) name: CallName,
    pub(super) messages: Vec<Value>,
    /// The same as they are sent.
    pub(super) conversation: Vec<Message>,
    pub(super) selected: Option<SelectedModel>,
    /// The models and aliases that are tried after it.
    pub(super) fallbacks: Vec<String>,
    pub(super) models: FrozenModels,
    pub(super) schema: Option<Schema>,
}

impl PlannedCall {
    /// The call as its author wrote it, with its name filled in: what a journal keeps as its input.
    pub fn request(&self) -> &CallRequest {
        &self.request
    }

    /// Its name.
    pub fn name(&self) -> &CallName {
        &self.name
    }

    /// The normalised messages.
    pub fn messages(&self) -> &[Value] {
        &self.messages
    }

    /// The model; none where nothing is configured, and the environment's keys decide when the call is made.
    pub fn selected(&self) -> Option<&SelectedModel> {
        self.selected.as_ref()
    }

    /// The usage record of the call where it was made in `place` and cut short, so that nobody can tell more of it: somebody may have been asked, and
    /// what that costs is not known.
    pub fn cut_short(&self, place: &CallPlace) -> UsageRecord {
        let event = place.uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
        let unsettled =
            SelectedModel { requested_model: String::new(), alias: None, resolved_model: String::new(), secret: None };
        let selected = self.selected.as_ref().unwrap_or(&unsettled);
        let about = Recorded { name: &self.name, event_id: &event, attempt: 1, selected };
        let record = UsageRecord::of(about, None, TokenCounts::default(), Cost::unknown("the call was cut short"));
        let named = |name: Option<String>| name.filter(|name| !name.is_empty());
        let record = UsageRecord {
            model: named(record.model),
            requested_model: named(record.requested_model),
            resolved_model: named(record.resolved_model),
            status: RecordStatus::Failed,
            billing_effect: BillingEffect::Unknown,
            ..record
        };
        place.record(record, 1)
    }

    pub(super) fn of(core: &Core, mut request: CallRequest, name: CallName, models: &FrozenModels) -> Result<Self, CallFailure> {
        let messages = normalise_prompt(&request.prompt, request.system.as_deref())
            .map_err(|error| CallFailure::usage(error.to_string()))?;
        let conversation = conversation(&messages)?;
        check_request(&request)?;
        let schema = request.schema.as_ref().map(Schema::of).transpose()?;
        let selected = match models.select(request.model.as_deref()) {
            Ok(selected) => Some(selected),
            // Told when the call is made: a key may appear until then.
            Err(SelectError::NoneConfigured { .. }) => None,
            Err(error) => return Err(CallFailure::usage(error.to_string())),
        };
        let alias = selected.as_ref().and_then(|selected| models.registry.aliases.get(selected.alias.as_ref()?));
        let fallbacks = alias.map(|alias| alias.fallbacks.clone()).unwrap_or_default();
        request.name = Some(name.to_string());
        let plan = Self { request, name, messages, conversation, selected, fallbacks, models: models.clone(), schema };
        if let Some(selected) = &plan.selected {
            let candidate = Candidate::of(selected.clone(), plan.registry(), core.services.environment.as_ref())?;
            if let Some(unsupported) = candidate.unsupported().filter(|_| core.mocks.is_empty()) {
                return Err(unsupported);
            }
            plan.raw(&candidate, None, plan.request.stream)?;
        }
        Ok(plan)
    }

    pub(super) fn registry(&self) -> &ModelRegistry {
        &self.models.registry
    }

    /// The model that is called, and the limit of its answer where the call sets none.
    ///
    /// # Errors
    /// When nothing is configured, and the environment has no key either.
    pub(super) fn target(&self, core: &Core) -> Result<(Candidate, Option<u64>), CallFailure> {
        let environment = core.services.environment.as_ref();
        let (selected, limit) = match &self.selected {
            Some(selected) => (selected.clone(), None),
            None => {
                let executor = default_executor(environment, core.on_missing).map_err(failing::of_not_configured)?;
                (executor.selected, Some(executor.max_tokens))
            }
        };
        Ok((Candidate::of(selected, self.registry(), environment)?, limit))
    }

    /// Whether a script answers the call, as far as that can be told before it is made.
    pub(super) fn is_scripted(&self, core: &Core, candidate: &Candidate) -> bool {
        let texts: Vec<_> = self.conversation.iter().map(Message::text).collect();
        core.mocks.knows(MockCall {
            name: self.name.as_str(),
            requested_model: &candidate.selected.requested_model,
            resolved_model: &candidate.selected.resolved_model,
            prompt: &texts.join("\n"),
        })
    }

    /// The request in the words of a candidate's protocol.
    ///
    /// # Errors
    /// When the protocol cannot say what is asked.
    pub(super) fn raw(&self, candidate: &Candidate, limit: Option<u64>, stream: bool) -> Result<RawRequest, CallFailure> {
        if candidate.api == Api::AnthropicMessages {
            check_system_leads(&self.messages).map_err(|error| CallFailure::usage(error.to_string()))?;
        }
        let chat = candidate.chat(&self.request, &self.conversation, limit, stream);
        let raw = candidate.encode(&chat, Map::new());
        let mut raw = raw.map_err(|error| failing::of_codec(&error, &candidate.selected.resolved_model))?;
        if let Some(body) = raw.content.as_object_mut() {
            for (key, value) in &self.request.extra {
                match (body.get_mut(key), value) {
                    (Some(Value::Object(there)), Value::Object(more)) => there.extend(more.clone()),
                    _ => drop(body.insert(key.clone(), value.clone())),
                }
            }
        }
        Ok(raw)
    }
}

/// The messages as they are sent.
fn conversation(messages: &[Value]) -> Result<Vec<Message>, CallFailure> {
    let read = |(index, value): (usize, &Value)| {
        Message::deserialize(value).map_err(|_| {
            CallFailure::usage(format!("Prompt message {index} is not a message: `role` is text, `content` is text or parts."))
        })
    };
    messages.iter().enumerate().map(read).collect()
}

/// Whether a provider may take two keys for the same: servers in Go do not tell `Model` from `model`, and protobuf's JSON has `system_instruction` for
/// `systemInstruction`.
fn is_same_key(own: &str, key: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect::<String>();
    letters(own) == letters(key)
}

fn check_request(request: &CallRequest) -> Result<(), CallFailure> {
    if request.repairs > MOST_REPAIRS {
        return Err(CallFailure::usage(format!("`repairs` is {}, and {MOST_REPAIRS} are the most", request.repairs)));
    }
    if request.repairs > 0 && request.stream {
        return Err(CallFailure::usage("an answer that is streamed cannot be mended: leave out `repairs` or `stream`"));
    }
    match request.extra.keys().find(|key| OWN.iter().any(|own| is_same_key(own, key))) {
        Some(key) => Err(CallFailure::usage(format!("`extra` cannot set `{key}`"))),
        None => Ok(()),
    }
}
