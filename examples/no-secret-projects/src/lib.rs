//! Middleware of model calls that knows the names of secret projects: a request that has one is refused, and in an answer each letter becomes a star.
//!
//! The names are in the configuration of whoever installs it, and in no record: `config = { words = ["Bluebird"] }`.

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
        let text = request.content.to_string();
        Ok(match words(call)?.iter().position(|word| text.contains(word)) {
            // Reasons are recorded: the word itself stays out of them.
            Some(at) => Verdict::reject(format!("it names a secret project, number {} of `words`", at + 1)),
            None => Verdict::Allow,
        })
    }

    fn execute(call: &Call, request: Request, next: &Next<'_>) -> Result<Value> {
        let mut response = next.call(&request)?;
        let words = words(call)?;
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
        Call { config: Map::from_iter([("words".to_owned(), json!(["Bluebird", ""]))]), ..Call::default() }
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
}
