//! Calls made outside every flow: while the component describes itself, which is when the schemas of its types are asked for. What the host
//! answers is the description of the argument `asked`, as JSON text.

use std::borrow::Cow;

use kitaru::prelude::*;
use kitaru::raw::{artifacts, checkpoint, llm, log, types::Failure, wait};
use kitaru::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use kitaru::serde::{Deserialize, Serialize};

#[flow]
fn ask(_cx: &Flow, asked: Asked) -> Result<Asked> {
    Ok(asked)
}

#[checkpoint]
fn unreachable(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}

#[derive(Serialize, Deserialize)]
#[serde(crate = "kitaru::serde")]
struct Asked {}

impl JsonSchema for Asked {
    fn schema_name() -> Cow<'static, str> {
        "Asked".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "description": answers().to_string() })
    }
}

fn answers() -> Value {
    let request = wait::Request {
        name: None,
        question: None,
        schema: None,
        timeout_seconds: None,
        metadata: None,
        deadline_milliseconds: None,
        default: None,
    };
    json!({
        "checkpoint": answer(checkpoint::call("unreachable", "{}", &checkpoint::Options { id: None, cache_key: None })),
        "wait": answer(wait::wait(&request)),
        "log": answer(log::record(&[("key".into(), "1".into())])),
        "save": answer(artifacts::save("name", &artifacts::Value::Json("1".into()), "output", &[])),
        "llm": answer(llm::complete(r#"{"prompt":"x"}"#)),
        "load": answer(artifacts::load("00000000-0000-7000-8000-000000000000", "name")),
    })
}

fn answer<T>(result: std::result::Result<T, Failure>) -> Value {
    match result {
        Ok(_) => json!("it worked"),
        Err(failure) => json!({ "kind": failure.kind, "message": failure.message }),
    }
}
