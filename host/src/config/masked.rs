//! Environment variables as they are shown to people: keys and passwords in them hidden.

use schemars::JsonSchema;
use serde::Serialize;

/// Words in the names of variables that hold something secret.
const SECRET: [&str; 7] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "AUTH", "HEADERS"];
/// Variables of which no part is shown: the key of all secrets, and lists that may begin with a key.
const WHOLE: [&str; 2] = ["KITARU_SECRETS_KEY", "OTEL_EXPORTER_OTLP_HEADERS"];
/// Of a value that is long enough to stay secret, so many characters are shown.
const SHOWN: usize = 8;
/// The shortest value of which a part is shown.
const LONG: usize = 24;
/// What is shown for the rest.
const REST: &str = "***";

/// A variable that is set, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: String,
    /// Its value; of one that may be secret, its beginning or nothing.
    pub value: String,
}

/// The variables that change what this program does, of all that are set, by name. `keys` are names of providers' keys.
pub fn masked(variables: impl IntoIterator<Item = (String, String)>, keys: &[&str]) -> Vec<EnvironmentVariable> {
    let counts = |name: &str| name.starts_with("KITARU_") || name == "NO_COLOR" || keys.contains(&name);
    let shown = |(name, value): (String, String)| EnvironmentVariable { value: value_of(&name, &value, keys), name };
    let mut found: Vec<_> = variables.into_iter().filter(|(name, _)| counts(name)).map(shown).collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn value_of(name: &str, value: &str, keys: &[&str]) -> String {
    let upper = name.to_ascii_uppercase();
    let is_secret = keys.contains(&name) || SECRET.iter().any(|word| upper.contains(word));
    if !is_secret {
        return without_user(value);
    }
    let length = value.chars().count();
    match length {
        0 => String::new(),
        // The beginning of a short one would be most of it.
        _ if length < LONG || WHOLE.contains(&upper.as_str()) => REST.to_owned(),
        _ => value.chars().take(SHOWN).chain(REST.chars()).collect(),
    }
}

/// An address without the user in it.
fn without_user(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://{REST}{}", rest.get(user.len()..).unwrap_or_default()),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_hidden() {
        let long = "sk-12345678901234567890123456";
        for (name, value, shown) in [
            ("KITARU_HOME", "/home/me/data", "/home/me/data"),
            ("KITARU_AUTH_TOKEN", long, "sk-12345***"),
            ("KITARU_AUTH_TOKEN", "short", "***"),
            ("KITARU_SECRETS_KEY", long, "***"),
            ("KITARU_LOG_STORE_API_KEY", "creds", "***"),
            ("KITARU_SERVER_URL", "https://me:pass@k.example/x", "https://***@k.example/x"),
            ("OPENAI_API_KEY", long, "sk-12345***"),
            ("HF_TOKEN", "", ""),
            ("NO_COLOR", "1", "1"),
        ] {
            let keys = ["OPENAI_API_KEY", "HF_TOKEN"];
            let found = masked([(name.to_owned(), value.to_owned())], &keys);
            assert_eq!(found, [EnvironmentVariable { name: name.into(), value: shown.into() }]);
        }
    }

    #[test]
    fn others_are_nobodys_business() {
        let all = ["PATH", "AWS_SECRET_ACCESS_KEY", "KITARU_B", "KITARU_A"].map(|name| (name.to_owned(), "x".to_owned()));
        let names: Vec<String> = masked(all, &["OPENAI_API_KEY"]).into_iter().map(|it| it.name).collect();
        assert_eq!(names, ["KITARU_A", "KITARU_B"]);
    }
}
