//! Answers in pieces.

use std::time::Duration;

use kitaru_llm::gateway::{Answer, CallFailure, CallRequest};
use serde_json::{Value, json};

use crate::bench::{KEY, all_of, ask, config, marks, open};
use crate::peer::{Peer, json as json_answer};
use crate::scenes::*;

const TEXT: &[&str] = &["Ein ", "langer ", "Satz \u{1f980}", " in ", "Stücken."];

fn request(scene: &Scene) -> CallRequest {
    CallRequest::text("q").with_model(scene.alias)
}

#[tokio::test]
async fn a_stream_makes_the_same_answer_as_one_piece() {
    for scene in SCENES {
        let peer = Peer::start(move |_, seen| Some(scene.answer(seen, TEXT))).await;
        let gateway = gateway(&config());
        let whole = ask(&gateway, &models(&peer), request(&scene)).await.outcome.unwrap();
        let mut stream = open(&gateway, &models(&peer), request(&scene)).await.unwrap();
        let mut pieces = Vec::new();
        while let Some(piece) = stream.next().await {
            pieces.push(piece.unwrap());
        }
        assert_eq!(pieces, TEXT, "{}", scene.protocol);
        let record = stream.finish().await;
        let streamed = record.outcome.clone().unwrap();
        assert_eq!(Answer { pieces: Vec::new(), ..streamed }, whole, "{}", scene.protocol);
        assert_eq!((record.usage.len(), record.usage[0].tokens.total), (1, Some(15)));
        assert!(marks(&record).iter().filter(|name| *name == "llm.chunk").count() >= TEXT.len());

        let seen = &peer.seen()[1];
        assert_eq!((seen.path.as_str(), seen.header("accept")), (scene.stream_path, Some(scene.stream_type)));
        let told = record.events.last().unwrap().metadata_member("kitaru.llm.translated").unwrap();
        assert_eq!(told["bytes"], seen.body.len());
        assert!(!all_of(&record).contains(KEY));
    }
}

fn tool_frames() -> Vec<Vec<u8>> {
    let start = |id: &str| json!({ "contentBlockIndex": 1, "start": { "toolUse": { "toolUseId": id, "name": "look" } } });
    let delta = |input: &str| json!({ "contentBlockIndex": 1, "delta": { "toolUse": { "input": input } } });
    vec![
        frame("messageStart", &json!({ "role": "assistant" })),
        frame("contentBlockStart", &start("t-1")),
        frame("contentBlockDelta", &delta("{\"at\":")),
        frame("contentBlockDelta", &delta("\"a\"}")),
        frame("contentBlockStop", &json!({ "contentBlockIndex": 1 })),
        frame("contentBlockStart", &start("t-2")),
        // The model was cut off: what it wrote is no JSON, and is not to look like a call without arguments.
        frame("contentBlockDelta", &delta("{\"at\"")),
        frame("contentBlockStop", &json!({ "contentBlockIndex": 2 })),
        frame("messageStop", &json!({ "stopReason": "max_tokens" })),
        frame("metadata", &json!({ "usage": { "inputTokens": 1, "outputTokens": 1 }, "serviceTier": { "type": "flex" } })),
    ]
}

#[tokio::test]
async fn tools_are_asked_for_in_pieces() {
    let peer = Peer::start(|_, _| Some(BEDROCK.streamed(tool_frames()))).await;
    let call = CallRequest { stream: true, raw: true, ..request(&BEDROCK) };
    let answer = ask(&gateway(&config()), &models(&peer), call).await.outcome.unwrap();
    let calls: Vec<_> = answer.tool_calls.iter().map(|call| (call.id.as_str(), call.arguments.clone())).collect();
    assert_eq!(calls[0], ("t-1", json!({ "at": "a" })));
    assert_eq!((calls[1].0, calls[1].1.to_string().contains("at")), ("t-2", true));
    assert_eq!(json!(answer.finish_reason), json!("length"));
    assert_eq!(answer.raw.unwrap()["service_tier"], "flex", "what was served, as its provider says");

    let call = json!({ "function": { "name": "look", "arguments": { "at": "a" } } });
    let asking = json!({ "message": { "role": "assistant", "content": "", "tool_calls": [call] }, "done": false });
    let pieces = vec![line(&asking), line(&OLLAMA.document(""))];
    let peer = Peer::start(move |_, _| Some(OLLAMA.streamed(pieces.clone()))).await;
    let call = CallRequest { stream: true, ..request(&OLLAMA) };
    let answer = ask(&gateway(&config()), &models(&peer), call).await.outcome.unwrap();
    assert_eq!((answer.tool_calls[0].name.as_str(), &answer.tool_calls[0].arguments), ("look", &json!({ "at": "a" })));
    assert!(!answer.tool_calls[0].id.is_empty(), "Ollama gives none");
    assert_eq!(json!(answer.finish_reason), json!("tool_use"));

    // Servers that do as Ollama does give all calls the same.
    let call = |at: &str| json!({ "id": "", "function": { "name": "look", "arguments": { "at": at } } });
    let asking =
        |at: &str| line(&json!({ "message": { "role": "assistant", "content": "", "tool_calls": [call(at)] }, "done": false }));
    let pieces = vec![asking("a"), asking("b"), line(&OLLAMA.document(""))];
    let peer = Peer::start(move |_, _| Some(OLLAMA.streamed(pieces.clone()))).await;
    let call = CallRequest { stream: true, ..request(&OLLAMA) };
    let answer = ask(&gateway(&config()), &models(&peer), call).await.outcome.unwrap();
    let arguments: Vec<_> = answer.tool_calls.iter().map(|call| call.arguments.clone()).collect();
    assert_eq!(arguments, [json!({ "at": "a" }), json!({ "at": "b" })]);
}

#[tokio::test]
async fn half_an_answer_does_not_look_like_a_whole_one() {
    for scene in SCENES {
        let pieces = scene.pieces(TEXT);
        for cut in 1..pieces.len() - usize::from(scene.protocol == "bedrock_converse") {
            let left = pieces[..cut].to_vec();
            // With the reason to stop it is complete, whatever becomes of its counts.
            let complete = scene.protocol == "bedrock_converse" && cut == pieces.len() - 1;
            let peer = Peer::start(move |_, _| Some(scene.streamed(left.clone()))).await;
            let call = CallRequest { stream: true, ..request(&scene) };
            let record = ask(&gateway(&config()), &models(&peer), call).await;
            assert_eq!(record.outcome.is_ok(), complete, "{} {cut}", scene.protocol);
        }
    }
}

#[tokio::test]
async fn a_stream_that_says_that_it_failed_has_failed() {
    let exception =
        [(":exception-type", "throttlingException"), (":content-type", "application/json"), (":message-type", "exception")];
    let failing = framed(&exception, &json!({ "message": format!("Too many tokens for {KEY}.") }));
    for (scene, failing) in [(BEDROCK, failing), (OLLAMA, line(&json!({ "error": format!("out of memory, {KEY}") })))] {
        let pieces: Vec<_> = scene.pieces(TEXT).into_iter().take(2).chain([failing]).collect();
        let peer = Peer::start(move |_, _| Some(scene.streamed(pieces.clone()))).await;
        let record = ask(&gateway(&config()), &models(&peer), CallRequest { stream: true, ..request(&scene) }).await;
        assert!(scene.protocol != "bedrock_converse" || !all_of(&record).contains(KEY));
        let failure = record.outcome.unwrap_err();
        let kind = if scene.protocol == "bedrock_converse" { CallFailure::RATE_LIMITED } else { CallFailure::PROVIDER };
        assert_eq!(failure.kind, kind, "{failure}");
    }
}

#[tokio::test]
async fn documents_that_are_larger_than_any_buffer_pass_and_a_slow_reader_loses_nothing() {
    for scene in SCENES {
        let large: String = "lang ".repeat(400_000);
        let pieces: Vec<Vec<u8>> = scene.pieces(&[&large, "Ende", &large]);
        let peer = Peer::start(move |_, _| Some(scene.streamed(pieces.clone()))).await;
        let gateway = gateway(&config());
        let mut stream = open(&gateway, &models(&peer), request(&scene)).await.unwrap();
        let mut length = 0;
        loop {
            // A future that is dropped half way loses nothing.
            match tokio::time::timeout(Duration::from_millis(3), stream.next()).await {
                Ok(Some(piece)) => length += piece.unwrap().len(),
                Ok(None) => break,
                Err(_) => tokio::task::yield_now().await,
            }
        }
        assert_eq!(length, 2 * large.len() + 4, "{}", scene.protocol);
        stream.finish().await.outcome.unwrap();
    }
}

#[tokio::test]
async fn what_is_no_stream_of_the_protocol_is_the_providers_fault() {
    for scene in SCENES {
        let broken = vec![b"\x00\x00\x00\x10 this is no frame and no line of JSON\n".to_vec()];
        let peer = Peer::start(move |number, _| {
            Some(if number == 0 { scene.streamed(broken.clone()) } else { json_answer(&scene.document("a")) })
        })
        .await;
        for _ in 0..2 {
            let call = CallRequest { stream: true, ..request(&scene) };
            let failure = ask(&gateway(&config()), &models(&peer), call).await.outcome.unwrap_err();
            assert_eq!(failure.kind, CallFailure::PROVIDER, "{} {failure}", scene.protocol);
            assert!(!failure.message.contains("this is no"), "{failure}");
        }
    }
}

#[tokio::test]
async fn thinking_is_kept_beside_the_answer() {
    let thinking = |text: &str| json!({ "message": { "role": "assistant", "content": "", "thinking": text }, "done": false });
    let mut pieces = vec![line(&thinking("Hm, ")), line(&thinking("so."))];
    pieces.extend(OLLAMA.pieces(&["Ja."]));
    let peer = Peer::start(move |_, _| Some(OLLAMA.streamed(pieces.clone()))).await;
    let call = CallRequest { stream: true, raw: true, ..request(&OLLAMA) };
    let answer = ask(&gateway(&config()), &models(&peer), call).await.outcome.unwrap();
    assert_eq!(answer.text, "Ja.");
    let message: Value = answer.raw.unwrap()["choices"][0]["message"].clone();
    assert_eq!((&message["reasoning_content"], &message["content"]), (&json!("Hm, so."), &json!("Ja.")));
    // It is not sent back: who wrote it has no place for it.
    let peer = Peer::start(|_, seen| Some(OLLAMA.answer(seen, &["Gut."]))).await;
    let call = CallRequest::messages(vec![
        json!({ "role": "user", "content": "q" }),
        message,
        json!({ "role": "user", "content": "r" }),
    ]);
    ask(&gateway(&config()), &models(&peer), call.with_model("ollama")).await.outcome.unwrap();
    assert_eq!(body_of(&peer.seen()[0])["messages"][1], json!({ "role": "assistant", "content": "Ja." }));
}
