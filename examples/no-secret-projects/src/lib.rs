//! Middleware of model calls that knows the names of secret projects: a request that has one is refused, and in an answer each letter becomes a star.
//!
//! The names are in the configuration of whoever installs it, and in no record: `config = { words = ["Bluebird"] }`.

use std::cmp::Reverse;

use kitaru_middleware::serde_json::Value;
use kitaru_middleware::{Call, Manifest, Middleware, Next, Request, Result, Surface, Verdict};

/// Refuses requests that name a secret project, and masks its name in answers.
struct NoSecretProjects;

impl Middleware for NoSecretProjects {
    fn manifest() -> Manifest {
        Manifest::new("no-secret-projects", env!("CARGO_PKG_VERSION"))
            .doc("Keeps the names of secret projects from models, and out of what they answer")
            .surfaces([Surface::Check, Surface::Execute])
            .priority(10)
    }

    fn check(call: &Call, request: &Request) -> Result<Verdict> {
        Ok(match words(call)?.iter().position(|word| says(&request.content, word)) {
            // Reasons are recorded: the word itself stays out of them.
            Some(at) => Verdict::reject(format!("it names a secret project, number {} of `words`", at + 1)),
            None => Verdict::Allow,
        })
    }

    fn execute(call: &Call, request: Request, next: &Next<'_>) -> Result<Value> {
        let mut response = next.call(&request)?;
        let mut words = words(call)?;
        // With "Blue" first, "Bluebird" would not be found any more.
        words.sort_by_key(|word| Reverse(word.len()));
        mask(&mut response, &words);
        Ok(response)
    }
}

kitaru_middleware::export!(NoSecretProjects);

/// The names, as whoever installed it says.
fn words(call: &Call) -> Result<Vec<String>> {
    let words: Vec<String> = call.setting("words")?.unwrap_or_default();
    Ok(words.into_iter().filter(|word| !word.is_empty()).collect())
}

/// Whether a word is in a text or a name of a request. Its JSON has other letters where there is a quote or a backslash.
fn says(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text.contains(word),
        Value::Array(items) => items.iter().any(|item| says(item, word)),
        Value::Object(members) => members.iter().any(|(name, member)| name.contains(word) || says(member, word)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Puts stars in the place of words, in every text: where a provider writes its answer is different in each protocol.
fn mask(value: &mut Value, words: &[String]) {
    match value {
        Value::String(text) => {
            for word in words {
                *text = text.replace(word, &"*".repeat(word.chars().count()));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask(item, words)),
        Value::Object(members) => members.values_mut().for_each(|member| mask(member, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use kitaru_middleware::serde_json::{Map, json};

    use super::*;

    fn call() -> Call {
        with(&["Bluebird", ""])
    }

    fn with(words: &[&str]) -> Call {
        Call { config: Map::from_iter([("words".to_owned(), json!(words))]), ..Call::default() }
    }

    #[test]
    fn a_request_that_names_a_project_is_refused_without_the_name() -> Result<()> {
        let named = Request::new(json!({ "messages": [{ "role": "user", "content": "What is Bluebird?" }] }));
        let Verdict::Reject(reason) = NoSecretProjects::check(&call(), &named)? else {
            return Err(kitaru_middleware::Error::new("it should be refused"));
        };
        assert_eq!(reason, "it names a secret project, number 1 of `words`");
        let other = Request::new(json!({ "messages": [{ "role": "user", "content": "What is blue?" }] }));
        assert_eq!(NoSecretProjects::check(&call(), &other)?, Verdict::Allow);
        Ok(())
    }

    #[test]
    fn an_answer_has_stars_in_its_place() -> Result<()> {
        let next = Next::with(|_| Ok(json!({ "choices": [{ "message": { "content": "Bluebird flies." } }], "n": 1 })));
        let masked = NoSecretProjects::execute(&call(), Request::default(), &next)?;
        assert_eq!(masked, json!({ "choices": [{ "message": { "content": "******** flies." } }], "n": 1 }));
        Ok(())
    }

    #[test]
    fn a_name_in_another_name_leaves_nothing_of_it() -> Result<()> {
        let next = Next::with(|_| Ok(json!("Blue and Bluebird.")));
        for words in [["Blue", "Bluebird"], ["Bluebird", "Blue"]] {
            assert_eq!(NoSecretProjects::execute(&with(&words), Request::default(), &next)?, json!("**** and ********."));
        }
        Ok(())
    }

    #[test]
    fn a_name_is_found_whatever_json_makes_of_its_letters() -> Result<()> {
        for word in ["The \"Bird\"", r"Blue\bird", "Blue\nbird"] {
            let refused = Verdict::reject("it names a secret project, number 1 of `words`");
            for content in [json!({ "messages": [{ "content": format!("What is {word}?") }] }), json!({ "tools": { word: 1 } })] {
                assert_eq!(NoSecretProjects::check(&with(&[word]), &Request::new(content))?, refused, "{word}");
            }
        }
        Ok(())
    }
}
