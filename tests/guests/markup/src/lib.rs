//! Flows that put a text that they are given wherever a flow can put one. What shows it must show it as text.

use kitaru::prelude::*;

mod reaching;

/// A picture that every browser can show: eight by eight.
const BOARD: &[u8] = include_bytes!("../assets/board.png");

/// One line of it, as long as names may be.
fn name_of(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(150).collect()
}

/// <img src=x onerror="window.__xss='doc'">: says `text` everywhere, asks, and returns it.
#[flow]
fn markup(cx: &Flow, text: String) -> Result<Value> {
    cx.info(&text);
    cx.log("said", json!({ &text: &text }))?;
    println!("{text}");
    let spread = spread(cx, text.clone())?;
    let answer = cx
        .wait("asks")
        .question(&text)
        .metadata(json!({ &text: &text, "page": format!("# {text}\n\n[{text}](javascript:window.__xss='link') {text}") }))
        .json_schema(json!({
            "type": "object", "title": &text, "description": &text, "required": ["choice"],
            "properties": {
                "choice": { "enum": [&text, "other"], "title": &text, "description": &text },
                (text.clone()): { "type": "string", "title": &text, "description": &text, "default": &text },
            },
        }))
        .ask()?;
    Ok(json!({ &text: [spread, answer] }))
}

/// <script>window.__xss='checkpoint'</script>: saves it under its own name, in every form that has a viewer.
#[checkpoint]
fn spread(cx: &Checkpoint, text: String) -> Result<Value> {
    cx.warn(&text);
    eprintln!("{text}");
    cx.progress(&text, None);
    cx.log("said", json!({ &text: [&text] }))?;
    let name = name_of(&text);
    cx.save_tagged(&format!("json {name}"), &json!([{ &text: &text }, { &text: &text }]), Kind::Output, &[&name])?;
    cx.save_blob(&format!("page {name}"), "text/html", text.as_bytes())?;
    let drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"window.__xss='svg'\"><script>window.__xss='svg'</script>{text}</svg>"
    );
    cx.save_blob("drawing", "image/svg+xml", drawing)?;
    cx.save_blob("picture", "image/png", BOARD)?;
    cx.save_blob(
        "markdown",
        "text/markdown",
        format!("# {text}\n\n{text}\n\n![{text}](http://outside.invalid/a.png)\n\n<{text}>\n"),
    )?;
    cx.save_blob("table", "text/csv", format!("\"{0}\",b\n\"{0}\",2\n", text.replace('"', "\"\"")))?;
    Ok(json!({ "data": format!("data:text/html,{text}"), "text": text }))
}

/// Fails with it as message, kind and details.
#[flow]
fn fails_with_markup(cx: &Flow, text: String) -> Result<()> {
    breaks(cx, text)
}

/// Fails.
#[checkpoint]
fn breaks(_cx: &Checkpoint, text: String) -> Result<()> {
    Err(err!("{text}").kind(text.clone()).details(json!({ &text: text })))
}
