//! What spans say of events (A12).

use serde_json::json;

use super::*;
use crate::event::{Kind, Phase, Profile};

fn event(uuid: u128, phase: Option<Phase>, category: Category, micros: i64, name: &str) -> Event {
    let attributes = crate::event::Attributes::none();
    Event {
        uuid: Uuid::from_u128(uuid),
        parent: None,
        timestamp: Timestamp::from_micros(micros),
        name: name.into(),
        kind: phase.map_or(Kind::Mark { category: None }, |phase| Kind::Scope { phase, category, attributes }),
        profile: Some(Profile::default()),
        data: Value::Null,
        data_schema: None,
        metadata: Value::Null,
    }
}

fn model_call() -> [Event; 3] {
    let mut start = event(1, Some(Phase::Start), Category::Llm, 1_000_000, "anthropic");
    start.metadata = json!({"kitaru.llm.alias": "smart", "server.address": "api.example", "server.port": 443, "private": 1});
    start.profile = Some(Profile {
        model_name: Some("claude".into()),
        annotated_request: Some(json!({
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"},
                {"role": "assistant", "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
                {"role": "tool", "tool_call_id": "t", "content": "2"}],
            "params": {"temperature": 0.5, "max_tokens": 9, "stop": ["x"]}, "seed": 7, "n": 1,
            "response_format": {"type": "json_object"},
        })),
        ..Profile::default()
    });
    let mut chunk = event(2, None, Category::Llm, 1_250_000, "llm.chunk");
    chunk.parent = Some(start.uuid);
    chunk.data = json!({"chunk_index": 0, "provider": "anthropic_messages"});
    let mut end = event(1, Some(Phase::End), Category::Llm, 2_000_000, "anthropic");
    end.metadata = json!({"kitaru.llm.cost_usd": 0.5});
    end.profile = Some(Profile {
        annotated_response: Some(json!({
            "id": "r", "model": "claude-1", "message": "hello", "finish_reason": "tool_use",
            "tool_calls": [{"id": "u", "name": "g", "arguments": {"b": 2}}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "cache_read_tokens": 6, "cache_write_tokens": 1},
            "api_specific": {"api": "anthropic_messages"},
        })),
        ..Profile::default()
    });
    [start, chunk, end]
}

#[test]
fn a12_a_model_call_has_the_attributes_of_the_conventions() {
    let events = model_call();
    let spans = spans(&events, Options::default());
    let [span] = spans.as_slice() else { panic!("one span") };
    assert_eq!((span.name.as_str(), span.kind, span.status), ("chat claude", SpanKind::Client, Status::Unset));
    let expected: Vec<(&str, Attribute)> = vec![
        ("gen_ai.operation.name", "chat".into()),
        ("gen_ai.output.type", "json".into()),
        ("gen_ai.provider.name", "anthropic".into()),
        ("gen_ai.request.max_tokens", 9_u64.into()),
        ("gen_ai.request.model", "claude".into()),
        ("gen_ai.request.seed", 7_u64.into()),
        ("gen_ai.request.stop_sequences", Attribute::Texts(vec!["x".into()])),
        ("gen_ai.request.temperature", 0.5.into()),
        ("gen_ai.response.finish_reasons", Attribute::Texts(vec!["tool_call".into()])),
        ("gen_ai.response.id", "r".into()),
        ("gen_ai.response.model", "claude-1".into()),
        ("gen_ai.response.time_to_first_chunk", 0.25.into()),
        ("gen_ai.usage.cache_creation.input_tokens", 1_u64.into()),
        ("gen_ai.usage.cache_read.input_tokens", 6_u64.into()),
        // Anthropic counts what its cache gave apart; the conventions do not.
        ("gen_ai.usage.input_tokens", 17_u64.into()),
        ("gen_ai.usage.output_tokens", 5_u64.into()),
        ("kitaru.llm.alias", "smart".into()),
        ("kitaru.llm.cost_usd", 0.5.into()),
        ("server.address", "api.example".into()),
        ("server.port", 443_u64.into()),
    ];
    let found: Vec<_> = span.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert_eq!(found, expected);
    assert_eq!(span.events[0].name, "llm.chunk");
    assert_eq!(
        attributes_at_start(&events[0]).keys().collect::<Vec<_>>(),
        ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port"]
    );
}

#[test]
fn content_is_shown_on_request_only() {
    let [start, chunk, end] = model_call();
    let with = attributes(&start, &[&chunk], Some(&end), Options { content: true });
    let json = |name: &str| match &with[name] {
        Attribute::Json(value) => value.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(json("gen_ai.system_instructions"), json!([{"type": "text", "content": "be brief"}]));
    assert_eq!(
        json("gen_ai.input.messages"),
        json!([
            {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
            {"role": "assistant", "parts": [{"type": "tool_call", "id": "t", "name": "f", "arguments": {"a": 1}}]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "t", "response": "2"}]},
        ])
    );
    let output = json("gen_ai.output.messages");
    assert_eq!(output[0]["parts"][1], json!({"type": "tool_call", "id": "u", "name": "g", "arguments": {"b": 2}}));
    assert_eq!(output[0]["finish_reason"], json!("tool_call"));
    let without = format!("{:?}", attributes(&start, &[&chunk], Some(&end), Options::default()));
    assert!(!without.contains("be brief") && !without.contains("hello"));
}

#[test]
fn a_reason_may_quote_content_and_is_shown_as_content_is() {
    let mut mark = event(5, None, Category::Unknown, 5, "openai");
    mark.data = json!({ "rejected": true, "rejection_reason": "says hello" });
    let shown = |content: bool| spans(std::slice::from_ref(&mark), Options { content }).remove(0).attributes;
    assert_eq!(shown(false).keys().collect::<Vec<_>>(), ["rejected"]);
    assert_eq!(shown(true)["rejection_reason"], "says hello".into());
}

#[test]
fn other_scopes_have_their_names_and_errors_their_class() {
    let agent = event(1, Some(Phase::Start), Category::Agent, 0, "helper");
    let mut tool = event(2, Some(Phase::Start), Category::Tool, 1, "add");
    tool.parent = Some(agent.uuid);
    let mut failed = event(2, Some(Phase::End), Category::Tool, 2, "add");
    failed.metadata = json!({"error.type": "timeout", "otel.status_code": "ERROR"});
    let mut flow = event(3, Some(Phase::Start), Category::Custom, 3, "review");
    flow.profile = Some(Profile { subtype: Some("flow".into()), ..Profile::default() });
    let guardrail = event(4, Some(Phase::Start), Category::Guardrail, 4, "budget");
    let mut mark = event(5, None, Category::Unknown, 5, "lost");
    mark.data = json!([1]);
    let all = [failed, guardrail, tool, agent, flow, mark];
    let spans = spans(&all, Options::default());
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["invoke_agent helper", "execute_tool add", "invoke_workflow review", "budget", "mark:lost"]);
    assert_eq!((spans[1].status, &spans[1].attributes["error.type"]), (Status::Error, &"timeout".into()));
    assert_eq!(spans[1].attributes["gen_ai.tool.type"], "function".into());
    assert_eq!((spans[1].kind, spans[1].parent), (SpanKind::Internal, Some(Uuid::from_u128(1))));
    assert_eq!((spans[0].ended_at, spans[4].attributes["data"].clone()), (None, Attribute::Json(json!([1]))));
}
