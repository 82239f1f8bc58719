//! The configuration that an execution keeps, as surfaces show it.

use kitaru_llm::models::{FrozenModels, ModelRegistry};
use serde_json::{Map, Value};

/// The configuration in Kitaru's shape, with ours beside it.
pub(super) fn view(mut spec: Value) -> Value {
    if let Value::Object(spec) = &mut spec {
        let own = ["cache", "retries"].map(|key| (key.to_owned(), spec.remove(key).unwrap_or_default()));
        let mut resolved = spec.get("flow_defaults").and_then(Value::as_object).cloned().unwrap_or_default();
        resolved.extend(own.into_iter().filter(|(_, value)| !value.is_null()));
        spec.insert("resolved_execution".into(), Value::Object(resolved));
        // There is no server to connect to.
        spec.insert("connection".into(), Value::Object(Map::new()));
        let models: FrozenModels =
            spec.remove("models").and_then(|models| serde_json::from_value(models).ok()).unwrap_or_default();
        let knows_any = models.registry != ModelRegistry::default();
        let registry = knows_any.then(|| serde_json::to_value(&models.registry).ok()).flatten();
        spec.insert("model_registry".into(), registry.unwrap_or_default());
        spec.insert("default_model".into(), models.default_model.map_or(Value::Null, Value::String));
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn models_are_shown_where_kitaru_has_them() {
        let registry = json!({ "aliases": { "fast": { "model": "openai/a", "secret": "creds" } }, "default": "fast" });
        let models = json!({ "registry": registry, "default_model": "x/y", "transported": true });
        let shown = view(json!({ "version": 1, "models": models, "retries": 2 }));
        assert_eq!((&shown["model_registry"], &shown["default_model"]), (&registry, &json!("x/y")));
        assert_eq!((shown.get("models"), &shown["resolved_execution"]), (None, &json!({ "retries": 2 })));
        let none = view(json!({ "version": 1 }));
        assert_eq!((&none["model_registry"], &none["default_model"]), (&Value::Null, &Value::Null));
    }
}
