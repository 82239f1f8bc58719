use kitaru::prelude::*;

struct Answer;

#[flow]
fn asks(cx: &Flow) -> Result<()> {
    let _answer = cx.wait("details").schema::<Answer>().ask()?;
    Ok(())
}

fn main() {}
