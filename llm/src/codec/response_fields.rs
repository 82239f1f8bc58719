//! Reading responses: small steps that all protocols take.

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::CodecError;
use crate::chat::{Content, Part};

/// The body of a response; an error where it is none, or reports a failure.
pub(super) fn object(response: &Value) -> Result<Map<String, Value>, CodecError> {
    if let Some(error) = CodecError::reported_in(response) {
        return Err(error);
    }
    response.as_object().cloned().ok_or_else(|| CodecError::response("body", "an object"))
}

/// The text under `key`.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

/// The number under `key`.
pub(super) fn count(value: &Value, key: &str) -> Option<u64> {
    value.get(key)?.as_u64()
}

/// Takes the text under `key` away; anything else stays.
pub(super) fn take_text(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    let text = map.get(key)?.as_str()?.to_owned();
    map.shift_remove(key);
    Some(text)
}

/// Takes what is under `key` away; a null counts as absent.
pub(super) fn take(map: &mut Map<String, Value>, key: &str) -> Option<Value> {
    map.shift_remove(key).filter(|value| !value.is_null())
}

/// Text or parts.
pub(super) fn read_content(value: &Value) -> Option<Content> {
    match value {
        Value::String(text) => Some(Content::Text(text.clone())),
        Value::Array(parts) => parts.iter().map(|part| Part::deserialize(part).ok()).collect::<Option<_>>().map(Content::Parts),
        _ => None,
    }
}

/// Arguments that a model wrote: JSON, or the text itself where it is none. Nothing written means no arguments.
pub(super) fn parse_arguments(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// The sum, if both are known.
pub(super) fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a?.saturating_add(b?))
}

/// What `usage` says that the call cost. With a key of one's own OpenRouter charges its fee, which may be nothing, and the provider behind it the
/// rest: one without the other is not the cost.
pub(super) fn reported_cost(usage: &Map<String, Value>) -> Option<u64> {
    let charged = nanodollars(usage.get("cost")?)?;
    if usage.get("is_byok").and_then(Value::as_bool) != Some(true) {
        return Some(charged);
    }
    let behind = nanodollars(usage.get("cost_details")?.get("upstream_inference_cost")?)?;
    charged.checked_add(behind)
}

/// An amount of US dollars in billionths, rounded up. Read from the digits: binary fractions would round up what is exact.
pub(super) fn nanodollars(value: &Value) -> Option<u64> {
    let text = value.as_number()?.to_string();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text.as_str(), 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}").parse::<u128>().ok()?;
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?.checked_add(9)?;
    let scale = 10_u128.checked_pow(shift.unsigned_abs());
    let nanos = if shift >= 0 {
        digits.checked_mul(scale?)?
    } else {
        scale.map_or(u128::from(digits > 0), |scale| digits.div_ceil(scale))
    };
    u64::try_from(nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact_and_round_up() {
        for (text, nanos) in
            [("0.00014", 140_000), ("1.4e-5", 14_000), ("2", 2_000_000_000), ("0.0000000001", 1), ("0", 0), ("1e-40", 1)]
        {
            assert_eq!(nanodollars(&serde_json::from_str(text).unwrap()), Some(nanos), "{text}");
        }
        assert_eq!(nanodollars(&Value::from(-1)), None);
        assert_eq!(nanodollars(&Value::from("1")), None);
    }
}
