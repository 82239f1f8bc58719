//! Secrets, as surfaces show them: what they are called, and their values only to whoever asks for those.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::ServiceError;
use crate::engine::{Engine, SecretChange};
use crate::secrets::{ExposeSecret as _, SecretString};
use crate::service::Word;
use crate::store::SecretRow;

/// How long names of secrets and of their values may be.
const LONGEST_NAME: usize = 100;
/// How large a value may be.
const LARGEST_VALUE: usize = 64 * 1024;
/// How many values one change may have.
const MOST_VALUES: usize = 256;

/// A secret without its values.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SecretView {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Always `private`: it is the data folder's.
    pub visibility: Word,
    /// The names of its values.
    pub keys: Vec<String>,
    /// Always false: a key without a value cannot be set.
    pub has_missing_values: bool,
    /// Its version.
    pub version: u64,
    /// What people noted about it.
    pub metadata: Value,
    /// When it was made.
    pub created_at: String,
    /// When it got this version.
    pub updated_at: String,
}

impl From<&SecretRow> for SecretView {
    fn from(row: &SecretRow) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name.clone(),
            visibility: "private".into(),
            keys: row.values.iter().map(|value| value.key.clone()).collect(),
            has_missing_values: false,
            version: row.version,
            metadata: serde_json::from_str(&row.metadata).unwrap_or(Value::Null),
            created_at: row.created_at.to_rfc3339(),
            updated_at: row.updated_at.to_rfc3339(),
        }
    }
}

/// Values that somebody asked to see. Only writing them out shows them.
#[derive(Clone, Debug)]
pub struct RevealedValues(BTreeMap<String, SecretString>);

impl RevealedValues {
    /// Each value with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl Serialize for RevealedValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(key, value)| (key, value.expose_secret())))
    }
}

impl<'de> Deserialize<'de> for RevealedValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Self(values.into_iter().map(|(key, value)| (key, SecretString::from(value))).collect()))
    }
}

/// A secret, with its values if they were asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SecretDetailView {
    /// The secret.
    #[serde(flatten)]
    pub secret: SecretView,
    /// Its values; null unless they were asked for.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub values: Option<RevealedValues>,
}

/// A secret that was set or removed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SecretChangedView {
    /// The secret, as it is now, or was.
    #[serde(flatten)]
    pub secret: SecretView,
    /// `created`, `updated` or `deleted`.
    pub result: Word,
    /// Where the key is that was made for it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_key: Option<String>,
}

/// Makes a secret, or its next version.
pub(super) async fn set(engine: &Engine, change: &SecretChange) -> Result<SecretChangedView, ServiceError> {
    check(change)?;
    let set = engine.set_secret(change).await?;
    Ok(SecretChangedView {
        secret: SecretView::from(&set.secret),
        result: if set.is_new { "created".into() } else { "updated".into() },
        new_key: set.new_key.map(|source| source.to_string()),
    })
}

/// One secret.
pub(super) async fn show(engine: &Engine, name_or_id: &str, reveal: bool) -> Result<SecretDetailView, ServiceError> {
    let row = find(engine, name_or_id).await?;
    let values = if reveal { Some(RevealedValues(engine.secret_values(&row).await?)) } else { None };
    Ok(SecretDetailView { secret: SecretView::from(&row), values })
}

/// All secrets, in the order in which people look for them.
pub(super) async fn list(engine: &Engine) -> Result<Vec<SecretView>, ServiceError> {
    let mut views: Vec<SecretView> = engine.store().secrets().await?.iter().map(SecretView::from).collect();
    views.sort_by_cached_key(|view| (view.name.to_lowercase(), view.id.clone()));
    Ok(views)
}

/// Removes a secret.
pub(super) async fn delete(engine: &Engine, name_or_id: &str) -> Result<SecretChangedView, ServiceError> {
    let row = find(engine, name_or_id).await?;
    engine.delete_secret(&row).await?;
    Ok(SecretChangedView { secret: SecretView::from(&row), result: "deleted".into(), new_key: None })
}

async fn find(engine: &Engine, name_or_id: &str) -> Result<SecretRow, ServiceError> {
    engine.secret(name_or_id).await?.ok_or_else(|| ServiceError::NotFound {
        message: format!("Secret `{name_or_id}` was not found."),
        hint: Some("list them: kitaru-host secrets list".into()),
    })
}

/// Refuses what cannot be a secret. No message has a value in it.
fn check(change: &SecretChange) -> Result<(), ServiceError> {
    let name = &change.name;
    if !is_name(name) {
        return Err(ServiceError::Usage {
            message: match like_a_name(name) {
                true => format!("`{name}` cannot be the name of a secret."),
                false => "What stands in the name's place cannot be the name of a secret.".to_owned(),
            },
            hint: Some("a name has 1 to 100 letters, digits, `.`, `_` and `-`, and begins with a letter or a digit".into()),
        });
    }
    if change.values.is_empty() {
        return Err(ServiceError::usage("Provide at least one secret assignment (for example `--OPENAI_API_KEY=sk-...`)."));
    }
    if change.values.len() > MOST_VALUES {
        return Err(ServiceError::usage(format!("One command sets at most {MOST_VALUES} values.")));
    }
    let mut seen = HashSet::new();
    for (key, value) in &change.values {
        let problem = match value.expose_secret().len() {
            _ if key.is_empty() => Some("Secret key cannot be empty.".to_owned()),
            _ if !is_key(key) => Some(format!(
                "Invalid secret key{}. Use env-var style names (letters, numbers, underscores; cannot start with a number).",
                shown(key)
            )),
            0 => Some(format!("Secret value for key `{key}` cannot be empty.")),
            length if length > LARGEST_VALUE => Some(format!("Secret value for key `{key}` cannot have more than 64 KiB.")),
            _ if !seen.insert(key) => Some(format!("Duplicate secret key `{key}` in one command.")),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(ServiceError::usage(problem));
        }
    }
    Ok(())
}

/// What cannot be a key may be a value in the wrong place: it is named only where it looks like a name.
fn shown(key: &str) -> String {
    let like_a_name = key.len() <= 40 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if like_a_name { format!(" `{key}`") } else { String::new() }
}

/// What cannot be a name may be an assignment or a value in its place, as after `secrets set KEY=value`: it is shown only where it looks like a name.
fn like_a_name(text: &str) -> bool {
    text.len() <= 40 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '_' | '-'))
}

fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn is_key(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str, values: &[(&str, &str)]) -> SecretChange {
        let values = values.iter().map(|(key, value)| ((*key).to_owned(), SecretString::from(*value))).collect();
        SecretChange { name: name.into(), values, ..SecretChange::default() }
    }

    #[test]
    fn names_and_keys() {
        let long = "a".repeat(LONGEST_NAME);
        for name in ["openai-creds", "a", "7", "team.a_b-C", &long] {
            assert!(check(&change(name, &[("KEY", "v")])).is_ok(), "{name}");
        }
        for name in ["", "-a", ".a", "a b", "a/b", "a\n", "é", &format!("{long}a")] {
            let error = check(&change(name, &[("KEY", "v")])).unwrap_err();
            assert!(error.hint().is_some(), "{name}: {error}");
        }
        for key in ["A", "_", "a1", "OPENAI_API_KEY"] {
            assert!(check(&change("a", &[(key, "v")])).is_ok(), "{key}");
        }
    }

    #[test]
    fn an_assignment_in_the_names_place_is_not_shown() {
        for name in ["OPENAI_API_KEY=marker", "marker/with+signs", &"marker ".repeat(7)] {
            let error = check(&change(name, &[])).unwrap_err();
            assert!(error.to_string().contains("cannot be the name of a secret."), "{error}");
            assert!(!format!("{error} {error:?}").contains("marker"), "{error}");
        }
        assert!(check(&change("no good", &[])).unwrap_err().to_string().contains("`no good`"));
    }

    #[test]
    fn x16_each_refusal_has_its_message_and_none_has_the_value() {
        let large = "marker".repeat(LARGEST_VALUE);
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[], "Provide at least one secret assignment"),
            (&[("", "marker")], "Secret key cannot be empty."),
            (&[("1KEY", "marker")], "Invalid secret key `1KEY`. Use env-var style names"),
            (&[("A-B", "marker")], "Invalid secret key. Use env-var style names"),
            (&[("sk-marker-in-the-wrong-place", "x")], "Invalid secret key. Use env-var style names"),
            (&[("KEY", "")], "Secret value for key `KEY` cannot be empty."),
            (&[("KEY", &large)], "Secret value for key `KEY` cannot have more than 64 KiB."),
            (&[("KEY", "marker"), ("KEY", "marker")], "Duplicate secret key `KEY` in one command."),
        ];
        for (values, message) in cases {
            let change = change("creds", values);
            let error = check(&change).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
            assert_eq!(error.class(), "KitaruUsageError");
            assert!(!format!("{error} {error:?}").contains("marker"), "{error}");
        }
    }

    #[test]
    fn values_show_only_where_they_are_written_out() {
        let values = RevealedValues(BTreeMap::from([("KEY".to_owned(), SecretString::from("marker"))]));
        assert!(!format!("{values:?}").contains("marker"));
        assert_eq!(serde_json::to_string(&values).unwrap(), r#"{"KEY":"marker"}"#);
    }
}
