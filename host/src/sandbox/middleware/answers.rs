//! `next` inside one use of an execution intercept: how often it was called, and what came of it. What the component then returns as it got
//! it is the very response, or failure, that came.

use kitaru_llm::chat::RawRequest;
use kitaru_llm::pipeline::{Failure, Next};
use serde_json::Value;

use super::bindings::kitaru::llm_middleware::types;
use super::texts::{ShownRequest, json, short};
use crate::sandbox::limits::{LimitReached, Limits};

/// How often one use may call `next`: its time does not run there, so nothing else would end a loop of calls, each of which costs money.
const MOST: u32 = 16;
/// Longest word for the class of a failure.
const LONGEST_KIND: usize = 64;

/// What comes after an execution intercept, while it runs.
pub(in crate::sandbox) struct NextCalls {
    next: Next<RawRequest>,
    request: ShownRequest,
    made: u32,
    responses: Vec<(String, Value)>,
    failures: Vec<Failure>,
}

impl NextCalls {
    pub(super) fn new(next: Next<RawRequest>, request: ShownRequest) -> Self {
        Self { next, request, made: 0, responses: Vec::new(), failures: Vec::new() }
    }

    /// Makes the call. The outer error ends the instance.
    pub(super) async fn call(
        &mut self,
        request: types::Request,
        limits: &Limits,
    ) -> Result<Result<String, types::Failure>, LimitReached> {
        if self.made >= MOST {
            return Err(LimitReached(format!("it called `next` more than {MOST} times")));
        }
        self.made += 1;
        let request = match self.request.read(request, limits) {
            Ok(request) => request,
            Err(message) => return Ok(Err(types::Failure { kind: "usage".into(), message, from_next: None })),
        };
        match self.next.run(request).await {
            Ok(response) => {
                let text = response.to_string();
                self.responses.push((text.clone(), response));
                Ok(Ok(text))
            }
            Err(failure) => {
                let shown = types::Failure {
                    kind: failure.error_type().to_owned(),
                    message: short(causes(failure.cause())),
                    from_next: u32::try_from(self.failures.len()).ok(),
                };
                self.failures.push(failure);
                Ok(Err(shown))
            }
        }
    }

    /// The response that the component returned as `text`.
    pub(super) fn response(mut self, text: &str, limits: &Limits) -> Result<Value, String> {
        if let Some(at) = self.responses.iter().position(|(known, _)| known == text) {
            return Ok(self.responses.swap_remove(at).1);
        }
        limits.check_value("the response", text.len()).map_err(|over| over.message)?;
        json("the response", text)
    }

    /// The failure that the component passed on, if it is one of `next`.
    pub(super) fn failure(mut self, returned: &types::Failure) -> Option<Failure> {
        let at = usize::try_from(returned.from_next?).ok().filter(|at| *at < self.failures.len())?;
        Some(self.failures.swap_remove(at))
    }
}

/// The class of a failure that a component made up. Classes are recorded, so they are short words.
pub(super) fn kind(given: String) -> String {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let good = !given.is_empty() && given.len() <= LONGEST_KIND && given.chars().all(fits);
    if good { given } else { "middleware".into() }
}

/// An error with all its causes, in one line.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_short_words() {
        for good in ["timeout", "429", "rate_limited", "my-kind.x"] {
            assert_eq!(kind(good.into()), good);
        }
        for bad in ["", "Text with the prompt in it", "ä", &"x".repeat(65)] {
            assert_eq!(kind(bad.into()), "middleware");
        }
    }
}
