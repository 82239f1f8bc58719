//! What the attributes expand to, and the entry points behind the component's exports, for tests. Not part of the interface: it
//! changes with the macros, whose version is pinned to this crate's.

use schemars::Schema;
use serde_json::{Map, Value};

use crate::bindings::kitaru::flow::{checkpoint, flows, types};
use crate::pending::Pending;
use crate::schema::{attach_definitions, generator};
use crate::{Error, FlowScope, Result, json};

pub use crate::codec::{Codec, codec};
pub use crate::executor::block_on;
pub use crate::manifest::describe;
pub use crate::outcome::Outcome;
pub use crate::program::{run_checkpoint, run_flow};
pub use crate::registry::{CheckpointEntry, CheckpointOptions, ComponentNeeds, Entry, FlowEntry, FlowOptions, Needs};
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
    arguments: Vec<(&'static str, String)>,
}

impl Outgoing {
    /// Adds one argument.
    pub fn with<T>(mut self, name: &'static str, codec: Codec<T>, value: &T) -> Result<Self> {
        let value = encode(name, &codec, value)?;
        self.arguments.push((name, value));
        Ok(self)
    }

    /// Adds one argument that is JSON already.
    pub fn with_text(mut self, name: &'static str, value: &str) -> Result<Self> {
        self.arguments.push((name, value.to_owned()));
        Ok(self)
    }

    /// Them as a JSON object, in the order in which the host writes them down: then it recognises the input of a recorded call at a glance.
    fn finish(mut self) -> String {
        self.arguments.sort_unstable_by_key(|(name, _)| *name);
        let mut text =
            String::with_capacity(self.arguments.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>() + 2);
        text.push('{');
        for (position, (name, value)) in self.arguments.iter().enumerate() {
            if position > 0 {
                text.push(',');
            }
            // The name of an argument is an identifier, or what an author wrote in its place.
            text.push_str(&json::to_text(name).unwrap_or_default());
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        text
    }

    /// Calls the checkpoint through the host and decodes its result.
    pub fn call<T>(self, _: &impl FlowScope, name: &'static str, options: CallOptions, result: Codec<T>) -> Result<T> {
        decoded("checkpoint", name, &result, checkpoint::call(name, &self.finish(), &options.into()))
    }

    /// Submits a call of the checkpoint.
    pub fn submit<T: 'static>(
        self,
        _: &impl FlowScope,
        name: &'static str,
        options: CallOptions,
        result: Codec<T>,
    ) -> Result<Pending<T>> {
        let handle = checkpoint::submit(name, &self.finish(), &options.into()).map_err(Error::from)?;
        Ok(Pending::new(handle, move |outcome| decoded("checkpoint", name, &result, outcome)))
    }

    /// Starts a flow of this component as a child and decodes its result.
    pub fn call_flow<T>(self, _: &impl FlowScope, name: &'static str, id: Option<String>, result: Codec<T>) -> Result<T> {
        decoded("flow", name, &result, flows::call(&self.flow_request(name, id)))
    }

    /// Submits a flow of this component as a child.
    pub fn submit_flow<T: 'static>(
        self,
        _: &impl FlowScope,
        name: &'static str,
        id: Option<String>,
        result: Codec<T>,
    ) -> Result<Pending<T>> {
        let handle = flows::submit(&self.flow_request(name, id)).map_err(Error::from)?;
        Ok(Pending::new(handle, move |outcome| decoded("flow", name, &result, outcome)))
    }

    /// Starts a flow of this component as a child that goes its own way.
    pub fn start_flow(self, _: &impl FlowScope, name: &'static str, id: Option<String>) -> Result<String> {
        flows::start(&self.flow_request(name, id)).map_err(Error::from)
    }

    fn flow_request(self, name: &str, id: Option<String>) -> flows::Request {
        flows::Request { flow: name.to_owned(), component: None, input: self.finish(), id }
    }
}

fn encode<T>(name: &str, codec: &Codec<T>, value: &T) -> Result<String> {
    codec.encode(value).map_err(|error| Error::serialization(format!("argument `{name}` cannot be written as JSON: {error}")))
}

/// The values of one argument, each as JSON.
pub fn encode_all<T>(name: &str, codec: Codec<T>, values: impl IntoIterator<Item = T>) -> Result<Vec<String>> {
    values.into_iter().map(|value| encode(name, &codec, &value)).collect()
}

/// What a call says beside its arguments.
#[derive(Debug, Default)]
pub struct CallOptions {
    /// The author's own invocation ID.
    pub id: Option<String>,
    /// Added to the cache's key.
    pub cache_key: Option<String>,
}

impl From<CallOptions> for checkpoint::Options {
    fn from(CallOptions { id, cache_key }: CallOptions) -> Self {
        Self { id, cache_key }
    }
}

fn decoded<T>(what: &str, name: &str, result: &Codec<T>, outcome: Result<String, types::Failure>) -> Result<T> {
    result
        .decode(&outcome.map_err(Error::from)?)
        .map_err(|error| Error::serialization(format!("the result of {what} `{name}` is not what its signature says: {error}")))
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
