//! Names, values and schemas that are too much.

use kitaru::prelude::*;
use kitaru::raw::{checkpoint, flows, log, wait};

use crate::{held, plain, question, refused};

const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}";
const REVERSED: &str = "\u{202e}gnp.exe\u{2066}\u{200f}\u{61c}";

fn child(flow: &str, component: Option<&str>, input: &str) -> flows::Request {
    flows::Request { flow: flow.into(), component: component.map(Into::into), input: input.into(), id: None }
}

/// Names of checkpoints that there are not: a path, a megabyte, an end of text, escape sequences.
#[flow]
fn names_of_checkpoints(_cx: &Flow) -> Result<String> {
    for name in ["../../etc/passwd", "a\0b", ESCAPES, REVERSED, "", &"x".repeat(1 << 20)] {
        refused(checkpoint::call(name, "{}", &plain()), "usage")?;
    }
    held(true, "")
}

/// Names of waits and sleeps that cannot be shown or stored.
#[flow]
fn names_of_waits(_cx: &Flow) -> Result<String> {
    for name in ["a\0b", ESCAPES, "", " ", "a\nb", &"x".repeat(1 << 20)] {
        refused(wait::wait(&wait::Request { name: Some(name.into()), ..question() }), "usage")?;
        refused(wait::sleep(Some(name), 1), "usage")?;
    }
    held(true, "")
}

/// Invocation IDs that cannot be shown or stored, and one that is used twice.
#[flow]
fn invocation_ids(_cx: &Flow) -> Result<String> {
    let with = |id: &str| checkpoint::call("takes_anything", "{}", &checkpoint::Options { id: Some(id.into()), ..plain() });
    for id in ["a\0b", ESCAPES, "", &"x".repeat(1 << 20)] {
        refused(with(id), "usage")?;
    }
    let _ = with("../../once");
    refused(with("../../once"), "usage")
}

/// Names and components of child flows: paths, megabytes, digests that are none or unknown.
#[flow]
fn names_of_children(_cx: &Flow) -> Result<String> {
    for name in ["../../etc/passwd", "help", REVERSED, ESCAPES, "a\0b", &"x".repeat(1 << 20)] {
        refused(flows::call(&child(name, None, "{}")), "usage")?;
    }
    for component in ["", "../../../home/kitaru.db", "zz", &"ab".repeat(1 << 19)] {
        refused(flows::call(&child("exits", Some(component), "{}")), "usage")?;
    }
    refused(flows::call(&child("exits", Some(&"00".repeat(32)), "{}")), "not-found")
}

/// A cache key of a megabyte.
#[flow]
fn cache_key_at_length(_cx: &Flow) -> Result<String> {
    let options = checkpoint::Options { cache_key: Some("k".repeat(1 << 20)), ..plain() };
    refused(checkpoint::call("takes_anything", "{}", &options), "usage")
}

/// Inputs that are not JSON, or too deep, or numbers that there are not.
#[flow]
fn inputs_that_are_no_json(_cx: &Flow) -> Result<String> {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for input in ["", "NaN", "{\"a\":1e400}", "{\"a\":Infinity}", "{\"a\":\"\\ud800\"}", "{} {}", "[1]", "null", &deep] {
        refused(checkpoint::call("takes_anything", input, &plain()), "usage")?;
        refused(flows::call(&child("exits", None, input)), "usage")?;
    }
    held(true, "")
}

/// An input with one key ten thousand times, and keys that mean something elsewhere.
#[flow]
fn inputs_with_odd_keys(_cx: &Flow) -> Result<String> {
    let same = format!("{{{}}}", vec!["\"a\":1"; 10_000].join(","));
    for input in [same.as_str(), "{\"__proto__\":{\"x\":1},\"constructor\":1,\"\":2}"] {
        let answer = checkpoint::call("takes_anything", input, &plain());
        held(answer.err().is_none_or(|failure| failure.kind != "internal"), "an odd key is a key")?;
    }
    held(true, "")
}

/// A number of a million digits.
#[flow]
fn input_of_many_digits(_cx: &Flow) -> Result<String> {
    let input = format!("{{\"a\":{}}}", "9".repeat(1_000_000));
    let answer = checkpoint::call("takes_anything", &input, &plain());
    held(answer.as_ref().err().is_none_or(|failure| failure.kind == "usage"), "a number or no number")
}

/// An input of two mebibytes, where one may have one.
#[flow]
fn input_at_length(_cx: &Flow) -> Result<String> {
    let input = format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20));
    refused(checkpoint::call("takes_anything", &input, &plain()), "limit")?;
    refused(flows::call(&child("exits", None, &input)), "limit")?;
    refused(wait::wait(&wait::Request { question: Some(input), ..question() }), "limit")
}

/// A result of two mebibytes, where one may have one.
#[flow]
fn result_at_length(_cx: &Flow) -> Result<String> {
    Ok("x".repeat(2 << 20))
}

/// A failure of a megabyte of everything.
#[flow]
fn failure_at_length(_cx: &Flow) -> Result<()> {
    let details = json!({ "list": vec![ESCAPES; 100_000] });
    Err(err!("{}", format!("{ESCAPES}{REVERSED}").repeat(50_000)).kind("k".repeat(1 << 20)).details(details))
}

/// Schemas of waits that no answer can be checked against.
#[flow]
fn schemas_without_use(_cx: &Flow) -> Result<String> {
    let long = format!("{{\"description\":\"{}\"}}", "x".repeat(2 << 20));
    let schemas = [
        "1",
        "{\"type\":\"nonsense\"}",
        "{\"$ref\":\"http://169.254.169.254/latest/meta-data\"}",
        "{\"$ref\":\"file:///etc/passwd\"}",
        "{\"$ref\":\"#/$defs/missing\"}",
        "{\"pattern\":\"((a{1000}){1000}){1000}\"}",
        &long,
    ];
    for schema in schemas {
        refused(wait::wait(&wait::Request { schema: Some(schema.into()), ..question() }), "usage")?;
    }
    held(true, "")
}

/// A schema that takes a trillion steps to check its own default answer.
#[flow]
fn schema_that_doubles(_cx: &Flow) -> Result<String> {
    let definition =
        |n: u32| json!({ "allOf": [{ "$ref": format!("#/$defs/d{}", n + 1) }, { "$ref": format!("#/$defs/d{}", n + 1) }] });
    let mut definitions: kitaru::serde_json::Map<String, Value> = (0..40).map(|n| (format!("d{n}"), definition(n))).collect();
    definitions.insert("d40".into(), json!({ "type": "integer" }));
    let schema = json!({ "$ref": "#/$defs/d0", "$defs": definitions }).to_string();
    let (default, deadline) = (Some("1".to_owned()), Some(1));
    let request = wait::Request { schema: Some(schema), default, deadline_milliseconds: deadline, ..question() };
    refused(wait::wait(&request), "usage")
}

/// A schema of fifty thousand choices for each of a hundred thousand items.
#[flow]
fn schema_of_many_choices(_cx: &Flow) -> Result<String> {
    let schema = json!({ "items": { "enum": (0..50_000).collect::<Vec<u32>>() } }).to_string();
    let default = json!(vec![-1; 100_000]).to_string();
    let request = wait::Request { schema: Some(schema), default: Some(default), deadline_milliseconds: Some(1), ..question() };
    refused(wait::wait(&request), "usage")
}

/// A schema that refers to itself, with a default answer.
#[flow]
fn schema_of_itself(_cx: &Flow) -> Result<String> {
    let (schema, default) = (Some("{\"$ref\":\"#\"}".to_owned()), Some("1".to_owned()));
    let request = wait::Request { schema, default, deadline_milliseconds: Some(1), ..question() };
    held(wait::wait(&request).is_ok_and(|answer| answer == "1"), "the answer is another")
}

/// A wait that ends at the end of time.
#[flow]
fn wait_until_the_end(_cx: &Flow) -> Result<String> {
    let request = wait::Request {
        deadline_milliseconds: Some(u64::MAX),
        timeout_seconds: Some(0),
        question: Some(ESCAPES.into()),
        ..question()
    };
    drop(wait::wait(&request));
    held(false, "somebody answered")
}

/// Metadata that is no JSON, too deep, or has odd keys.
#[flow]
fn metadata_that_is_none(_cx: &Flow) -> Result<String> {
    let record = |key: &str, value: &str| log::record(&[(key.to_owned(), value.to_owned())]);
    for value in ["", "NaN", "1e400", &"[".repeat(100_000)] {
        refused(record("key", value), "usage")?;
    }
    for key in ["", "__proto__", ESCAPES, REVERSED, "a\0b", "../../x"] {
        held(record(key, "{\"a\":1}").is_ok(), "a key is a text")?;
    }
    held(true, "")
}

/// Texts that take over a terminal, in every place where a person will see one.
#[flow]
fn shows_itself(cx: &Flow) -> Result<()> {
    let text = format!("{ESCAPES}{REVERSED}\r\u{9b}1m");
    cx.info(&text);
    println!("{text}");
    cx.progress(&text, None);
    drop(log::record(&[(text.clone(), json!({ "text": text }).to_string())]));
    let options = checkpoint::Options { id: Some(REVERSED.into()), ..plain() };
    drop(checkpoint::call("shows_itself_too", &json!({ "text": text }).to_string(), &options));
    Err(err!("{text}").kind(text.as_str()).details(json!({ "text": text })))
}

#[checkpoint]
fn shows_itself_too(cx: &Checkpoint, text: String) -> Result<String> {
    cx.info(&text);
    eprintln!("{text}");
    cx.save_tagged(REVERSED, &text, Kind::Output, &[REVERSED])?;
    Ok(text)
}

#[checkpoint]
fn takes_anything(_cx: &Checkpoint) -> Result<()> {
    Ok(())
}
