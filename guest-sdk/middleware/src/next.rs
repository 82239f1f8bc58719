//! What comes after an execution intercept.

use std::fmt;

use serde_json::Value;

use crate::{Request, Result};

type Answer<'a> = dyn Fn(&Request) -> Result<Value> + 'a;

/// What comes after an execution intercept: the next one, or the provider.
pub struct Next<'a>(Box<Answer<'a>>);

impl<'a> Next<'a> {
    /// A stand-in for tests.
    ///
    /// ```
    /// use kitaru_middleware::{Next, Request, serde_json::json};
    /// let next = Next::with(|request| Ok(json!({ "echo": request.content })));
    /// assert_eq!(next.call(&Request::new(json!(1))).ok(), Some(json!({ "echo": 1 })));
    /// ```
    pub fn with(answer: impl Fn(&Request) -> Result<Value> + 'a) -> Self {
        Self(Box::new(answer))
    }

    /// Makes the call with `request` and waits for the response. The time that it takes does not count as one's own.
    ///
    /// # Errors
    ///
    /// Why it could not be made. Passed on, it reaches the caller as it came.
    pub fn call(&self, request: &Request) -> Result<Value> {
        (self.0)(request)
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}
