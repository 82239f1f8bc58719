//! From the component's exports to the functions of the one middleware in it.

use std::cell::RefCell;

use serde_json::{Map, Value};

use crate::bindings::kitaru::llm_middleware::{next, types};
use crate::call::unless_changed;
use crate::{Call, Draft, Error, Manifest, Middleware, Next, Request, Result, Verdict};

/// The functions of middleware that a crate exports.
#[derive(Debug)]
pub struct Entry {
    manifest: fn() -> Manifest,
    check: fn(&Call, &Request) -> Result<Verdict>,
    rewrite: fn(&Call, Draft) -> Result<Draft>,
    sanitize_request: fn(&Call, Request) -> Result<Option<Request>>,
    sanitize_response: fn(&Call, Value) -> Result<Option<Value>>,
    execute: fn(&Call, Request, &Next<'_>) -> Result<Value>,
    on_event: fn(&Value, &Map<String, Value>),
}

impl Entry {
    /// Those of `M`.
    pub const fn of<M: Middleware>() -> Self {
        Self {
            manifest: M::manifest,
            check: M::check,
            rewrite: M::rewrite,
            sanitize_request: M::sanitize_request,
            sanitize_response: M::sanitize_response,
            execute: M::execute,
            on_event: M::on_event,
        }
    }
}

inventory::collect!(Entry);

/// Makes a type that implements [`Middleware`] what the component is. Once in a component.
///
/// ```
/// struct Nothing;
///
/// impl kitaru_middleware::Middleware for Nothing {
///     fn manifest() -> kitaru_middleware::Manifest {
///         kitaru_middleware::Manifest::new("nothing", "1.0.0").surfaces([kitaru_middleware::Surface::Check])
///     }
/// }
///
/// kitaru_middleware::export!(Nothing);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    ($middleware:ty) => {
        $crate::expansion::inventory::submit! { $crate::expansion::Entry::of::<$middleware>() }
    };
}

fn the_one() -> Result<&'static Entry> {
    let mut entries = inventory::iter::<Entry>();
    match (entries.next(), entries.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::new("the component exports no middleware: `kitaru_middleware::export!(…)` is missing")),
        (Some(_), Some(_)) => Err(Error::new("the component exports middleware twice: `export!` is for one type")),
    }
}

pub(crate) fn describe() -> String {
    let manifest = the_one().map(|entry| (entry.manifest)()).unwrap_or_else(|error| {
        let mut manifest = Manifest::new("none", "");
        manifest.errors.push(error.to_string());
        manifest
    });
    serde_json::to_string(&manifest).unwrap_or_default()
}

pub(crate) fn check(call: types::Call, request: &types::Request) -> Result<Option<String>> {
    match (the_one()?.check)(&Call::read(call)?, &Request::read(request)?)? {
        Verdict::Allow => Ok(None),
        Verdict::Reject(reason) => Ok(Some(reason)),
    }
}

pub(crate) fn rewrite(call: types::Call, request: &types::Request, annotated: Option<String>) -> Result<types::Outcome> {
    let given = annotated.as_deref().map(serde_json::from_str).transpose()?;
    let draft = Draft { request: Request::read(request)?, annotated: given };
    let done = (the_one()?.rewrite)(&Call::read(call)?, draft)?;
    let annotated = done.annotated.map(|done| unless_changed(&done, annotated.as_deref().unwrap_or_default()));
    Ok(types::Outcome { request: done.request.write(request), annotated })
}

pub(crate) fn sanitize_request(call: types::Call, request: &types::Request) -> Result<Option<types::Request>> {
    let done = (the_one()?.sanitize_request)(&Call::read(call)?, Request::read(request)?)?;
    Ok(done.map(|done| done.write(request)))
}

pub(crate) fn sanitize_response(call: types::Call, response: &str) -> Result<Option<String>> {
    let done = (the_one()?.sanitize_response)(&Call::read(call)?, serde_json::from_str(response)?)?;
    Ok(done.map(|done| unless_changed(&done, response)))
}

pub(crate) fn execute(call: types::Call, request: types::Request) -> Result<String> {
    let (call, read) = (Call::read(call)?, Request::read(&request)?);
    let responses = RefCell::new(Vec::<String>::new());
    let next = Next::with(|asked| {
        let response = next::call(&asked.write(&request)).map_err(Error::of_next)?;
        let value = serde_json::from_str(&response)?;
        responses.borrow_mut().push(response);
        Ok(value)
    });
    let done = (the_one()?.execute)(&call, read, &next)?;
    // A response that is passed on is passed on word for word.
    let known = responses
        .borrow()
        .iter()
        .rev()
        .find(|text| serde_json::from_str::<Value>(text).is_ok_and(|known| known == done))
        .cloned();
    Ok(known.unwrap_or_else(|| done.to_string()))
}

pub(crate) fn on_event(event: &str, config: &str) {
    let read = || Ok::<_, Error>((the_one()?, serde_json::from_str(event)?, serde_json::from_str(config)?));
    match read() {
        Ok((entry, event, config)) => (entry.on_event)(&event, &config),
        Err(error) => crate::log::error(format!("an event could not be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Surface;

    struct Shouting;

    impl Middleware for Shouting {
        fn manifest() -> Manifest {
            Manifest::new("shouting", "1.0.0")
                .surfaces([Surface::Rewrite, Surface::SanitizeResponse])
                .priority(7)
                .refuse_streams()
        }

        fn rewrite(call: &Call, mut draft: Draft) -> Result<Draft> {
            draft.request.headers.insert("x-model".into(), json!(call.model));
            Ok(draft)
        }

        fn sanitize_response(_: &Call, response: Value) -> Result<Option<Value>> {
            Ok(response.as_str().map(|text| json!(text.to_uppercase())))
        }
    }

    export!(Shouting);

    fn call() -> types::Call {
        types::Call { name: "c".into(), model: "m".into(), alias: None, flow: None, metadata: "null".into(), config: "{}".into() }
    }

    #[test]
    fn the_exports_reach_the_one_middleware() {
        let described: Value = serde_json::from_str(&describe()).unwrap();
        let manifest = json!({
            "manifest": 1, "name": "shouting", "version": "1.0.0", "surfaces": ["rewrite", "sanitize_response"], "priority": 7,
            "streams": "refuse",
        });
        assert_eq!(described, manifest);

        let given = types::Request { headers: "{}".into(), content: "{\"a\":1.50}".into() };
        let done = rewrite(call(), &given, Some("{\"model\": \"m\"}".into())).unwrap();
        assert_eq!(done.request.headers, r#"{"x-model":"m"}"#);
        assert_eq!((&*done.request.content, done.annotated.as_deref()), ("{\"a\":1.50}", Some("{\"model\": \"m\"}")));

        assert_eq!(sanitize_response(call(), "\"a\"").unwrap().as_deref(), Some("\"A\""));
        assert_eq!(sanitize_response(call(), "1").unwrap(), None);
        // Defaults change nothing.
        assert_eq!(check(call(), &given).unwrap(), None);
        assert_eq!(sanitize_request(call(), &given).unwrap().map(|request| request.content), Some("{\"a\":1.50}".to_owned()));
    }
}
