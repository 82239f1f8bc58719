//! The macros of the crate `kitaru`: `#[flow]`, `#[checkpoint]`, `#[data]` and `needs!`. Use them through that crate, which documents them.
//!
//! An attribute parses its options (`options`) and the function under it (`signature`), and writes the function that callers see,
//! the body that the host runs, and the registration that connects the two (`checkpoint`, `flow`). `needs!` registers what a whole component declares.

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

mod checkpoint;
mod data;
mod documentation;
mod flow;
mod needs;
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

/// Declares what a component needs.
#[proc_macro]
pub fn needs(needs: TokenStream) -> TokenStream {
    needs::expand(&parse_macro_input!(needs as needs::Needs)).into()
}

/// Makes a struct or enum fit to be a value.
#[proc_macro_attribute]
pub fn data(options: TokenStream, item: TokenStream) -> TokenStream {
    data::expand(options.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
