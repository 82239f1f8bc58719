//! The service for assistants: the Model Context Protocol, over standard input and output or over HTTP.
//!
//! Tools are made from the table of verbs, and one for each published flow; executions and artifacts are resources; common work is prompts. Where
//! what a tool started asks something, the person who sits before the assistant is asked, if the assistant's program can do that.
//!
//! Like every surface it holds a [`Service`](crate::service::Service) and nothing below: what its visitor may not do, that one refuses.

mod arguments;
mod asking;
mod call;
mod changes;
mod cleaning;
mod flows;
mod form;
mod http;
mod prompts;
mod resources;
mod results;
mod schemas;
mod server;
mod stdio;
mod tools;
mod visitor;

pub use http::{Endpoint, service};
pub use stdio::{StdioError, stdio};
pub use visitor::{Stays, Visitor};

use crate::service::verbs::{Entry, all};

/// The verb of a name.
fn verb(name: &str) -> Option<&'static Entry> {
    all().iter().find(|entry| entry.about.name == name)
}
