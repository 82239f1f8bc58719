//! Middleware of model calls that does what its configuration says. With `misbehave = { surface = "check", how = "spin" }` it does that there
//! first; see `misbehaving`.

mod misbehaving;

use kitaru_middleware::serde_json::{Map, Value, json};
use kitaru_middleware::{Call, Draft, Error, Manifest, Middleware, Next, Request, Result, Surface, Verdict, codec, log};
use misbehaving::misbehave;

struct Configured;

impl Middleware for Configured {
    fn manifest() -> Manifest {
        let all = [
            Surface::Check,
            Surface::Rewrite,
            Surface::SanitizeRequest,
            Surface::SanitizeResponse,
            Surface::Execute,
            Surface::OnEvent,
        ];
        Manifest::new("configured", "1.2.3").doc("Does as it is told").surfaces(all).priority(50).refuse_streams()
    }

    /// `reject_words`: rejects requests that hold one of them. `show_call`: rejects with what it was told of the call.
    fn check(call: &Call, request: &Request) -> Result<Verdict> {
        if let Some(reason) = misbehave("check", &call.config)? {
            return Ok(Verdict::reject(reason));
        }
        if call.setting("show_call")?.unwrap_or(false) {
            let Call { name, model, alias, flow, metadata, .. } = call;
            let headers = &request.headers;
            let told =
                json!({ "name": name, "model": model, "alias": alias, "flow": flow, "metadata": metadata, "headers": headers });
            return Ok(Verdict::reject(told.to_string()));
        }
        let words: Vec<String> = call.setting("reject_words")?.unwrap_or_default();
        let text = request.content.to_string();
        Ok(words
            .iter()
            .find(|word| text.contains(*word))
            .map_or(Verdict::Allow, |word| Verdict::reject(format!("it says {word}"))))
    }

    /// `header`: adds this header. `most_tokens`: lowers the parameter. `edit_body`: changes the body, even of an annotated request.
    fn rewrite(call: &Call, mut draft: Draft) -> Result<Draft> {
        misbehave("rewrite", &call.config)?;
        if let Some(header) = call.setting::<String>("header")? {
            draft.request.headers.insert(header, json!("added"));
        }
        if let Some(most) = call.setting::<u64>("most_tokens")? {
            let max_tokens = match &mut draft.annotated {
                Some(annotated) => &mut annotated["params"]["max_tokens"],
                None => &mut draft.request.content["max_tokens"],
            };
            *max_tokens = json!(max_tokens.as_u64().map_or(most, |given| given.min(most)));
        }
        if call.setting("edit_body")?.unwrap_or(false) {
            draft.request.content["edited"] = json!(true);
        }
        Ok(draft)
    }

    /// `mask`: puts stars in the place of this word. `omit`: records nothing.
    fn sanitize_request(call: &Call, request: Request) -> Result<Option<Request>> {
        misbehave("sanitize_request", &call.config)?;
        let content = masked(call, request.content)?;
        Ok(content.map(|content| Request { headers: request.headers, content }))
    }

    fn sanitize_response(call: &Call, response: Value) -> Result<Option<Value>> {
        misbehave("sanitize_response", &call.config)?;
        masked(call, response)
    }

    /// `execute`: `answer` without `next`; `twice` asks twice, and answers with both; `retry` asks again once it failed; `endless` asks for
    /// ever; `decode` answers with what the codec makes of request and response; `own` fails by itself.
    fn execute(call: &Call, mut request: Request, next: &Next<'_>) -> Result<Value> {
        misbehave("execute", &call.config)?;
        match call.setting::<String>("execute")?.as_deref() {
            Some("answer") => Ok(json!({ "answer": "made up" })),
            Some("twice") => {
                let first = next.call(&request)?;
                request.content["again"] = json!(true);
                Ok(json!([first, next.call(&request)?]))
            }
            Some("retry") => match next.call(&request) {
                Ok(response) => Ok(response),
                Err(error) => {
                    log::warn(format!("asking again after {}", error.kind_word()));
                    next.call(&request)
                }
            },
            Some("endless") => loop {
                next.call(&request)?;
            },
            Some("decode") => {
                let asked = codec::decode_request(&request)?;
                let again = codec::encode_request(&asked, &request)?;
                let answered = codec::decode_response(&next.call(&again)?)?;
                Ok(json!({ "asked": asked, "answered": answered }))
            }
            Some("own") => Err(Error::new("the quota is used up").kind("quota")),
            _ => next.call(&request),
        }
    }

    fn on_event(event: &Value, config: &Map<String, Value>) {
        match misbehave("on_event", config) {
            Ok(_) => log::info(format!("{} {}", event["kind"], event["name"])),
            Err(error) => log::error(error),
        }
    }
}

kitaru_middleware::export!(Configured);

fn masked(call: &Call, payload: Value) -> Result<Option<Value>> {
    if call.setting("omit")?.unwrap_or(false) {
        return Ok(None);
    }
    let Some(word) = call.setting::<String>("mask")? else { return Ok(Some(payload)) };
    Ok(Some(payload.to_string().replace(&word, &"*".repeat(word.len())).parse()?))
}
