//! A flow that does what a script says: the crash matrix makes scripts at random.

use std::time::Duration;

use kitaru::prelude::*;

use crate::counting::trace;

/// One thing that a scripted flow does. Steps are numbered by the script's maker, each number once.
#[data]
#[derive(Debug, Clone)]
enum Act {
    /// A step.
    Step(u64),
    /// Steps beside each other.
    Beside(Vec<u64>),
    /// Two steps beside each other, and the first of them to end.
    Race(u64, u64),
    /// A step that always fails, which the flow catches.
    Caught(u64),
    /// A step that fails once, and is retried.
    Flaky(u64),
    /// A step that may happen once; the flow takes an unknown outcome for 0.
    Once(u64),
    /// A question that answers itself at once.
    Wait,
    /// A sleep of a millisecond.
    Sleep,
    /// A child flow that does this.
    Child(Vec<Act>),
}

#[checkpoint]
fn step(cx: &Checkpoint, path: String, step: u64) -> Result<u64> {
    trace(cx, &path, step)?;
    Ok(step)
}

#[checkpoint]
fn fails(cx: &Checkpoint, path: String, step: u64) -> Result<u64> {
    trace(cx, &path, step)?;
    Err(err!("step {step} fails").retryable(false))
}

#[checkpoint(retries = 1, retry_delay = "1ms")]
fn flaky(cx: &Checkpoint, path: String, file: String, step: u64) -> Result<u64> {
    trace(cx, &path, step)?;
    if path.is_empty() {
        // It has nowhere to remember it.
        return if cx.attempt() > 1 { Ok(step) } else { Err(err!("step {step} fails the first time")) };
    }
    // Fails until it has failed once, whatever attempts a dying host cost.
    let failed = format!("{file}-{step}");
    if !std::fs::exists(&failed)? {
        std::fs::write(&failed, "")?;
        bail!("step {step} fails the first time");
    }
    Ok(step)
}

#[checkpoint(effect = "once")]
fn once_only(cx: &Checkpoint, path: String, step: u64) -> Result<u64> {
    trace(cx, &path, step)?;
    Ok(step)
}

/// Does what the script says; a list of what each act came to.
#[flow]
fn scripted(cx: &Flow, path: String, file: String, acts: Vec<Act>) -> Result<Vec<Value>> {
    acts.into_iter().map(|act| perform(cx, &path, &file, act)).collect()
}

fn perform(cx: &Flow, path: &str, file: &str, act: Act) -> Result<Value> {
    let path = || path.to_owned();
    Ok(match act {
        Act::Step(number) => json!(step(cx, path(), number)?),
        Act::Beside(numbers) => json!(step::map(cx, numbers.into_iter().map(|number| (path(), number)))?.load()?),
        Act::Race(first, second) => {
            let (one, two) = (step::submit(cx, path(), first)?, step::submit(cx, path(), second)?);
            let winner = kitaru::select(&[&one, &two])?;
            // Which of them won is for chance to say, and for the journal to keep: both must be there in the end.
            json!([winner < 2, one.load()?, two.load()?])
        }
        Act::Caught(number) => json!(fails(cx, path(), number).err().map(|error| error.to_string())),
        Act::Flaky(number) => json!(flaky(cx, path(), file.to_owned(), number)?),
        Act::Once(number) => match once_only(cx, path(), number) {
            Err(Error::UnknownOutcome(_)) => json!(0),
            outcome => json!(outcome?),
        },
        Act::Wait => json!(cx.wait("ask").or_after(Duration::from_millis(1), true)?.ask()?),
        Act::Sleep => {
            cx.sleep(Duration::from_millis(1))?;
            Value::Null
        }
        Act::Child(acts) => json!(scripted::call(cx, path(), file.to_owned(), acts)?),
    })
}
