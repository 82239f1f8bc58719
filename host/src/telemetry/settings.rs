//! Where events go: `[telemetry]` in `kitaru.toml`, and the environment variables of OpenTelemetry, which go before it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use crate::config::TelemetryConfig;

/// How long a request to the collector may take, unless somebody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Where events of executions that are driven here go. Nowhere, unless that is said.
#[derive(Debug, Default)]
pub struct TelemetrySettings {
    /// The folder in which each execution has a file of ATOF lines.
    pub atof: Option<PathBuf>,
    /// The collector of OpenTelemetry.
    pub otlp: Option<OtlpSettings>,
    /// What was said and cannot be done, for people. It stops nothing.
    pub notes: Vec<String>,
}

/// How a collector of OpenTelemetry is reached, and what it is told.
#[derive(Clone)]
pub struct OtlpSettings {
    /// Where spans go.
    pub traces: Option<String>,
    /// Where metrics go.
    pub metrics: Option<String>,
    /// Sent with every request: they may have keys in them.
    headers: Vec<(String, SecretString)>,
    /// What all spans and metrics say of this host.
    pub resource: BTreeMap<String, String>,
    /// How long one request may take.
    pub timeout: Duration,
    /// Whether spans have messages in them, as the events of model calls do.
    pub content: bool,
    /// Whether metrics are of the time since the report before, and not since the start of the process.
    pub delta: bool,
}

/// Without the headers' values.
impl fmt::Debug for OtlpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, timeout, content, delta, .. } = self;
        let mut shown = f.debug_struct("OtlpSettings");
        shown.field("resource", resource).field("timeout", timeout).field("content", content).field("delta", delta);
        shown.finish_non_exhaustive()
    }
}

impl OtlpSettings {
    /// Names and values of the headers.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret()))
    }
}

impl TelemetrySettings {
    /// Whether nothing goes anywhere.
    pub fn is_off(&self) -> bool {
        self.atof.is_none() && self.otlp.is_none()
    }

    /// What the project's file and the environment say. `instance` tells this process from others.
    pub fn choose(config: &TelemetryConfig, environment: impl Fn(&str) -> Option<String>, instance: String) -> Self {
        let read = |name: &str| environment(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let says_yes = |name: &str| read(name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let mut notes = Vec::new();
        let otlp = match says_yes("OTEL_SDK_DISABLED") {
            true => None,
            false => otlp(config, &read, instance, &mut notes),
        };
        Self { atof: config.atof.clone(), otlp, notes }
    }
}

fn otlp(
    config: &TelemetryConfig,
    read: &impl Fn(&str) -> Option<String>,
    instance: String,
    notes: &mut Vec<String>,
) -> Option<OtlpSettings> {
    let base = read("OTEL_EXPORTER_OTLP_ENDPOINT").or_else(|| config.otlp_endpoint.clone());
    let mut endpoint = |signal: &str, exporter: &str, path: &str| {
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
        let url = read(&own).or_else(|| base.as_ref().map(|base| format!("{}/v1/{path}", base.trim_end_matches('/'))))?;
        if read(exporter).is_some_and(|exporter| exporter != "otlp") {
            return None;
        }
        let protocol = read(&format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL")).or_else(|| read("OTEL_EXPORTER_OTLP_PROTOCOL"));
        if let Some(other) = protocol.filter(|protocol| protocol != "http/protobuf") {
            notes.push(format!(
                "nothing is sent as {path}: OTLP over `{}` is not spoken here, only `http/protobuf`",
                other.escape_debug()
            ));
            return None;
        }
        // An address is not told: it may have a key in it.
        let usable = reqwest::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !usable {
            notes
                .push(format!("nothing is sent as {path}: the OTLP endpoint is no address that begins with http:// or https://"));
        }
        usable.then_some(url)
    };
    let traces = endpoint("TRACES", "OTEL_TRACES_EXPORTER", "traces");
    let metrics = endpoint("METRICS", "OTEL_METRICS_EXPORTER", "metrics");
    if traces.is_none() && metrics.is_none() {
        return None;
    }
    let timeout = read("OTEL_EXPORTER_OTLP_TIMEOUT").and_then(|text| text.parse::<u64>().ok()).filter(|millis| *millis > 0);
    let resource = resource(config, read, instance);
    let capture = read("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT").map(|text| text.to_ascii_lowercase());
    let content = match capture.as_deref() {
        Some(word) => matches!(word, "true" | "1" | "span_only" | "span_and_event"),
        None => config.content,
    };
    let delta = read("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE").is_some_and(|word| word.eq_ignore_ascii_case("delta"));
    let headers = pairs(&read("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default());
    let headers = headers.into_iter().map(|(name, value)| (name, SecretString::from(value))).collect();
    let timeout = timeout.map_or(TIMEOUT, Duration::from_millis);
    Some(OtlpSettings { traces, metrics, headers, resource, timeout, content, delta })
}

/// What is said of this host with everything that is sent. `instance` tells this process from others.
pub fn resource(
    config: &TelemetryConfig,
    environment: impl Fn(&str) -> Option<String>,
    instance: String,
) -> BTreeMap<String, String> {
    let read = |name: &str| environment(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let mut resource: BTreeMap<String, String> = BTreeMap::new();
    resource.insert("service.name".into(), "kitaru-host".into());
    resource.insert("service.version".into(), env!("CARGO_PKG_VERSION").into());
    resource.insert("service.instance.id".into(), instance);
    resource.extend(config.resource.clone());
    resource.extend(config.service_name.clone().map(|name| ("service.name".into(), name)));
    resource.extend(pairs(&read("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default()));
    resource.extend(read("OTEL_SERVICE_NAME").map(|name| ("service.name".into(), name)));
    resource
}

/// `name=value,name=value`, values with `%20` and the like.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), unescaped(value.trim())));
    pairs.filter(|(name, _)| !name.is_empty()).collect()
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = match escaped {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(config: &TelemetryConfig, environment: &[(&str, &str)]) -> TelemetrySettings {
        let read = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        TelemetrySettings::choose(config, read, "i".into())
    }

    #[test]
    fn nothing_goes_anywhere_unless_that_is_said() {
        assert!(choose(&TelemetryConfig::default(), &[]).is_off());
        let headers = [("OTEL_EXPORTER_OTLP_HEADERS", "a=b"), ("OTEL_SERVICE_NAME", "x")];
        assert!(choose(&TelemetryConfig::default(), &headers).is_off());
        let config = TelemetryConfig { otlp_endpoint: Some("http://c:4318".into()), ..TelemetryConfig::default() };
        assert!(choose(&config, &[("OTEL_SDK_DISABLED", "true")]).is_off());
        assert!(!choose(&config, &[]).is_off());
    }

    #[test]
    fn the_environment_goes_before_the_file_and_the_signal_before_all() {
        let config = TelemetryConfig {
            otlp_endpoint: Some("http://file:4318".into()),
            service_name: Some("file".into()),
            resource: BTreeMap::from([("team".into(), "a".into())]),
            content: true,
            ..TelemetryConfig::default()
        };
        let otlp = choose(&config, &[]).otlp.unwrap();
        assert_eq!(otlp.traces.as_deref(), Some("http://file:4318/v1/traces"));
        assert_eq!((otlp.timeout, otlp.content, otlp.delta), (TIMEOUT, true, false));
        assert_eq!((otlp.resource["service.name"].as_str(), otlp.resource["team"].as_str()), ("file", "a"));
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://env:4318/base/"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://metrics/x"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b%3D, x = y "),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "500"),
            ("OTEL_RESOURCE_ATTRIBUTES", "team=b,service.name=attributes"),
            ("OTEL_SERVICE_NAME", "env"),
            ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "false"),
            ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
        ];
        let otlp = choose(&config, &environment).otlp.unwrap();
        assert_eq!(otlp.traces.as_deref(), Some("https://env:4318/base/v1/traces"));
        assert_eq!(otlp.metrics.as_deref(), Some("https://metrics/x"));
        assert_eq!(otlp.headers().collect::<Vec<_>>(), [("api-key", "a b="), ("x", "y")]);
        assert_eq!((otlp.timeout, otlp.content, otlp.delta), (Duration::from_millis(500), false, true));
        assert_eq!((otlp.resource["service.name"].as_str(), otlp.resource["team"].as_str()), ("env", "b"));
        assert!(!format!("{otlp:?}").contains("a b="));
    }

    #[test]
    fn what_cannot_be_done_is_told_without_the_address() {
        for (name, value) in
            [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector?key=k:4317")]
        {
            let config = TelemetryConfig { otlp_endpoint: Some("http://c".into()), ..TelemetryConfig::default() };
            let settings = choose(&config, &[(name, value)]);
            assert!(settings.otlp.as_ref().is_none_or(|otlp| otlp.traces.is_none()), "{name}");
            assert!(!settings.notes.is_empty() && !settings.notes.concat().contains("key=k"), "{:?}", settings.notes);
        }
        let config = TelemetryConfig { otlp_endpoint: Some("http://c".into()), ..TelemetryConfig::default() };
        let off = choose(&config, &[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")]);
        assert!(off.is_off() && off.notes.is_empty());
    }
}
