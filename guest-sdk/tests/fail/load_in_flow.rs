use kitaru::prelude::*;

#[flow]
fn follow_up(cx: &Flow, earlier: String) -> Result<String> {
    let notes: String = cx.load(&earlier, "notes")?;
    Ok(notes)
}

fn main() {}
