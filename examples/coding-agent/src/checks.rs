//! The project's checks: what its files must have in them. A sandbox starts no compiler, so the checks of this example are a list of
//! expectations, which a project keeps in `checks.json`.

use kitaru::prelude::*;
use kitaru::serde_json;

/// What one file must be. A file that ends in `.json` must be JSON as well.
#[data]
pub(crate) struct Check {
    /// The file's path in the project.
    pub(crate) file: String,
    /// A text that must be in it.
    pub(crate) contains: Option<String>,
    /// A text that must not be in it.
    pub(crate) lacks: Option<String>,
}

/// Reads a list of checks.
pub(crate) fn read(text: &str) -> std::result::Result<Vec<Check>, serde_json::Error> {
    serde_json::from_str(text)
}

impl Check {
    /// Runs the check on the file that `open` reads, and says why it fails.
    pub(crate) fn run(&self, open: impl FnOnce(&str) -> Result<String>) -> std::result::Result<(), String> {
        let Self { file, contains, lacks } = self;
        let text = open(file).map_err(|error| format!("- {file}: {error}"))?;
        if file.ends_with(".json") {
            serde_json::from_str::<Value>(&text).map_err(|error| format!("- {file} is not JSON: {error}"))?;
        }
        if let Some(wanted) = contains.as_ref().filter(|wanted| !text.contains(*wanted)) {
            return Err(format!("- {file} should contain `{wanted}`"));
        }
        if let Some(unwanted) = lacks.as_ref().filter(|unwanted| text.contains(*unwanted)) {
            return Err(format!("- {file} should not contain `{unwanted}`"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(check: &str, text: &str) -> std::result::Result<(), String> {
        read(&format!("[{check}]")).unwrap()[0].run(|_| Ok(text.to_owned()))
    }

    #[test]
    fn a_check_says_why_it_fails() {
        let check = r#"{ "file": "a.json", "contains": "8080", "lacks": "debug" }"#;
        assert_eq!(run(check, r#"{ "port": 8080 }"#), Ok(()));
        assert_eq!(run(check, r#"{ "port": 80 }"#), Err("- a.json should contain `8080`".into()));
        assert_eq!(run(check, r#"["8080 debug"]"#), Err("- a.json should not contain `debug`".into()));
        assert!(run(check, r#"{ "port" }"#).unwrap_err().starts_with("- a.json is not JSON: "));
        let missing = read(r#"[{ "file": "b" }]"#).unwrap()[0].run(|_| Err(err!("no such file")));
        assert_eq!(missing, Err("- b: no such file".into()));
    }
}
