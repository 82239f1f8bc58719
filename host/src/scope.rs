//! Flows by their names: those that a caller may do something with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many names a scope may have.
const MOST_NAMES: usize = 64;
/// How long one may be.
const LONGEST_NAME: usize = 200;

/// The flows that a caller may do something with. As JSON: null for all, or an array of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Option<Vec<String>>", from = "Option<Vec<String>>")]
pub struct Scope(Option<Vec<String>>);

impl Scope {
    /// All flows, and what belongs to none.
    pub const ALL: Self = Self(None);

    /// The flows with these names; one that ends in `*` stands for all that begin like it.
    ///
    /// # Errors
    /// When there are none, or too many, or one cannot be a name.
    pub fn of(names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, InvalidScope> {
        let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
        if names.is_empty() {
            return Err(InvalidScope::Empty);
        }
        names.sort();
        names.dedup();
        if names.len() > MOST_NAMES {
            return Err(InvalidScope::TooMany);
        }
        if let Some(bad) = names.iter().find(|name| !is_pattern(name)) {
            return Err(InvalidScope::Name(bad.chars().take(60).filter(|c| !c.is_control()).collect()));
        }
        // Which covers them all.
        if names.iter().any(|name| name == "*") {
            return Ok(Self::ALL);
        }
        Ok(Self(Some(names)))
    }

    /// The names, unless it is all.
    pub fn names(&self) -> Option<&[String]> {
        self.0.as_deref()
    }

    /// Whether it leaves nothing out: what belongs to no flow, too.
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it has the flow of this name.
    pub fn covers(&self, flow: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.iter().any(|name| fits(name, flow)))
    }

    /// What both have.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let (Some(ours), Some(theirs)) = (&self.0, &other.0) else {
            return if self.is_all() { other.clone() } else { self.clone() };
        };
        let narrower = |one: &String| theirs.iter().any(|other| includes(other, one));
        let mut both: Vec<String> = ours.iter().filter(|one| narrower(one)).cloned().collect();
        both.extend(theirs.iter().filter(|other| ours.iter().any(|one| includes(one, other))).cloned());
        both.sort();
        both.dedup();
        Self(Some(both))
    }

    /// Whether all that `other` has is in it.
    pub fn includes(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs.iter().all(|other| ours.iter().any(|one| includes(one, other))),
        }
    }
}

/// Whether `pattern` stands for the name.
fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

/// Whether `pattern` stands for all that `other` stands for.
fn includes(pattern: &str, other: &str) -> bool {
    match (pattern.strip_suffix('*'), other.strip_suffix('*')) {
        (Some(beginning), Some(longer)) => longer.starts_with(beginning),
        (None, Some(_)) => false,
        (_, None) => fits(pattern, other),
    }
}

fn is_pattern(name: &str) -> bool {
    let plain = name.strip_suffix('*').unwrap_or(name);
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && !plain.contains('*')
        && !name.chars().any(|c| c.is_control() || c.is_whitespace())
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("all flows"),
            Some(names) if names.is_empty() => f.write_str("no flow"),
            Some(names) => f.write_str(&names.join(", ")),
        }
    }
}

impl From<Scope> for Option<Vec<String>> {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

impl From<Option<Vec<String>>> for Scope {
    fn from(names: Option<Vec<String>>) -> Self {
        Self(names)
    }
}

/// Names that are no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// Nothing could be done with it.
    #[error("name at least one flow")]
    Empty,
    /// More than anybody needs.
    #[error("a scope has at most {MOST_NAMES} names; name several flows by how they begin, as in `team-*`")]
    TooMany,
    /// This one.
    #[error("`{0}` cannot be the name of a flow, nor the beginning of one before a `*` at its end")]
    Name(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope(names: &[&str]) -> Scope {
        Scope::of(names.iter().copied()).unwrap()
    }

    #[test]
    fn names_and_beginnings() {
        let scope = scope(&["draft", "team-*"]);
        for (flow, covered) in [
            ("draft", true),
            ("drafts", false),
            ("Draft", false),
            ("team-", true),
            ("team-a", true),
            ("team", false),
            ("", false),
        ] {
            assert_eq!(scope.covers(flow), covered, "{flow}");
        }
        assert!(Scope::ALL.covers("anything") && Scope::ALL.is_all() && !scope.is_all());
        assert_eq!(Scope::of(["a", "*"]), Ok(Scope::ALL));
        assert_eq!(scope.to_string(), "draft, team-*");
    }

    #[test]
    fn what_is_no_scope() {
        assert_eq!(Scope::of([] as [&str; 0]), Err(InvalidScope::Empty));
        assert_eq!(Scope::of((0..65).map(|n| n.to_string())), Err(InvalidScope::TooMany));
        for bad in ["", "a*b", "**", "a b", "a\n", &"a".repeat(201)] {
            assert!(matches!(Scope::of([bad]), Err(InvalidScope::Name(_))), "{bad:?}");
        }
    }

    #[test]
    fn as_json() {
        for (scope, json) in [(Scope::ALL, "null"), (scope(&["b", "a*"]), r#"["a*","b"]"#)] {
            assert_eq!(serde_json::to_string(&scope).unwrap(), json);
            assert_eq!(serde_json::from_str::<Scope>(json).unwrap(), scope);
        }
        assert!(!serde_json::from_str::<Scope>("[]").unwrap().covers("a"), "none is not all");
    }

    fn scopes() -> impl Strategy<Value = Scope> {
        let names = prop::collection::vec("[ab]{1,3}\\*?", 1..4);
        prop_oneof![1 => Just(Scope::ALL), 4 => names.prop_map(|names| Scope::of(names).unwrap())]
    }

    proptest! {
        #[test]
        fn what_both_have_is_what_each_has(one in scopes(), other in scopes(), flow in "[ab]{0,4}") {
            let both = one.within(&other);
            prop_assert_eq!(both.covers(&flow), one.covers(&flow) && other.covers(&flow));
            prop_assert!(one.includes(&both) && other.includes(&both));
            prop_assert_eq!(&both, &other.within(&one));
        }

        #[test]
        fn what_is_included_is_covered(one in scopes(), other in scopes(), flow in "[ab]{0,4}") {
            if one.includes(&other) && other.covers(&flow) {
                prop_assert!(one.covers(&flow));
            }
        }
    }
}
