//! What middleware is asked about.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bindings::kitaru::llm_middleware::types;
use crate::{Error, Result};

/// The call of a model that the middleware is asked about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The caller's name for it.
    pub name: String,
    /// The model, after aliases are resolved.
    pub model: String,
    /// The alias that was asked for, where there was one.
    pub alias: Option<String>,
    /// The flow that makes the call, where one does.
    pub flow: Option<String>,
    /// What the caller says about the call; null where that is nothing.
    pub metadata: Value,
    /// The `config` of whoever installed the middleware.
    pub config: Map<String, Value>,
}

impl Call {
    /// One member of the configuration; none where it is absent.
    ///
    /// # Errors
    ///
    /// When it has another type than is asked for.
    pub fn setting<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let found = self.config.get(key).cloned().map(serde_json::from_value).transpose();
        found.map_err(|error| Error::new(format!("the setting `{key}` cannot be used: {error}")))
    }

    pub(crate) fn read(call: types::Call) -> Result<Self> {
        let types::Call { name, model, alias, flow, metadata, config } = call;
        Ok(Self { name, model, alias, flow, metadata: serde_json::from_str(&metadata)?, config: serde_json::from_str(&config)? })
    }
}

/// A request as it goes to the provider. Headers that carry credentials are never among its headers, and cannot be set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Headers by name.
    pub headers: Map<String, Value>,
    /// The body, in the provider's protocol.
    pub content: Value,
}

impl Request {
    /// A request with this body and no headers.
    pub fn new(content: Value) -> Self {
        Self { headers: Map::new(), content }
    }

    pub(crate) fn read(request: &types::Request) -> Result<Self> {
        Ok(Self { headers: serde_json::from_str(&request.headers)?, content: serde_json::from_str(&request.content)? })
    }

    /// As text, and word for word as `given` where nothing was changed: what comes back as it was given is the original itself.
    pub(crate) fn write(&self, given: &types::Request) -> types::Request {
        types::Request {
            headers: unless_changed(&self.headers, &given.headers),
            content: unless_changed(&self.content, &given.content),
        }
    }
}

/// A request on its way through the request intercepts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// The request. With an annotation only its headers count, and a change of its body is an error.
    pub request: Request,
    /// The request in the shape that does not depend on the provider, where the call has a codec: change it instead of the body.
    pub annotated: Option<Value>,
}

/// `value` as text, or `given` where that says the same.
pub(crate) fn unless_changed<T: serde::Serialize + DeserializeOwned + PartialEq>(value: &T, given: &str) -> String {
    let unchanged = serde_json::from_str::<T>(given).is_ok_and(|given| given == *value);
    if unchanged { given.to_owned() } else { serde_json::to_string(value).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_changed_is_word_for_word_what_was_given() {
        let given = types::Request { headers: "{ \"a\": 1 }".into(), content: "[1.50]".into() };
        let mut request = Request::read(&given).unwrap();
        assert_eq!(request.write(&given).content, "[1.50]");
        request.headers.insert("b".into(), json!(2));
        let written = request.write(&given);
        assert_eq!((&*written.headers, &*written.content), (r#"{"a":1,"b":2}"#, "[1.50]"));
    }

    #[test]
    fn settings_have_types() {
        let config = Map::from_iter([("words".to_owned(), json!(["a"]))]);
        let call = Call { config, ..Call::default() };
        assert_eq!(call.setting::<Vec<String>>("words").unwrap(), Some(vec!["a".to_owned()]));
        assert_eq!(call.setting::<u32>("other").unwrap(), None);
        assert!(call.setting::<u32>("words").unwrap_err().to_string().contains("`words`"));
    }
}
