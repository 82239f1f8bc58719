//! What the attributes expand to, and the entry points behind the component's exports, for tests. Not part of the interface: it
//! changes with the macros, whose version is pinned to this crate's.

use schemars::Schema;
use serde_json::{Map, Value};

use crate::bindings::kitaru::flow::checkpoint;
use crate::schema::{attach_definitions, generator};
use crate::{Error, FlowScope, Result, json};

pub use crate::codec::{Codec, codec};
pub use crate::manifest::describe;
pub use crate::outcome::Outcome;
pub use crate::program::{run_checkpoint, run_flow};
pub use crate::registry::{CheckpointEntry, Entry, FlowEntry};
pub use inventory;

/// Fails to compile, with a sentence, where a flow is called like a function.
#[diagnostic::on_unimplemented(
    message = "a flow cannot be called like a function",
    label = "flows are started by the host: `kitaru-host run <component>:<flow>`",
    note = "move what two flows share into a checkpoint, or into a function without an attribute"
)]
pub trait CalledByHost {
    /// Nothing implements this.
    fn never(&self) -> !;
}

/// The arguments of one call, on their way out.
#[derive(Debug, Default)]
pub struct Outgoing {
    text: String,
}

impl Outgoing {
    /// Adds one argument.
    pub fn with<T>(mut self, name: &str, codec: Codec<T>, value: &T) -> Result<Self> {
        let value = codec
            .encode(value)
            .map_err(|error| Error::serialization(format!("argument `{name}` cannot be written as JSON: {error}")))?;
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        self.text.push_str(&json::to_text(name)?);
        self.text.push(':');
        self.text.push_str(&value);
        Ok(self)
    }

    /// Calls the checkpoint through the host and decodes its result.
    pub fn call<T>(mut self, _: &impl FlowScope, name: &str, id: Option<String>, result: Codec<T>) -> Result<T> {
        if self.text.is_empty() {
            self.text.push('{');
        }
        self.text.push('}');
        let text = checkpoint::call(name, &self.text, &checkpoint::Options { id })?;
        result.decode(&text).map_err(|error| {
            Error::serialization(format!("the result of checkpoint `{name}` is not what its signature says: {error}"))
        })
    }
}

/// The arguments of one call, on their way in.
#[derive(Debug)]
pub struct Incoming {
    arguments: Map<String, Value>,
}

impl Incoming {
    /// Reads the object of named arguments, and refuses those that are not among `parameters`.
    pub fn new(input: &str, parameters: &[&str]) -> Result<Self> {
        let value: Value =
            serde_json::from_str(input).map_err(|error| Error::usage(format!("the input is not JSON: {error}")))?;
        let Value::Object(arguments) = value else {
            return Err(Error::usage("the input is not a JSON object of named arguments"));
        };
        match arguments.keys().find(|name| !parameters.contains(&name.as_str())) {
            None => Ok(Self { arguments }),
            Some(name) if parameters.is_empty() => Err(Error::usage(format!("there is no argument `{name}`: none are taken"))),
            Some(name) => Err(Error::usage(format!("there is no argument `{name}`; there are: {}", parameters.join(", ")))),
        }
    }

    /// Takes one argument out.
    pub fn take<T>(&mut self, name: &str, codec: Codec<T>) -> Result<T> {
        match self.arguments.remove(name) {
            Some(value) => codec.decode_value(value).map_err(|error| Error::usage(format!("argument `{name}`: {error}"))),
            None => codec.missing().ok_or_else(|| Error::usage(format!("argument `{name}` is missing"))),
        }
    }
}

/// Encodes what a body returned.
pub fn finish<T>(result: Result<T>, codec: Codec<T>) -> Result<String> {
    codec.encode(&result?).map_err(|error| Error::serialization(format!("the result cannot be written as JSON: {error}")))
}

/// The schema of an object of named arguments.
#[derive(Debug)]
pub struct InputSchema {
    generator: schemars::SchemaGenerator,
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl Default for InputSchema {
    fn default() -> Self {
        Self { generator: generator(), properties: Map::new(), required: Vec::new() }
    }
}

impl InputSchema {
    /// Adds one argument.
    #[must_use]
    pub fn with<T>(mut self, name: &str, codec: Codec<T>) -> Self {
        if codec.missing().is_none() {
            self.required.push(Value::String(name.to_owned()));
        }
        self.properties.insert(name.to_owned(), codec.subschema(&mut self.generator).to_value());
        self
    }

    /// The whole, with the definitions that it refers to.
    pub fn finish(mut self) -> Schema {
        let mut schema = schemars::json_schema!({
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        });
        attach_definitions(&mut schema, &mut self.generator);
        schema
    }
}

/// The schema of a result.
pub fn result_schema<T>(codec: Codec<T>) -> Schema {
    codec.schema()
}
