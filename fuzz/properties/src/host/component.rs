//! Components, as bytes or as text.

use std::borrow::Cow;

use kitaru_host::ids::ComponentDigest;
use kitaru_host::sandbox::middleware::{MiddlewareComponent, MiddlewareSettings};
use kitaru_host::sandbox::{ComponentError, Manifest, Program};

use super::runtime::{block_on, sandbox};

/// Whatever the bytes are, loading them ends, with a program or with why there is none, and the same the next time. What a program says of
/// itself is a manifest that can be used. Text is taken for the text form of WebAssembly, so that what is changed in it stays whole.
pub(crate) fn any_component(data: &[u8]) {
    let Some(bytes) = binary(data) else { return };
    let load = || block_on(Program::load(sandbox(), &bytes));
    match (load(), load()) {
        (Ok(program), Ok(again)) => {
            assert_eq!(program.digest(), ComponentDigest::of(&bytes));
            assert_eq!(program.size(), bytes.len() as u64);
            assert_eq!((program.manifest(), program.imports()), (again.manifest(), again.imports()));
            let text = serde_json::to_string(program.manifest()).expect("a manifest is JSON");
            Manifest::parse(&text).expect("a manifest that was taken is taken again");
        }
        (Err(error), Err(again)) => {
            assert_eq!(error.to_string(), again.to_string());
            assert!(!matches!(error, ComponentError::Empty) || bytes.is_empty());
        }
        (first, second) => panic!("it is loaded once and not again: {:?}, {:?}", first.err(), second.err()),
    }
    // The same bytes as middleware.
    if let Ok(middleware) = block_on(MiddlewareComponent::load(sandbox(), &bytes, MiddlewareSettings::default())) {
        assert_eq!(middleware.digest(), ComponentDigest::of(&bytes));
        assert!(!middleware.surfaces().is_empty());
    }
}

fn binary(data: &[u8]) -> Option<Cow<'_, [u8]>> {
    let text = std::str::from_utf8(data).ok().filter(|text| text.trim_start().starts_with(['(', ';']));
    match text {
        Some(text) => wat::parse_str(text).ok().map(Cow::Owned),
        None => Some(Cow::Borrowed(data)),
    }
}
