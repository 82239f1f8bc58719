//! What looking costs with much behind it: lists of many executions, and following long logs. One of many may not cost more than one of few. And
//! what a log costs others that is written without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use kitaru_host::clock::{Clock as _, SystemClock};
use kitaru_host::ids::ExecutionId;
use kitaru_host::journal::LogLevel;
use kitaru_host::sandbox::Grants;
use kitaru_host::service::{FollowEvent, ListQuery, LocalService, LogQuery, Service as _};
use kitaru_host::store::{LogRow, LogSource};

use crate::figure::{Figure, Target};
use crate::place::{Bench, Place};
use crate::report::Report;
use crate::samples::{median, micros};
use crate::steps::sequence;

/// As many as one request is given at most.
const PAGE: u64 = 1_000;
/// How often each is sampled, in turn.
const ROUNDS: u64 = 3;

/// Lists all executions of a place, page by page: how many there are, and microseconds for each.
async fn listed(service: &LocalService) -> Result<(u64, f64)> {
    let mut query = ListQuery { limit: PAGE, ..ListQuery::default() };
    let (started, mut count) = (Instant::now(), 0);
    loop {
        let page = service.list(&query).await?;
        count += page.items.len() as u64;
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            ensure!(page.total == count, "{count} of {} were listed", page.total);
            return Ok((count, micros(started.elapsed()) / count as f64));
        }
    }
}

/// Lists the newest executions of a place: milliseconds.
async fn first_page(service: &LocalService) -> Result<f64> {
    let started = Instant::now();
    let page = service.list(&ListQuery { limit: 20, ..ListQuery::default() }).await?;
    ensure!(page.items.len() == 20, "the first page has {}", page.items.len());
    Ok(micros(started.elapsed()) / 1e3)
}

/// Lists executions of a place that has few, and of one that has many.
pub(crate) fn lists(bench: &Bench, places: [&Place; 2], report: &mut Report) -> Result<()> {
    let services = places.map(|place| LocalService::new(place.engine.clone()));
    let (mut counts, mut each, mut first) = ([0; 2], [vec![], vec![]], [vec![], vec![]]);
    bench.runtime.block_on(async {
        for _ in 0..ROUNDS {
            for (((service, count), each), first) in services.iter().zip(&mut counts).zip(&mut each).zip(&mut first) {
                let (found, time) = listed(service).await?;
                *count = found;
                each.push(time);
                for _ in 0..20 {
                    first.push(first_page(service).await?);
                }
            }
        }
        anyhow::Ok(())
    })?;
    let ([few, many], linear) = (counts, Target::RatioAtMost(1.3));
    let [each_of_few, each_of_many] = each.map(|mut samples| median(&mut samples));
    let [first_of_few, first_of_many] = first.map(|mut samples| median(&mut samples));
    let what = |count: u64| format!("`executions list` of {count}, in pages of {PAGE}, each");
    report.add(Figure::new("list_10000", what(few), each_of_few, "µs"));
    report.add(Figure::new("list_100000", what(many), each_of_many, "µs").beside("of fewer", each_of_few).target(linear));
    let what = |count: u64| format!("`executions list`, the newest 20 of {count}");
    report.add(Figure::new("list_first_10000", what(few), first_of_few, "ms"));
    report.add(Figure::new("list_first_100000", what(many), first_of_many, "ms").beside("of fewer", first_of_few).target(linear));
    Ok(())
}

/// Follows the log of an execution that has ended, from its first line to its last: microseconds a line.
async fn followed(place: &Place, id: ExecutionId, lines: u64) -> Result<f64> {
    let service = LocalService::new(place.engine.clone());
    let (started, mut count) = (Instant::now(), 0);
    let mut following = service.follow(id, &LogQuery::default()).await?;
    while let Some(event) = following.next().await? {
        count += u64::from(matches!(event, FollowEvent::Log { .. }));
    }
    ensure!(count == lines, "{count} of {lines} lines were told");
    Ok(micros(started.elapsed()) / lines as f64)
}

/// An execution with a log of so many lines.
async fn logged(place: &Place, lines: u64) -> Result<ExecutionId> {
    let (execution, _) = place.run("no_calls", "{}", Grants::default()).await?;
    let line = |ordinal: u64| {
        let (message, module) = (format!("line {ordinal} of a log that somebody follows"), "stdout");
        let (level, source) = (LogLevel::Info, LogSource::Runner);
        let ordinal = u32::try_from(ordinal)?;
        let row = LogRow {
            execution,
            call: 0,
            attempt: 0,
            ordinal,
            at: SystemClock.now(),
            level,
            source,
            checkpoint: None,
            module,
            message,
        };
        anyhow::Ok(row)
    };
    for from in (0..lines).step_by(1_000) {
        let rows = (from..lines.min(from + 1_000)).map(line).collect::<Result<Vec<_>>>()?;
        place.engine.store().log(rows).await?;
    }
    Ok(execution)
}

/// Logs that are followed, a short and a long one in turn.
pub(crate) fn logs(bench: &Bench, report: &mut Report) -> Result<()> {
    let place = bench.place()?;
    let [short, long] = [10_000, 100_000].map(|lines| bench.scaled(lines));
    let (mut of_short, mut of_long) = (Vec::new(), Vec::new());
    bench.runtime.block_on(async {
        let (few, many) = (logged(&place, short).await?, logged(&place, long).await?);
        for _ in 0..ROUNDS {
            of_short.push(followed(&place, few, short).await?);
            of_long.push(followed(&place, many, long).await?);
        }
        anyhow::Ok(())
    })?;
    let (of_short, of_long) = (median(&mut of_short), median(&mut of_long));
    let what = |lines: u64| format!("`executions logs --follow` of {lines} lines, each");
    report.add(Figure::new("follow_10000", what(short), of_short, "µs"));
    report.add(
        Figure::new("follow_100000", what(long), of_long, "µs")
            .beside("of the shorter one", of_short)
            .target(Target::RatioAtMost(1.3)),
    );
    flooded(bench, report)
}

/// Runs a flow that makes lines, and says them or not, again and again until it is told to stop.
async fn lines_made(place: Arc<Place>, lines: u64, said: bool, stop: Arc<AtomicBool>) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        place.run("lines", &format!(r#"{{"lines":{lines},"said":{said}}}"#), Grants::default()).await?;
    }
    Ok(())
}

/// Steps that wait for the disk, beside a flow that floods its log, and beside one that only computes.
fn flooded(bench: &Bench, report: &mut Report) -> Result<()> {
    let place = bench.place()?;
    let steps = bench.scaled(1_000);
    // Lines that are said take longer, so that both run for some tens of milliseconds.
    let (mut silent, mut loud) = (Vec::new(), Vec::new());
    bench.runtime.block_on(async {
        for _ in 0..ROUNDS {
            for (samples, lines, said) in [(&mut silent, 200_000, false), (&mut loud, 20_000, true)] {
                let stop = Arc::new(AtomicBool::new(false));
                let beside = tokio::spawn(lines_made(place.clone(), lines, said, stop.clone()));
                let sample = sequence(&place, steps, place.capability()).await;
                stop.store(true, Ordering::Relaxed);
                beside.await??;
                samples.push(sample?);
            }
        }
        anyhow::Ok(())
    })?;
    report.add(
        Figure::new(
            "step_beside_flood",
            "sequential checkpoint that holds a capability, beside a flow that floods its log",
            median(&mut loud),
            "µs",
        )
        .beside("beside a flow that only computes", median(&mut silent)),
    );
    Ok(())
}
