//! What must hold for any bytes, one function for each fuzz target.
//!
//! A function takes bytes and panics if a property does not hold. The targets in `fuzz/fuzz_targets` call them with what libFuzzer makes
//! up; the tests of this crate with the corpus in `fuzz/corpus`, and with random changes of it. Inputs are texts where they can be, so
//! that a seed can be written and read by a person: several texts stand in one input, with a line `---` between them.

mod codec;
mod http_body;
mod parts;
mod schema;
mod sse;

#[cfg(feature = "host")]
mod host;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of the file in `fuzz_targets`, and of the folder in `corpus`.
    pub name: &'static str,
    /// Panics if a property does not hold for these bytes.
    pub property: fn(&[u8]),
}

/// The targets that need the library of model calls alone.
pub const LLM: [Target; 4] = [
    Target { name: "sse", property: sse::any_stream },
    Target { name: "codec", property: codec::any_messages },
    Target { name: "http_body", property: http_body::any_error },
    Target { name: "schema", property: schema::any_schema_and_value },
];

/// The targets that need the host.
#[cfg(feature = "host")]
pub const HOST: [Target; 8] = [
    Target { name: "component", property: host::component::any_component },
    Target { name: "manifest", property: host::manifest::any_manifest },
    Target { name: "journal", property: host::journal::any_records },
    Target { name: "archive", property: host::archive::any_archive },
    Target { name: "import", property: host::import::any_import },
    Target { name: "guest_values", property: host::guest_values::any_values },
    Target { name: "config", property: host::config::any_configuration },
    Target { name: "middleware", property: host::middleware::any_answers },
];

/// Checks the properties of the target of this name.
///
/// # Panics
/// When one does not hold, or there is no such target.
pub fn check(name: &str, data: &[u8]) {
    let targets = LLM.iter();
    #[cfg(feature = "host")]
    let targets = targets.chain(&HOST);
    let target = targets.copied().find(|target| target.name == name);
    (target.unwrap_or_else(|| panic!("there is no target `{name}`")).property)(data);
}
