//! The attributes of the crate `kitaru`: `#[flow]`, `#[checkpoint]` and `#[data]`. Use them through that crate, which documents them.
//!
//! An attribute parses its options (`options`) and the function under it (`signature`), and writes the function that callers see,
//! the body that the host runs, and the registration that connects the two (`checkpoint`, `flow`).

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

mod checkpoint;
mod data;
mod documentation;
mod flow;
mod option_values;
mod options;
mod registration;
mod signature;

/// Makes a function a checkpoint.
#[proc_macro_attribute]
pub fn checkpoint(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as options::CheckpointOptions);
    let function = parse_macro_input!(item as ItemFn);
    checkpoint::expand(options, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a function a flow.
#[proc_macro_attribute]
pub fn flow(options: TokenStream, item: TokenStream) -> TokenStream {
    let options = parse_macro_input!(options as options::FlowOptions);
    let function = parse_macro_input!(item as ItemFn);
    flow::expand(options, function).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct or enum fit to be a value.
#[proc_macro_attribute]
pub fn data(options: TokenStream, item: TokenStream) -> TokenStream {
    data::expand(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
