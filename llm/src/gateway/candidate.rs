//! A model that may answer a call: who serves it, where, and in which protocol.

use std::borrow::Cow;

use crate::chat::thinking::{Thinker, keep_thinking};
use crate::chat::{ChatRequest, Message, RawRequest, ResponseFormat, Role};
use crate::codec::{Api, CodecError};
use crate::models::{
    ANTHROPIC_DEFAULT_MAX_TOKENS, Environment, ModelRef, ModelRegistry, Provider, ProviderError, SelectedModel,
    completion_tokens_parameter, provider_of,
};
use crate::provider::{AuthScheme, Endpoint, EndpointError, Secret, Translation, known_provider};

use serde_json::{Map, Value, json};

use super::failure::CallFailure;
use super::request::CallRequest;

/// A model that may answer a call.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// What was asked for, and what it stands for.
    pub(super) selected: SelectedModel,
    /// Who serves it; none for a provider that nobody knows, which only a script can stand in for.
    pub(super) provider: Option<&'static Provider>,
    /// The prefix of the model.
    pub(super) prefix: String,
    /// The provider's own name of the model.
    pub(super) model: String,
    /// What is spoken there, or translated into what is.
    pub(super) api: Api,
    /// What it is translated into.
    pub(super) translation: Option<Translation>,
    /// Where it is; none where nobody says.
    pub(super) base_url: Option<String>,
    /// Whether the alias names that address.
    pub(super) own_address: bool,
}

impl Candidate {
    /// The candidate of a selected model.
    ///
    /// # Errors
    /// When the model's identifier is incomplete (L15).
    pub(super) fn of(
        selected: SelectedModel,
        registry: &ModelRegistry,
        environment: &dyn Environment,
    ) -> Result<Self, CallFailure> {
        let ModelRef { provider: prefix, model } = ModelRef::parse(&selected.resolved_model)
            .map_err(|error| CallFailure::usage(error.to_string()).with_hint(hint(&selected, registry, &error)))?;
        let alias = selected.alias.as_ref().and_then(|alias| registry.aliases.get(alias));
        let provider = Provider::find(&prefix);
        let own = alias.and_then(|alias| alias.base_url.as_deref()).map(str::trim).filter(|url| !url.is_empty());
        let base_url = own.map(str::to_owned).or_else(|| provider.and_then(|provider| provider.base_url_in(environment)));
        let own_api = alias.and_then(|alias| alias.api);
        // Who says that a protocol of ours is spoken there means it.
        let translation = Translation::of_prefix(&prefix).filter(|_| own_api.is_none());
        let api = own_api.or_else(|| known_provider(&prefix).map(|known| known.api)).unwrap_or(Api::OpenAiChat);
        let own_address = own.is_some();
        Ok(Self { selected, provider, prefix, model, api, translation, base_url, own_address })
    }

    /// Why nobody can be asked (L14).
    pub(super) fn unsupported(&self) -> Option<CallFailure> {
        let error = provider_of(&self.selected.resolved_model).err()?;
        Some(CallFailure::usage(error.to_string()).with_hint(error.hint()))
    }

    /// Where the call goes, with its key.
    ///
    /// # Errors
    /// When nobody says where, or the address or the key cannot be used.
    pub(super) fn endpoint(&self, key: Option<Secret>) -> Result<Endpoint, EndpointError> {
        let missing = || EndpointError::NoBaseUrl { provider: self.prefix.clone() };
        let endpoint = Endpoint::new(self.api, self.base_url.as_deref().ok_or_else(missing)?)?;
        match key {
            Some(key) => endpoint.with_key(self.scheme(), key),
            None => Ok(endpoint),
        }
    }

    /// The header for the key: the provider's own, or the usual one of a protocol that is not the provider's own.
    fn scheme(&self) -> AuthScheme {
        match (known_provider(&self.prefix), self.api) {
            (Some(known), api) if known.api == api && known.auth != AuthScheme::None => known.auth,
            (_, Api::AnthropicMessages) => AuthScheme::XApiKey,
            (_, Api::Gemini) => AuthScheme::XGoogApiKey,
            (Some(known), _) if known.auth == AuthScheme::ApiKey => AuthScheme::ApiKey,
            (_, Api::OpenAiChat | Api::OpenAiResponses) => AuthScheme::Bearer,
        }
    }

    /// What the call asks of this model, in the shape that policies see.
    pub(super) fn chat(&self, request: &CallRequest, messages: &[Message], limit: Option<u64>, stream: bool) -> ChatRequest {
        let mut chat = ChatRequest::new(&self.model, messages.to_vec());
        chat.params.temperature = request.temperature;
        chat.params.top_p = request.top_p;
        chat.params.max_tokens = request.max_tokens.or(limit).or(self.usual_limit());
        chat.params.stop = (!request.stop.is_empty()).then(|| request.stop.clone());
        chat.seed = request.seed;
        chat.tools.clone_from(&request.tools);
        chat.tool_choice.clone_from(&request.tool_choice);
        chat.parallel_tool_calls = request.parallel_tool_calls;
        chat.response_format = request.schema.clone().map(ResponseFormat::JsonSchema);
        chat.stream = stream.then_some(true);
        chat
    }

    /// What the answer is limited to where nobody says: Anthropic accepts no request without a limit, and the translator would make one up.
    fn usual_limit(&self) -> Option<u64> {
        let wanted = self.api == Api::AnthropicMessages || self.translation == Some(Translation::BedrockConverse);
        wanted.then_some(ANTHROPIC_DEFAULT_MAX_TOKENS)
    }

    /// The request in the words of its protocol.
    ///
    /// # Errors
    /// When the protocol cannot say what is asked.
    pub(super) fn encode(&self, chat: &ChatRequest, headers: Map<String, Value>) -> Result<RawRequest, CodecError> {
        let empty = RawRequest { headers, content: json!({}) };
        let mut encoded = self.api.protocol().encode(&with_thinking_of(chat, Some(self.api)), &empty)?;
        if let (Api::OpenAiChat, Some(provider), Some(body)) = (self.api, self.provider, encoded.content.as_object_mut()) {
            name_limit(body, completion_tokens_parameter(provider, &self.model));
        }
        Ok(encoded)
    }

    /// The request of another candidate as one of this candidate's. Its parameters are kept where they mean the same here.
    ///
    /// # Errors
    /// When the protocol cannot say what is asked.
    pub(super) fn adapt(&self, other: &Self, request: &RawRequest) -> Result<RawRequest, CodecError> {
        let mut chat = other.api.protocol().decode(request)?;
        chat.model = Some(self.model.clone());
        if self.translation.is_some() {
            chat.params.max_tokens = chat.params.max_tokens.or(self.usual_limit());
        }
        if other.api == self.api {
            let chat = if self.understands_thinking_of(other) { Cow::Borrowed(&chat) } else { with_thinking_of(&chat, None) };
            let mut adapted = self.api.protocol().encode(&chat, request)?;
            if let (Api::OpenAiChat, Some(provider), Some(body)) = (self.api, self.provider, adapted.content.as_object_mut()) {
                name_limit(body, completion_tokens_parameter(provider, &self.model));
            }
            return Ok(adapted);
        }
        // The other provider's own keys mean nothing here.
        chat.extra = Map::new();
        if self.api == Api::AnthropicMessages && chat.params.max_tokens.is_none() {
            chat.params.max_tokens = Some(ANTHROPIC_DEFAULT_MAX_TOKENS);
        }
        chat.messages = joined(with_thinking_of(&chat, None).into_owned().messages);
        self.encode(&chat, request.headers.clone())
    }

    /// Whether thinking that `other`, who speaks the same protocol, has written means something here. Anthropic's signatures hold wherever its models are
    /// served, and so do Gemini's; what is encrypted, or a key of one provider's own, is for who wrote it.
    fn understands_thinking_of(&self, other: &Self) -> bool {
        let same = self.prefix == other.prefix && self.base_url == other.base_url;
        same || matches!(self.api, Api::AnthropicMessages | Api::Gemini)
    }
}

/// What to do about an identifier that cannot be taken apart. A short name is mostly an alias that is not there.
fn hint(selected: &SelectedModel, registry: &ModelRegistry, error: &ProviderError) -> Option<String> {
    let hint = error.hint()?;
    let is_short = matches!(error, ProviderError::NoPrefix { .. }) && selected.alias.is_none();
    let nearest = is_short.then(|| registry.nearest(&selected.resolved_model)).flatten();
    Some(nearest.map_or_else(|| hint.clone().into_owned(), |alias| format!("the alias `{alias}` is nearest to it; {hint}")))
}

/// A conversation without the thinking that others than `api` have written: they alone can read it, and a fallback must not fail for it.
fn with_thinking_of(chat: &ChatRequest, api: Option<Api>) -> Cow<'_, ChatRequest> {
    let kept = match api {
        Some(Api::AnthropicMessages) => Some(Thinker::Anthropic),
        Some(Api::OpenAiResponses) => Some(Thinker::Responses),
        Some(Api::Gemini) => Some(Thinker::Gemini),
        Some(Api::OpenAiChat) | None => None,
    };
    let keep = |message: &Message| {
        let mut message = message.clone();
        keep_thinking(&mut message, kept, api == Some(Api::OpenAiChat)).then_some(message)
    };
    let messages: Vec<Message> = chat.messages.iter().filter_map(keep).collect();
    if messages == chat.messages { Cow::Borrowed(chat) } else { Cow::Owned(ChatRequest { messages, ..chat.clone() }) }
}

/// Messages with what one answer said in one: OpenAI Responses has an item for each call, and others want all calls of an answer before the first
/// result.
fn joined(messages: Vec<Message>) -> Vec<Message> {
    let mut joined: Vec<Message> = Vec::new();
    for message in messages {
        match joined.last_mut() {
            Some(last) if last.role == Role::Assistant && message.role == Role::Assistant && message.content.is_none() => {
                last.tool_calls.extend(message.tool_calls);
            }
            _ => joined.push(message),
        }
    }
    joined
}

/// Calls the limit of the answer's tokens by the name that the provider knows.
fn name_limit(body: &mut Map<String, Value>, name: &str) {
    let other = if name == "max_tokens" { "max_completion_tokens" } else { "max_tokens" };
    if let Some(limit) = body.shift_remove(other) {
        body.entry(name).or_insert(limit);
    }
}
