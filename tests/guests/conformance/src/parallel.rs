//! Calls that run beside each other, and futures.

use std::time::Duration;

use kitaru::prelude::*;

use crate::counting::{blocked_tick, slow_tick, tick};

#[checkpoint]
fn pair(_cx: &Checkpoint, left: u64, right: String) -> Result<String> {
    Ok(format!("{left}{right}"))
}

#[checkpoint]
fn picky(cx: &Checkpoint, path: String, item: u64, bad: Vec<u64>, blocker: String) -> Result<u64> {
    crate::counting::trace(cx, &path, item)?;
    if bad.contains(&item) && std::fs::exists(&blocker)? {
        return Err(err!("item {item} is bad").kind("bad").retryable(false));
    }
    Ok(item)
}

/// Ticks `steps` times beside each other, each for `milliseconds`; the list of results, in the order of the steps.
#[flow]
fn fan_out(cx: &Flow, path: String, steps: u64, milliseconds: u64) -> Result<Vec<u64>> {
    slow_tick::map(cx, (1..=steps).map(|step| (path.clone(), step, milliseconds)))?.load()
}

/// Every pair of two numbers and two letters.
#[flow]
fn pairs(cx: &Flow) -> Result<Vec<String>> {
    pair::product(cx, [1, 2], ["a".to_owned(), "b".to_owned()])?.load()
}

/// The winner of a quick and a slow step, and then both results.
#[flow]
fn race(cx: &Flow, path: String, quick: u64, slow: u64) -> Result<Value> {
    let first = slow_tick::submit(cx, path.clone(), 1, slow)?;
    let second = slow_tick::submit(cx, path.clone(), 2, quick)?;
    let winner = kitaru::select(&[&first, &second])?;
    tick(cx, path, 10 + winner as u64)?;
    Ok(json!({ "winner": winner, "first": first.load()?, "second": second.load()? }))
}

/// Steps beside each other, of which those in `bad` fail while the file `blocker` exists: all outcomes, or with `strict` the first failure.
#[flow]
fn some_fail(cx: &Flow, path: String, steps: u64, bad: Vec<u64>, blocker: String, strict: bool) -> Result<Vec<Value>> {
    let all = picky::map(cx, (1..=steps).map(|item| (path.clone(), item, bad.clone(), blocker.clone())))?;
    if strict {
        return Ok(all.load()?.into_iter().map(Value::from).collect());
    }
    Ok(all.outcomes().into_iter().map(|outcome| outcome.map_or_else(|error| json!(error.to_string()), Value::from)).collect())
}

/// Submits a step and returns without asking for it.
#[flow]
fn left_behind(cx: &Flow, path: String, milliseconds: u64) -> Result<String> {
    let _left = slow_tick::submit(cx, path, 1, milliseconds)?;
    Ok("done".into())
}

/// Submits a step of `milliseconds`, and fails without asking for it.
#[flow]
fn fails_beside(cx: &Flow, path: String, milliseconds: u64) -> Result<()> {
    let _left = slow_tick::submit(cx, path.clone(), 1, milliseconds)?;
    tick(cx, path, 2)?;
    bail!("the flow gives up")
}

/// Step 1 fails while the file `blocker` exists; the flow asks for it only after steps 2, which is slow, and 3 are done.
#[flow]
fn learns_late(cx: &Flow, path: String, blocker: String) -> Result<u64> {
    let blocked = blocked_tick::submit(cx, path.clone(), 1, blocker)?;
    let between = slow_tick(cx, path.clone(), 2, 300)? + tick(cx, path.clone(), 3)?;
    let sum = between + blocked.load()?;
    Ok(sum + tick(cx, path, 4)?)
}

/// Submits a step and cancels it: the kind of its failure.
#[flow]
fn cancelled_call(cx: &Flow, path: String, milliseconds: u64) -> Result<String> {
    let slow = slow_tick::submit(cx, path.clone(), 1, milliseconds)?;
    tick(cx, path, 2)?;
    slow.cancel();
    Ok("went on".into())
}

/// Submits a step and cancels it while step 2 is done; then step 3.
#[flow]
fn cancelled_then(cx: &Flow, path: String, milliseconds: u64) -> Result<u64> {
    let slow = slow_tick::submit(cx, path.clone(), 1, milliseconds)?;
    let second = tick(cx, path.clone(), 2)?;
    slow.cancel();
    Ok(second + tick(cx, path, 3)?)
}

/// Two steps and a sleep, joined.
#[flow]
async fn joined(cx: &Flow, path: String, milliseconds: u64) -> Result<Value> {
    let first = slow_tick::submit(cx, path.clone(), 1, milliseconds)?;
    let second = slow_tick::submit(cx, path.clone(), 2, milliseconds)?;
    let (first, second, slept) = kitaru::join!(first, second, cx.timer(Duration::from_millis(milliseconds))?);
    slept?;
    Ok(json!([first?, second?]))
}

/// Two steps, all or nothing: the first fails while the file `blocker` exists, and the other is cancelled for that.
#[flow]
async fn all_or_nothing(cx: &Flow, path: String, blocker: String, milliseconds: u64) -> Result<u64> {
    let first = blocked_tick::submit(cx, path.clone(), 1, blocker)?;
    let second = slow_tick::submit(cx, path, 2, milliseconds)?;
    let (first, second) = kitaru::try_join!(first, second)?;
    Ok(first + second)
}

/// A step against a time limit: the loser is cancelled.
#[flow]
async fn in_time(cx: &Flow, path: String, work: u64, limit: u64) -> Result<String> {
    let mut step = slow_tick::submit(cx, path.clone(), 1, work)?;
    let mut timer = cx.timer(Duration::from_millis(limit))?;
    let text = kitaru::select! {
        done = step => format!("step {}", done?),
        up = timer => { up?; "too late".to_owned() }
    };
    drop((step, timer));
    tick(cx, path, 2)?;
    Ok(text)
}

/// Two asks beside each other, in any order of answers: the order in which they were answered.
#[flow]
async fn two_people(cx: &Flow) -> Result<Vec<String>> {
    let ask = async |name: &str| -> Result<String> {
        let answer: bool = cx.wait(name).question("Fine?").submit()?.await?;
        Ok(format!("{name}: {answer}"))
    };
    let mut order = Vec::new();
    let mut asks = kitaru::futures::stream::FuturesUnordered::new();
    asks.push(ask("first"));
    asks.push(ask("second"));
    while let Some(answer) = kitaru::futures::StreamExt::next(&mut asks).await {
        order.push(answer?);
    }
    Ok(order)
}

/// Awaits what no host can know of.
#[flow]
async fn awaits_nothing(_cx: &Flow) -> Result<()> {
    std::future::pending::<()>().await;
    Ok(())
}
