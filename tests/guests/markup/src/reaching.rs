//! The same with what lies outside: models, files, secrets, addresses, children.

use kitaru::prelude::*;

use crate::name_of;

/// Asks models, reaches for what is called so, and starts a child that says it.
#[flow]
fn reaches_with_markup(cx: &Flow, text: String) -> Result<Value> {
    let answers = asks_models(cx, text.clone())?;
    reaches(cx, text.clone())?;
    let child = child_with_markup::call(cx, text)?;
    Ok(json!([answers, child]))
}

/// A child that logs it, also as a name.
#[flow]
fn child_with_markup(cx: &Flow, text: String) -> Result<Value> {
    cx.info(&text);
    cx.log(&name_of(&text), json!({ &text: &text }))?;
    Ok(json!({ &text: text }))
}

/// Listens to a model as it speaks.
#[flow]
fn hears_markup(cx: &Flow, text: String) -> Result<String> {
    let mut stream = cx.llm(&text).name(name_of(&text)).stream()?;
    for piece in &mut stream {
        piece?;
    }
    Ok(stream.finish()?.text)
}

/// Three calls: what came of each is on record, and here only whether it is an answer.
#[checkpoint]
fn asks_models(cx: &Checkpoint, text: String) -> Result<Vec<bool>> {
    let ask = || cx.llm(&text).system(&text).name(name_of(&text));
    Ok(vec![ask().ask().is_ok(), ask().ask().is_ok(), ask().ask().is_ok()])
}

/// A file, a secret and a model that have it as their name. None of them is there, or may be touched: that is noted.
#[checkpoint]
fn reaches(cx: &Checkpoint, text: String) -> Result<()> {
    let file = format!("files/{}", name_of(&text).replace('/', "\u{2215}"));
    let _ = cx.read_to_string(&file);
    let _ = cx.write(&file, &text);
    let _ = kitaru::secret(&text);
    let _ = cx.llm("who are you?").model(format!("vllm/{}", name_of(&text))).text();
    Ok(())
}
