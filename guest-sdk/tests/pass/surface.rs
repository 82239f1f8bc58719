//! The rest of what authors write: options, own invocation IDs, other error types, names that could clash, code in modules.
#![deny(warnings)]

use kitaru::prelude::*;
use std::time::Duration;

kitaru::needs! {}

mod work {
    use kitaru::prelude::*;

    #[data]
    #[derive(Debug, Clone, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    pub enum Size {
        Small,
        Large { by: u32 },
    }

    /// An argument may be named like the scope, like a keyword, or like what the expansion uses.
    #[checkpoint(name = "measure-it", retries = 0, type = "tool_call")]
    pub fn measure(scope: &Checkpoint, cx: String, r#type: Option<Size>, mut name: String, id: u8, incoming: u8) -> Result<Vec<Size>> {
        scope.info("measuring");
        name.push_str(&cx);
        Ok(vec![r#type.unwrap_or(Size::Large { by: u32::from(id + incoming) + name.len() as u32 })])
    }

    #[checkpoint(net = [], llm = ["fast"])]
    pub fn nothing(_: &kitaru::Checkpoint) -> Result<()> {
        Ok(())
    }

    #[checkpoint]
    pub fn io(_cx: &Checkpoint) -> std::io::Result<String> {
        std::fs::read_to_string("a")
    }
}

type ParseResult<T> = std::result::Result<T, std::num::ParseIntError>;

#[checkpoint]
fn parse(_cx: &Checkpoint, text: String) -> ParseResult<i64> {
    text.parse()
}

#[checkpoint]
fn failing(cx: &Checkpoint) -> Result<()> {
    let number: u32 = cx.env("NUMBER")?.parse()?;
    if number == 0 {
        bail!("{number} is too small");
    }
    Err(err!("no stock").kind("out_of_stock").retryable(false).details(json!({ "number": number })))
}

fn all(cx: &impl FlowScope, texts: &[&str]) -> Result<Vec<i64>> {
    texts.iter().map(|text| parse(cx, text.to_string())).collect()
}

/// Everything.
#[flow(name = "everything")]
pub fn everything_flow(cx: &Flow, size: Option<work::Size>, count: u64) -> Result<Value> {
    work::nothing(cx)?;
    work::io(cx)?;
    let sizes = work::measure::id("custom").call(cx, "m".into(), size, "n".into(), 1, 2)?;
    let numbers = all(cx, &["1", "2"])?;
    match failing(cx) {
        Ok(()) => {}
        Err(Error::Failed(failure)) if failure.kind == "out_of_stock" => cx.warn(failure),
        Err(error) => return Err(error),
    }
    let seconds = cx.now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let comment = cx.wait_unnamed().json_schema(json!({ "type": "string" })).timeout(Duration::from_millis(1500)).ask()?;
    let chosen = cx.wait("size").metadata(json!({})).schema::<work::Size>().ask()?;
    let anything = cx.wait("any").any().ask()?;
    cx.log("cost", json!({ "usd": 0.1 }))?;
    cx.log_all(json!({ "execution": cx.execution_id(), "flow": cx.flow_name(), "replay": cx.is_replay() }))?;
    Ok(json!([sizes, numbers, seconds, comment, chosen, anything, count, cx.random()]))
}

fn main() {}
