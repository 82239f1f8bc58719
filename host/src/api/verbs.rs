//! Verbs of the table as routes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::identity::Asker;
use super::parameters::Shape;
use super::problem::Problem;
use super::requests::Named;
use super::{Api, BASE, body, conditional};
use crate::service::ServiceError;
use crate::service::verbs::{Effect, Entry, Method};

/// The header of a request that is to be carried out once, however often it is sent.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The parameter that it is.
const IDEMPOTENCY_PARAMETER: &str = "idempotency_key";

struct Route {
    entry: &'static Entry,
    shape: Shape,
}

/// Adds the route of a verb.
pub(super) fn route(router: Router<Api>, entry: &'static Entry) -> Router<Api> {
    let route = Arc::new(Route { entry, shape: Shape::of((entry.params)().as_value()) });
    let method = match entry.about.method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    };
    let handler = async move |State(api): State<Api>, asker: Result<Asker, Problem>, path: PathResult, request: Request| {
        let answered = match asker {
            Ok(asker) => route.answer(&api, asker, path, request).await,
            Err(problem) => Err(problem),
        };
        let mut response = answered.unwrap_or_else(Problem::into_response);
        response.extensions_mut().insert(Named(route.entry.about.name));
        response
    };
    router.route(&format!("{BASE}{}", entry.about.path), on(method, handler))
}

/// The fields of a body, each once: who reads along need not take the same of two.
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Fields;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom("a field is given twice"));
                    }
                    fields.insert(name, value);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

type PathResult = Result<RawPathParams, RawPathParamsRejection>;

impl Route {
    async fn answer(&self, api: &Api, asker: Asker, path: PathResult, request: Request) -> Result<Response, Problem> {
        // Before anything is read of whoever may not.
        if let Err(error) = asker.caller().require(self.entry.about.role) {
            let refused: Result<(), ServiceError> = Err(error.into());
            asker.service.noted(&self.entry.about, None, refused).await?;
        }
        let (parts, sent) = request.into_parts();
        let mut params = Map::new();
        for (name, text) in &path.map_err(|_| Problem::usage("the path is no text in UTF-8"))? {
            params.insert(name.to_owned(), self.shape.of_path(name, text)?);
        }
        if self.entry.about.method.has_body() {
            super::parameters::only(&parts.uri, &[])?;
            for (name, value) in self.body(api, &parts.headers, sent).await? {
                if params.insert(name.clone(), value).is_some() {
                    return Err(Problem::usage(format!("`{name}` is given by the path, and not by the body")));
                }
            }
        } else {
            let of_query = self.shape.of_query(&parts.uri, &params)?;
            params.extend(of_query);
        }
        self.with_key(&parts.headers, &mut params)?;
        let caller = asker.caller().clone();
        let output = self.call(asker, Value::Object(params)).await?;
        let status = StatusCode::from_u16(self.entry.about.status).unwrap_or(StatusCode::OK);
        let asked = (self.entry.about.method == Method::Get).then_some(&parts.headers);
        api.held(&caller, conditional::json(status, &output, asked))
    }

    async fn call(&self, asker: Asker, params: Value) -> Result<Value, Problem> {
        let entry = self.entry;
        if entry.about.effect == Effect::Reads {
            return Ok(asker.service.call(entry, params).await?);
        }
        // What was begun comes to its end, also when nobody waits for the answer any more.
        let called = tokio::spawn(async move { asker.service.call(entry, params).await });
        Ok(called.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request was cut short"))??)
    }

    async fn body(&self, api: &Api, headers: &HeaderMap, sent: Body) -> Result<Map<String, Value>, Problem> {
        let settings = &api.shared.settings;
        let bytes = body::read(sent, settings.largest_body, settings.body_patience).await?;
        if bytes.is_empty() {
            return Ok(Map::new());
        }
        require_json(headers)?;
        let read: Fields =
            serde_json::from_slice(&bytes).map_err(|error| Problem::usage(format!("the body must be a JSON object: {error}")))?;
        Ok(read.0)
    }

    /// A key in the header is the verb's parameter. It is the verb that carries a request out once.
    fn with_key(&self, headers: &HeaderMap, params: &mut Map<String, Value>) -> Result<(), Problem> {
        let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(()) };
        if !self.shape.has(IDEMPOTENCY_PARAMETER) {
            // Whoever sends it relies on it.
            return Err(Problem::usage("this request cannot be carried out once by a key").hint("leave `Idempotency-Key` out"));
        }
        let key = key.to_str().map_err(|_| Problem::usage("`Idempotency-Key` is no text in ASCII"))?;
        let before = params.insert(IDEMPOTENCY_PARAMETER.to_owned(), key.into());
        if before.is_some_and(|before| before != key) {
            return Err(Problem::usage("the header `Idempotency-Key` and `idempotency_key` say different keys"));
        }
        Ok(())
    }
}

/// A body is JSON where it says so: no form of another page can.
pub(super) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = said.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be JSON")
        .hint("say so: `Content-Type: application/json`"))
}
