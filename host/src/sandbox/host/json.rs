//! JSON text that a guest hands over. A text of a few bytes can become a value of many, so what it becomes is measured before it is made.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::journal::Failure;
use crate::sandbox::limits::Limits;
use crate::sandbox::reached::reached;

/// What a value takes beside the text in it, about, in bytes.
const VALUE: usize = size_of::<Value>();
/// The same for a member of an object, with its name and its place.
const MEMBER: usize = VALUE + size_of::<String>() + 24;

/// Reads JSON text, if the host may hold what it becomes.
pub(super) fn json(limits: &Limits, what: &str, text: &str) -> Result<Value, Failure> {
    let most = limits.argument_bytes();
    // Every value but the first comes after one of these. Texts that have them too only make the exact look necessary.
    let values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() + 1;
    if values.saturating_mul(MEMBER).saturating_add(text.len()) > most {
        let mut left = Some(most);
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let measured = Measure(&mut left).deserialize(&mut deserializer);
        if left.is_none() {
            reached("argument_mib");
            return Err(Failure::runtime("limit", format!("{what} is too much: {}", limits.over_argument())));
        }
        measured.map_err(|error| not_json(what, &error))?;
    }
    serde_json::from_str(text).map_err(|error| not_json(what, &error))
}

/// Checks that a text is JSON.
pub(super) fn check_json(what: &str, text: &str) -> Result<(), Failure> {
    // As strict as reading it: text of which no value can be made is no use to anybody.
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = Measure(&mut Some(usize::MAX)).deserialize(&mut deserializer);
    read.and_then(|()| deserializer.end()).map_err(|error| not_json(what, &error))
}

fn not_json(what: &str, error: &serde_json::Error) -> Failure {
    Failure::usage(format!("{what} is not JSON: {error}"))
}

/// Takes what a value takes off what is left; nothing is left where that is too much.
struct Measure<'a>(&'a mut Option<usize>);

impl Measure<'_> {
    fn take<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        *self.0 = self.0.and_then(|left| left.checked_sub(bytes));
        self.0.map(drop).ok_or_else(|| E::custom("too much"))
    }
}

impl<'de> DeserializeSeed<'de> for Measure<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Measure<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(mut self, _: bool) -> Result<(), E> {
        self.take(VALUE)
    }

    fn visit_i64<E: Error>(mut self, _: i64) -> Result<(), E> {
        self.take(VALUE)
    }

    fn visit_u64<E: Error>(mut self, _: u64) -> Result<(), E> {
        self.take(VALUE)
    }

    fn visit_f64<E: Error>(mut self, _: f64) -> Result<(), E> {
        self.take(VALUE)
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.take(VALUE)
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.take(VALUE.saturating_add(text.len()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<(), A::Error> {
        self.take(VALUE)?;
        while values.next_element_seed(Measure(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.take(VALUE)?;
        // The name counts like a text, and the member has its place beside that.
        while members.next_key_seed(Measure(self.0))?.is_some() {
            self.take(MEMBER - VALUE)?;
            members.next_value_seed(Measure(self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn within(mib: u64) -> Limits {
        Limits { argument_mib: Some(mib), ..Limits::default() }
    }

    #[test]
    fn small_text_that_becomes_much_is_refused_by_name() {
        let (many, members) = (format!("[{}0]", "0,".repeat(100_000)), {
            let members: Vec<_> = (0..20_000).map(|n| format!("\"{n}\":[]")).collect();
            format!("{{{}}}", members.join(","))
        });
        for text in [many, members] {
            assert!(text.len() < 1 << 18);
            let failure = json(&within(1), "the input", &text).unwrap_err();
            assert!(failure.kind == "limit" && failure.message.contains("`argument_mib` of 1 MiB"), "{failure:?}");
            assert!(json(&within(64), "the input", &text).is_ok());
        }
        let commas = format!("\"{}\"", ",[{".repeat(100_000));
        assert!(json(&within(1), "the input", &commas).is_ok(), "what is in a text is one value");
    }

    #[test]
    fn what_is_not_json_is_said_to_be_so() {
        for text in ["", "{", "[1,]", "nul", "1 2", &"[".repeat(100_000), &format!("{}1{}", "[".repeat(200), "]".repeat(200))] {
            for limits in [within(0), within(1), Limits::default()] {
                let failure = json(&limits, "the input", text).unwrap_err();
                let is_much = failure.kind == "limit" && limits.argument_mib.is_some();
                assert!(is_much || failure.message.starts_with("the input is not JSON"), "{failure:?}");
            }
            assert!(check_json("it", text).is_err());
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_read_the_same(text in r#"[\[\]{},:"a0 -]{0,40}"#) {
            let read = json(&within(1), "it", &text).ok();
            prop_assert_eq!(read, serde_json::from_str::<Value>(&text).ok());
            prop_assert_eq!(check_json("it", &text).is_ok(), serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
