//! The trait that middleware implements.

use serde_json::{Map, Value};

use crate::{Call, Draft, Manifest, Next, Request, Result};

/// What a guardrail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call may happen, as far as this guardrail goes.
    Allow,
    /// It must not, for this reason. The reason is recorded, so it is to hold nothing of a payload.
    Reject(String),
}

impl Verdict {
    /// The call must not happen.
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(reason.into())
    }
}

/// Middleware of model calls. Everything but the manifest has a default that changes nothing. See the [crate](crate).
///
/// There is no `self`: each use gets an instance of its own, in which nothing is left of the one before.
pub trait Middleware {
    /// What it says of itself. Its surfaces say which of the other functions are called.
    fn manifest() -> Manifest;

    /// Decides whether a call may happen. It sees the request as the caller made it; the first guardrail that rejects ends the call.
    ///
    /// # Errors
    ///
    /// End the call, too.
    fn check(call: &Call, request: &Request) -> Result<Verdict> {
        let _ = (call, request);
        Ok(Verdict::Allow)
    }

    /// Rewrites a request. Where the draft has an annotation, change that; of the request only the headers count then.
    ///
    /// # Errors
    ///
    /// End the call before anything is sent.
    fn rewrite(call: &Call, draft: Draft) -> Result<Draft> {
        let _ = call;
        Ok(draft)
    }

    /// Changes what is recorded of a request, and only that. None leaves it out of the record.
    ///
    /// # Errors
    ///
    /// Leave it out of the record, too. The call goes on.
    fn sanitize_request(call: &Call, request: Request) -> Result<Option<Request>> {
        let _ = call;
        Ok(Some(request))
    }

    /// Changes what is recorded of a response, and only that. None leaves it out of the record.
    ///
    /// # Errors
    ///
    /// Leave it out of the record, too. The caller gets the response all the same.
    fn sanitize_response(call: &Call, response: Value) -> Result<Option<Value>> {
        let _ = call;
        Ok(Some(response))
    }

    /// Answers the call: by `next`, which may be called up to 16 times, or otherwise. Calls whose response is streamed fail where it
    /// stands, unless the manifest or whoever installs it [lets them pass](Manifest::pass_streams).
    ///
    /// # Errors
    ///
    /// Fail the call. A failure of `next` that is passed on with `?` reaches the caller as it came.
    fn execute(call: &Call, request: Request, next: &Next<'_>) -> Result<Value> {
        let _ = call;
        next.call(&request)
    }

    /// Receives an event of any call, in the form ATOF 0.1, behind the call that made it. Payloads in it are sanitised already.
    fn on_event(event: &Value, config: &Map<String, Value>) {
        let _ = (event, config);
    }
}
