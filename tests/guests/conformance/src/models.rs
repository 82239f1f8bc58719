//! Calls of models, in flows and in checkpoints. Requests come from the test as they are to be sent to the host.

use kitaru::prelude::*;
use kitaru::raw::{llm, types};

/// What a call came to, as a value that a test can look at.
fn told(outcome: Result<String, types::Failure>) -> Value {
    match outcome {
        Ok(answer) => json!({ "ok": kitaru::serde_json::from_str::<Value>(&answer).unwrap_or_default() }),
        Err(failure) => {
            let types::Failure { kind, message, origin, retryable, details, .. } = failure;
            let details = details.and_then(|text| kitaru::serde_json::from_str::<Value>(&text).ok());
            json!({ "kind": kind, "message": message, "origin": format!("{origin:?}"), "retryable": retryable, "details": details })
        }
    }
}

/// Makes each of these calls in the flow, one after the other.
#[flow]
fn model_calls(_cx: &Flow, requests: Vec<Value>) -> Result<Vec<Value>> {
    Ok(requests.iter().map(|request| told(llm::complete(&request.to_string()))).collect())
}

/// The same, and the first failure is the flow's.
#[flow]
fn model_answer(cx: &Flow, prompt: String) -> Result<String> {
    cx.llm(prompt).name("answer").text()
}

/// A checkpoint before the call, and one after it.
#[flow]
fn model_between(cx: &Flow, prompt: String) -> Result<String> {
    let before = model_step(cx, "before".into())?;
    let answer = cx.llm(prompt).name("between").text()?;
    model_step(cx, format!("{before} {answer}"))
}

#[checkpoint]
fn model_step(_cx: &Checkpoint, text: String) -> Result<String> {
    Ok(text)
}

/// All calls at once.
#[flow]
fn model_beside(cx: &Flow, prompts: Vec<String>) -> Result<Vec<String>> {
    let pending = prompts.into_iter().map(|prompt| cx.llm(prompt).submit()).collect::<Result<Vec<_>>>()?;
    pending.iter().map(|pending| Ok(pending.load()?.text)).collect()
}

/// The pieces of an answer in flow scope, with a durable call between each two of them.
#[flow]
fn model_flow_stream(cx: &Flow, prompt: String) -> Result<Vec<String>> {
    let mut stream = cx.llm(prompt).name("story").stream()?;
    let mut pieces = Vec::new();
    for piece in &mut stream {
        pieces.push(model_step(cx, piece?)?);
    }
    pieces.push(stream.finish()?.text);
    Ok(pieces)
}

/// Makes each of these calls in one checkpoint.
#[flow]
fn model_body(cx: &Flow, requests: Vec<Value>) -> Result<Vec<Value>> {
    model_calls_of_body(cx, requests)
}

#[checkpoint]
fn model_calls_of_body(_cx: &Checkpoint, requests: Vec<Value>) -> Result<Vec<Value>> {
    Ok(requests.iter().map(|request| told(llm::complete(&request.to_string()))).collect())
}

/// Makes a call in a checkpoint, which logs this of its model calls before it and after it.
#[flow]
fn model_body_logs(cx: &Flow, request: Value, calls: Value) -> Result<Value> {
    model_logs_of_body(cx, request, calls)
}

#[checkpoint]
fn model_logs_of_body(cx: &Checkpoint, request: Value, calls: Value) -> Result<Value> {
    cx.log("llm_calls", calls.clone())?;
    let answer = told(llm::complete(&request.to_string()));
    cx.log("llm_calls", calls)?;
    Ok(answer)
}

/// A checkpoint that fails where its call fails, and is tried again twice.
#[flow]
fn model_body_answer(cx: &Flow, prompt: String) -> Result<String> {
    model_answer_of_body(cx, prompt)
}

#[checkpoint(retries = 2, retry_delay = "10ms")]
fn model_answer_of_body(cx: &Checkpoint, prompt: String) -> Result<String> {
    cx.llm(prompt).name("answer").text()
}

/// The same of a checkpoint that may happen once.
#[flow]
fn model_once_answer(cx: &Flow, prompt: String) -> Result<String> {
    model_once_of_body(cx, prompt)
}

#[checkpoint(effect = "once")]
fn model_once_of_body(cx: &Checkpoint, prompt: String) -> Result<String> {
    cx.llm(prompt).name("answer").text()
}

/// A stream in a checkpoint: all of it, or so many pieces; then it is aborted or let go of.
#[flow]
fn model_stream(cx: &Flow, request: Value, most: Option<usize>, abort: bool) -> Result<Value> {
    model_stream_of_body(cx, request, most, abort)
}

#[checkpoint]
fn model_stream_of_body(cx: &Checkpoint, request: Value, most: Option<usize>, abort: bool) -> Result<Value> {
    let stream = match llm::open_stream(&request.to_string()) {
        Ok(stream) => stream,
        Err(failure) => return Ok(told(Err(failure))),
    };
    let mut pieces = Vec::new();
    while most.is_none_or(|most| pieces.len() < most) {
        match stream.next() {
            Ok(Some(piece)) => {
                // Shown to whoever watches, and kept where a test can see it.
                cx.progress(&piece, None);
                cx.info(&piece);
                pieces.push(piece);
            }
            Ok(None) => break,
            Err(failure) => return Ok(json!({ "pieces": pieces, "failed": told(Err(failure)), "end": told(stream.finish()) })),
        }
    }
    let end = match (most, abort) {
        (None, _) => told(stream.finish()),
        (Some(_), true) => {
            stream.abort("enough");
            told(stream.finish())
        }
        (Some(_), false) => Value::Null,
    };
    Ok(json!({ "pieces": pieces, "end": end }))
}

/// The first piece of a stream, and then the whole of it.
#[flow]
fn model_finished_early(cx: &Flow, prompt: String) -> Result<Vec<String>> {
    model_finishes_early(cx, prompt)
}

#[checkpoint]
fn model_finishes_early(cx: &Checkpoint, prompt: String) -> Result<Vec<String>> {
    let mut stream = cx.llm(prompt).name("asked").stream()?;
    let first = stream.next().transpose()?.unwrap_or_default();
    Ok(vec![first, stream.finish()?.text])
}

/// What a checkpoint can ask without making a call.
#[flow]
fn model_asked_first(cx: &Flow, request: Value) -> Result<Value> {
    model_checked(cx, request)
}

#[checkpoint]
fn model_checked(_cx: &Checkpoint, request: Value) -> Result<Value> {
    let request = request.to_string();
    let check = told(llm::check(&request).map(|()| "true".into()));
    Ok(json!({ "check": check, "preview": told(llm::preview(&request)) }))
}

/// A call that the checkpoint makes by itself: it is answered so, or fails, or is let go of.
#[flow]
fn model_span(cx: &Flow, request: Value, response: Option<Value>, fail: Option<String>) -> Result<Value> {
    model_span_of_body(cx, request, response, fail)
}

#[checkpoint]
fn model_span_of_body(_cx: &Checkpoint, request: Value, response: Option<Value>, fail: Option<String>) -> Result<Value> {
    let span = match llm::begin_span(&request.to_string()) {
        Ok(span) => span,
        Err(failure) => return Ok(told(Err(failure))),
    };
    Ok(match (response, fail) {
        (Some(response), _) => told(span.end(&response.to_string()).map(|()| "null".into())),
        (None, Some(class)) => told(span.fail(&class).map(|()| "null".into())),
        (None, None) => Value::Null,
    })
}

/// A typed answer.
#[data]
struct River {
    name: String,
    kilometres: u32,
}

#[flow]
fn model_typed(cx: &Flow, repairs: u32) -> Result<River> {
    cx.llm("Which river is the longest?").repairs(repairs).json()
}

/// Calls out of place.
#[flow]
fn model_out_of_place(cx: &Flow) -> Result<Vec<Value>> {
    let request = r#"{"prompt":"x"}"#;
    let mut told_of = vec![
        told(llm::check(request).map(|()| "true".into())),
        told(llm::preview(request)),
        told(llm::begin_span(request).map(|_| "null".into())),
    ];
    told_of.push(model_submit_of_body(cx)?);
    Ok(told_of)
}

#[checkpoint]
fn model_submit_of_body(_cx: &Checkpoint) -> Result<Value> {
    Ok(told(llm::submit(r#"{"prompt":"x"}"#).map(|_| "null".into())))
}

/// Calls without names: two in the flow, and two in each of two checkpoints between them.
#[flow]
fn model_unnamed(cx: &Flow) -> Result<Vec<String>> {
    let first = cx.llm("the flow's first").text()?;
    let pairs = [model_pair(cx)?, model_pair(cx)?];
    let last = cx.llm("the flow's last").text()?;
    Ok(vec![first, pairs.concat(), last])
}

#[checkpoint]
fn model_pair(cx: &Checkpoint) -> Result<String> {
    let first = cx.llm("the first of a pair").text()?;
    Ok(first + &cx.llm("the other of a pair").text()?)
}

/// Two checkpoints with a named call in each.
#[flow]
fn model_outline_and_draft(cx: &Flow, topic: String) -> Result<String> {
    let outline = model_named(cx, "outline_call".into(), format!("Outline {topic}."))?;
    model_named(cx, "draft_call".into(), format!("Write it: {outline}"))
}

#[checkpoint]
fn model_named(cx: &Checkpoint, name: String, prompt: String) -> Result<String> {
    cx.llm(prompt).name(name).text()
}

/// A question to a person after the call.
#[flow]
fn model_before_wait(cx: &Flow, prompt: String) -> Result<String> {
    let answer = cx.llm(prompt).name("answer").text()?;
    cx.wait("go").question("Go on?").ask()?;
    Ok(answer)
}

/// Offers a tool, answers what the model asks for with the tool's arguments, and asks again until it says something.
#[flow]
fn model_with_tool(cx: &Flow, question: String) -> Result<String> {
    let tool = Tool::new::<Lookup>("look_up", "Looks a word up");
    let mut conversation = vec![Message::user(question)];
    for _ in 0..4 {
        let answer = cx.llm(&conversation).tools([tool.clone()]).ask()?;
        if answer.tool_calls.is_empty() {
            return Ok(answer.text);
        }
        conversation.push(answer.message());
        for call in &answer.tool_calls {
            let found = match call.parse::<Lookup>() {
                Ok(asked) => model_step(cx, format!("{} is a river", asked.word))?,
                Err(error) => format!("error: {error}"),
            };
            conversation.push(Message::tool(&call.id, found));
        }
    }
    bail!("the model never came to an end")
}

#[data]
struct Lookup {
    word: String,
}

/// Searches its own memory for a text, whose letters it gets one by one so that it has it nowhere itself.
#[flow]
fn model_remembers(cx: &Flow, letters: Vec<u32>, stream: bool) -> Result<Vec<bool>> {
    let in_body = model_remembers_of_body(cx, letters.clone(), stream)?;
    if stream {
        let mut stream = cx.llm("Hello").stream()?;
        let pieces = stream.by_ref().collect::<Result<Vec<_>>>()?;
        let whole = stream.finish()?;
        return Ok(vec![in_body, finds(&letters) || pieces.is_empty() || whole.text.is_empty()]);
    }
    cx.llm("Hello").text()?;
    Ok(vec![in_body, finds(&letters)])
}

#[checkpoint]
fn model_remembers_of_body(cx: &Checkpoint, letters: Vec<u32>, stream: bool) -> Result<bool> {
    if stream {
        let mut stream = cx.llm("Hello").stream()?;
        let pieces = stream.by_ref().collect::<Result<Vec<_>>>()?;
        let whole = stream.finish()?;
        return Ok(finds(&letters) || pieces.is_empty() || whole.text.is_empty());
    }
    cx.llm("Hello").text()?;
    Ok(finds(&letters))
}

/// Whether the linear memory has these bytes in a row.
#[expect(unsafe_code, reason = "it looks at all of its own memory, which is what it is for")]
fn finds(letters: &[u32]) -> bool {
    let wanted: Vec<u8> = letters.iter().map(|letter| u8::try_from(*letter).unwrap_or_default()).collect();
    #[cfg(target_arch = "wasm32")]
    let pages = core::arch::wasm32::memory_size(0);
    #[cfg(not(target_arch = "wasm32"))]
    let pages = 0_usize;
    let own = wanted.as_ptr() as usize;
    let Some(first) = wanted.first().copied() else { return false };
    let mut at = 16_usize;
    let end = (pages * 65_536).saturating_sub(wanted.len());
    while at < end {
        // SAFETY: every address below the size of the memory can be read.
        let here = |offset: usize| unsafe { core::ptr::read_volatile((at + offset) as *const u8) };
        if at != own && here(0) == first && wanted.iter().enumerate().all(|(offset, byte)| here(offset) == *byte) {
            return true;
        }
        at += 1;
    }
    false
}

/// Makes these calls in an execution that stands so far below this one: what became of each.
#[flow]
fn model_below(cx: &Flow, depth: u64, requests: Vec<Value>) -> Result<Vec<Value>> {
    match depth {
        0 | 1 => model_calls::call(cx, requests),
        _ => model_below::call(cx, depth - 1, requests),
    }
}

/// Has these calls made so far below this one, by each of them at once: what became of each.
#[flow]
fn model_children(cx: &Flow, depths: Vec<u64>, requests: Vec<Value>) -> Result<Vec<Vec<Value>>> {
    let below = |depth| model_below::submit(cx, depth, requests.clone());
    let children = depths.into_iter().map(below).collect::<Result<Vec<_>>>()?;
    children.iter().map(|child| child.load()).collect()
}

/// Starts children that go their own way, each of which makes these calls: their execution IDs.
#[flow]
fn model_lets_go(cx: &Flow, count: u64, requests: Vec<Value>) -> Result<Vec<String>> {
    (0..count).map(|_| model_calls::start(cx, requests.clone())).collect()
}

/// Calls the model, and then a child that does: the failure of either is its own.
#[flow]
fn model_then_child(cx: &Flow, prompt: String) -> Result<String> {
    let own = cx.llm(prompt.clone()).name("own").text()?;
    Ok(own + &model_answer::call(cx, prompt)?)
}
