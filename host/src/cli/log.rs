//! The host's own log, on standard error: messages for people, or one JSON object in each line.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Clock as _, SystemClock};
use crate::config::LogFormat;

/// Begins to write what `-v` and `KITARU_LOG` ask for. A host that serves, and was told how to write, tells what it does where they say nothing.
pub(super) fn start(verbose: u8, format: Option<LogFormat>, serves: bool) {
    let default = match verbose {
        0 | 1 if serves && format.is_some() => "kitaru_host=info",
        0 => "error",
        1 => "kitaru_host=warn",
        _ => "kitaru_host=debug",
    };
    let filter = EnvFilter::try_from_env("KITARU_LOG").unwrap_or_else(|_| default.into());
    // It tells messages whole, with the values that secrets are made of.
    let filter = match "rmcp=error".parse::<Directive>() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second initialisation (in tests) leaves the first in place.
    let _ = match format {
        Some(LogFormat::Json) => lines.event_format(Json).try_init(),
        Some(LogFormat::Text) | None => lines.try_init(),
    };
}

/// One JSON object for each message: `timestamp`, `level`, `target`, `message`, and what else it tells, under its own names.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writeln!(writer, "{}", Value::Object(object(event)))
    }
}

fn object(event: &Event<'_>) -> Map<String, Value> {
    let metadata = event.metadata();
    let mut told = Told(Map::new());
    event.record(&mut told);
    let mut line = told.0;
    // These are the host's to say, whatever a message calls its fields.
    line.insert("timestamp".into(), SystemClock.now().to_rfc3339().into());
    line.insert("level".into(), metadata.level().as_str().to_ascii_lowercase().into());
    line.insert("target".into(), metadata.target().into());
    line
}

struct Told(Map<String, Value>);

impl Told {
    fn say(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Told {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.say(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.say(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.say(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.say(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.say(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.say(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_message_is_one_line_of_json_whatever_it_says() {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt().with_writer(move || writer.clone()).event_format(Json).finish();
        tracing::subscriber::with_default(lines, || {
            tracing::info!(status = 200_u64, route = "a\n\"b\"", who = %"ada", timestamp = "never", quick = true, ms = 1.5, "answered\u{1b}[0m");
            tracing::warn!("second");
        });
        let written = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{written}");
        let first = &lines[0];
        assert_eq!((&first["status"], &first["route"], &first["who"]), (&200.into(), &"a\n\"b\"".into(), &"ada".into()));
        assert_eq!((&first["quick"], &first["ms"], &first["level"]), (&true.into(), &1.5.into(), &"info".into()));
        assert!(first["message"].as_str().unwrap().starts_with("answered"), "{first}");
        assert!(first["timestamp"].as_str().unwrap().starts_with("20"), "{first}");
        assert_eq!((&lines[1]["message"], &lines[1]["level"]), (&"second".into(), &"warn".into()));
        assert!(lines[1]["target"].as_str().unwrap().starts_with("kitaru_host::cli"), "{}", lines[1]);
    }
}
