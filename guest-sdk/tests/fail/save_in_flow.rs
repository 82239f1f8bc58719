use kitaru::prelude::*;

#[flow]
fn research(cx: &Flow, topic: String) -> Result<String> {
    cx.save("notes", &json!({ "topic": topic }), Kind::Context)?;
    Ok(topic)
}

fn main() {}
