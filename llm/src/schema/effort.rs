//! How much a validator will have to do, told without doing it: the same way through schema and value, without a look at what fits.
//!
//! A schema is a graph whose references make ways through it multiply, at each level of a value again. The validator goes all of them.
//! Here each (reference, part of the value) is gone once, and counted as often as it is met.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Map, Value};

/// Checks of one value against one part of a schema that a validation may come to: a second's worth, or so.
const MOST: u64 = 10_000_000;
/// Checks inside of one another. Each has some frames on a stack of two mebibytes.
const DEEPEST: usize = 1_000;
/// What costs less than this is counted again rather than kept.
const WORTH_KEEPING: u64 = 16;
/// Bytes of text that a pattern reads in the time of one check.
const TEXT: usize = 64;

/// A validation would be too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMuch {
    Checks,
    Depth,
}

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checks => write!(f, "to check it against its schema would take too long: more than {MOST} steps"),
            Self::Depth => write!(f, "it is too deep to be checked against its schema: more than {DEEPEST} steps in one another"),
        }
    }
}

/// A schema, and what references in it can mean.
pub(super) struct Document<'a> {
    schema: &'a Value,
    /// The document itself, and the parts of it that have an identifier of their own: pointers may start there.
    resources: Vec<&'a Value>,
    anchors: Vec<(&'a str, &'a Value)>,
}

impl<'a> Document<'a> {
    /// A schema without references need not be looked through for what they mean.
    pub(super) fn new(schema: &'a Value, has_references: bool) -> Self {
        let mut document = Self { schema, resources: vec![schema], anchors: Vec::new() };
        if has_references {
            document.collect(schema);
        }
        document
    }

    fn collect(&mut self, value: &'a Value) {
        match value {
            Value::Object(map) => {
                for key in ["$anchor", "$dynamicAnchor"] {
                    self.anchors.extend(map.get(key).and_then(Value::as_str).map(|name| (name, value)));
                }
                for key in ["$id", "id"] {
                    let id = map.get(key).and_then(Value::as_str);
                    if id.is_some() && !std::ptr::eq(value, self.schema) {
                        self.resources.push(value);
                    }
                    // Early drafts name parts so.
                    self.anchors.extend(id.and_then(|id| id.split_once('#')).map(|(_, name)| (name, value)));
                }
                map.values().for_each(|inner| self.collect(inner));
            }
            Value::Array(items) => items.iter().for_each(|inner| self.collect(inner)),
            _ => {}
        }
    }

    /// What a reference may mean: everything that it could, where it is not plain. Nothing, where it leads outside.
    fn targets(&self, reference: &str) -> Vec<&'a Value> {
        let (_, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let fragment = percent_decoded(fragment);
        if fragment.is_empty() || fragment.starts_with('/') {
            return self.resources.iter().filter_map(|resource| resource.pointer(&fragment)).collect();
        }
        self.anchors.iter().filter(|(name, _)| *name == fragment).map(|(_, target)| *target).collect()
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A part of the schema at a part of the value, by where they are in memory.
type Place = (usize, usize);

/// The way through a schema and a value.
pub(super) struct Effort<'a> {
    document: &'a Document<'a>,
    /// Checks so far.
    checks: u64,
    /// The deepest place so far.
    deepest: usize,
    /// What a reference came to, at a part of the value: checks, and levels below.
    kept: HashMap<Place, (u64, usize)>,
    /// References that are being followed.
    open: Vec<Place>,
}

fn place(schema: &Value, value: &Value) -> Place {
    (std::ptr::from_ref(schema).addr(), std::ptr::from_ref(value).addr())
}

impl<'a> Effort<'a> {
    /// How many checks a validator makes of `value`, at most.
    ///
    /// # Errors
    /// When there are too many of them, beside or inside of one another.
    pub(super) fn of(document: &'a Document<'a>, value: &'a Value) -> Result<u64, TooMuch> {
        let mut effort = Self { document, checks: 0, deepest: 0, kept: HashMap::new(), open: Vec::new() };
        effort.check(document.schema, value, 1)?;
        Ok(effort.checks)
    }

    fn add(&mut self, checks: u64) -> Result<(), TooMuch> {
        self.checks = self.checks.saturating_add(checks);
        if self.checks > MOST { Err(TooMuch::Checks) } else { Ok(()) }
    }

    fn add_len(&mut self, len: usize) -> Result<(), TooMuch> {
        self.add(u64::try_from(len).unwrap_or(u64::MAX))
    }

    fn reach(&mut self, depth: usize) -> Result<(), TooMuch> {
        self.deepest = self.deepest.max(depth);
        if depth > DEEPEST { Err(TooMuch::Depth) } else { Ok(()) }
    }

    /// One part of the schema at one part of the value.
    fn check(&mut self, schema: &'a Value, value: &'a Value, depth: usize) -> Result<(), TooMuch> {
        self.reach(depth)?;
        self.add(1)?;
        let Value::Object(keywords) = schema else { return Ok(()) };
        let (before, deepest) = (self.checks, std::mem::replace(&mut self.deepest, depth));
        let below = depth.saturating_add(1);
        for (keyword, inner) in keywords {
            match (keyword.as_str(), inner) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => self.follow(reference, value, below)?,
                ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                    schemas.iter().try_for_each(|schema| self.check(schema, value, below))?;
                }
                ("not" | "if" | "then" | "else", _) => self.check(inner, value, below)?,
                ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                    schemas.values().try_for_each(|schema| self.check(schema, value, below))?;
                }
                ("enum" | "required" | "type", Value::Array(words)) => self.add_len(words.len())?,
                ("pattern" | "format", _) => self.add_len(value.as_str().map_or(0, str::len) / TEXT)?,
                _ => match value {
                    Value::Object(members) => self.members(keyword, inner, members, below)?,
                    Value::Array(items) => self.items(keyword, inner, items, below)?,
                    _ => {}
                },
            }
        }
        // To know what was looked at, it is gone over again from each place where a way parts.
        if keywords.contains_key("unevaluatedProperties") || keywords.contains_key("unevaluatedItems") {
            let levels = u64::try_from(self.deepest.saturating_sub(depth)).unwrap_or(u64::MAX);
            self.add(self.checks.saturating_sub(before).saturating_mul(levels))?;
        }
        self.deepest = self.deepest.max(deepest);
        Ok(())
    }

    fn members(&mut self, keyword: &str, inner: &'a Value, members: &'a Map<String, Value>, depth: usize) -> Result<(), TooMuch> {
        match (keyword, inner) {
            ("properties", Value::Object(schemas)) => {
                self.add_len(schemas.len())?;
                let both = schemas.iter().filter_map(|(name, schema)| Some((schema, members.get(name)?)));
                both.into_iter().try_for_each(|(schema, member)| self.check(schema, member, depth))
            }
            ("patternProperties", Value::Object(schemas)) => schemas.values().try_for_each(|schema| {
                members.iter().try_for_each(|(name, member)| {
                    self.add_len(name.len() / TEXT)?;
                    self.check(schema, member, depth)
                })
            }),
            ("additionalProperties" | "unevaluatedProperties", _) => {
                members.values().try_for_each(|member| self.check(inner, member, depth))
            }
            // A name has nothing inside of it, whatever the schema says.
            ("propertyNames", _) => members.keys().try_for_each(|name| {
                self.add_len(name.len() / TEXT)?;
                self.check(inner, &Value::Null, depth)
            }),
            _ => Ok(()),
        }
    }

    fn items(&mut self, keyword: &str, inner: &'a Value, items: &'a [Value], depth: usize) -> Result<(), TooMuch> {
        match (keyword, inner) {
            ("items" | "prefixItems", Value::Array(schemas)) => {
                schemas.iter().zip(items).try_for_each(|(schema, item)| self.check(schema, item, depth))
            }
            ("items" | "additionalItems" | "contains" | "unevaluatedItems", _) => {
                items.iter().try_for_each(|item| self.check(inner, item, depth))
            }
            ("uniqueItems", _) => self.add_len(items.len()),
            _ => Ok(()),
        }
    }

    fn follow(&mut self, reference: &str, value: &'a Value, depth: usize) -> Result<(), TooMuch> {
        let targets = self.document.targets(reference);
        if targets.is_empty() {
            // One of the schemas of schemas, which the validator has within it.
            return self.add(size(value).saturating_mul(8));
        }
        targets.into_iter().try_for_each(|target| self.follow_to(target, value, depth))
    }

    fn follow_to(&mut self, target: &'a Value, value: &'a Value, depth: usize) -> Result<(), TooMuch> {
        let place = place(target, value);
        // Round in a circle, at the same part of the value: the validator stops there too.
        if self.open.iter().rev().take_while(|open| open.1 == place.1).any(|open| *open == place) {
            return self.add(1);
        }
        if let Some((checks, levels)) = self.kept.get(&place).copied() {
            self.reach(depth.saturating_add(levels))?;
            return self.add(checks);
        }
        let (before, deepest) = (self.checks, std::mem::replace(&mut self.deepest, depth));
        self.open.push(place);
        self.check(target, value, depth)?;
        self.open.pop();
        let (checks, levels) = (self.checks.saturating_sub(before), self.deepest.saturating_sub(depth));
        if checks >= WORTH_KEEPING {
            self.kept.insert(place, (checks, levels));
        }
        self.deepest = self.deepest.max(deepest);
        Ok(())
    }
}

/// The values that a value is made of.
fn size(value: &Value) -> u64 {
    let inner = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold(1_u64, u64::saturating_add);
    match value {
        Value::Object(map) => inner(&mut map.values().map(size)),
        Value::Array(items) => inner(&mut items.iter().map(size)),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn effort(schema: &Value, value: &Value) -> Result<u64, TooMuch> {
        Effort::of(&Document::new(schema, true), value)
    }

    #[test]
    fn each_check_counts_once_and_again_where_it_is_made_again() {
        assert_eq!(effort(&json!(true), &json!(1)), Ok(1));
        assert_eq!(effort(&json!({ "type": "array", "items": { "type": "integer" } }), &json!([1, 2, 3])), Ok(4));
        let once = effort(&json!({ "items": { "$ref": "#/$defs/a" }, "$defs": { "a": {} } }), &json!([1, 2]));
        let twice = json!({ "$ref": "#/$defs/a" });
        let twice = effort(&json!({ "items": { "allOf": [twice, twice] }, "$defs": { "a": {} } }), &json!([1, 2]));
        assert!(once.unwrap() < twice.unwrap());
    }

    #[test]
    fn a_circle_ends_where_it_began() {
        let schema = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } } });
        assert!(effort(&schema, &json!([1])).unwrap() < 10);
        assert!(effort(&json!({ "$ref": "#" }), &json!({})).unwrap() < 10);
    }

    /// However a reference is written, it is followed.
    #[test]
    fn references_are_found_by_pointer_anchor_and_identifier() {
        let target = json!({ "enum": vec![0; 1_000] });
        let with = |part: &str, reference: &str, target: &Value| {
            let schema = json!({ "$ref": reference, "$defs": { part: target } });
            effort(&schema, &json!(1)).unwrap()
        };
        let also = |key: &str, name: &str| {
            let mut target = target.clone();
            target[key] = json!(name);
            target
        };
        assert!(with("a", "#/$defs/a", &target) > 1_000);
        assert!(with("a b/c", "#/$defs/a%20b~1c", &target) > 1_000);
        assert!(with("a", "#%2F$defs%2Fa", &target) > 1_000);
        assert!(with("a", "#here", &also("$anchor", "here")) > 1_000);
        assert!(with("a", "#here", &also("$dynamicAnchor", "here")) > 1_000);
        assert!(with("a", "#here", &also("$id", "#here")) > 1_000);
        assert!(with("a", "other.json", &also("$id", "other.json")) > 1_000);
        let nested = json!({ "$id": "other.json", "$defs": { "b": target } });
        assert!(with("a", "other.json#/$defs/b", &nested) > 1_000);
        assert!(with("a", "http://json-schema.org/draft-07/schema#/nowhere", &target) < 100);
    }

    #[test]
    fn percent_signs_that_stand_for_themselves_stay() {
        for (text, decoded) in [("a%20b", "a b"), ("%", "%"), ("%2", "%2"), ("%zz", "%zz"), ("%C3%A4", "ä"), ("100%25", "100%")]
        {
            assert_eq!(percent_decoded(text), decoded);
        }
    }
}
