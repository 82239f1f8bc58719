//! The expansion of `#[checkpoint]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{ItemFn, Result};

use crate::options::{CheckpointOptions, default_name};
use crate::registration::{body, codec_of, codecs, entry};
use crate::signature::analyse;

/// A function for direct calls, a type of the same name for calls with options, and the registered body.
pub(crate) fn expand(options: CheckpointOptions, function: ItemFn) -> Result<TokenStream> {
    let signature = analyse(function, "checkpoint", "Checkpoint")?;
    let ident = &signature.body.sig.ident;
    let visibility = &signature.body.vis;
    let name = options.name.map_or_else(|| default_name(ident), |name| Ok(name.value()))?;
    let retries = options.retries;
    let kind = match options.kind {
        Some(kind) => quote!(::core::option::Option::Some(#kind)),
        None => quote!(::core::option::Option::None),
    };

    let (body_name, body) = body(&signature);
    let codecs = codecs(&signature);
    let entry = entry(&signature, &name, &body_name, &quote!(::kitaru::Checkpoint));
    let docs = &signature.doc_attributes;
    let value = &signature.value;
    let arguments: Vec<&Ident> = signature.parameters.iter().map(|parameter| &parameter.ident).collect();
    let types: Vec<_> = signature.parameters.iter().map(|parameter| &parameter.ty).collect();
    let names: Vec<&str> = signature.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let constants: Vec<Ident> = (0..names.len()).map(codec_of).collect();
    // Hygienic, so that an argument may be named `cx` too.
    let cx = Ident::new("cx", Span::mixed_site());
    let missing_docs = docs.is_empty().then(|| quote!(#[allow(missing_docs, reason = "the author's choice is reported once")]));

    Ok(quote! {
        #(#docs)*
        #missing_docs
        #[allow(dead_code, clippy::too_many_arguments, reason = "the host knows it by name; it mirrors the author's signature")]
        #visibility fn #ident(#cx: &impl ::kitaru::FlowScope #(, #arguments: #types)*) -> ::kitaru::Result<#value> {
            #ident { id: ::core::option::Option::None }.call(#cx #(, #arguments)*)
        }

        /// The checkpoint of the same name, for calls with options.
        #[allow(non_camel_case_types, dead_code, reason = "it shares the function's name")]
        #[derive(Debug)]
        #visibility struct #ident {
            id: ::core::option::Option<::std::string::String>,
        }

        const _: () = {
            #codecs

            #[allow(dead_code, clippy::too_many_arguments, reason = "it mirrors the author's signature")]
            impl #ident {
                /// Gives the next call an invocation ID of the author's own.
                #visibility fn id(id: impl ::core::convert::Into<::std::string::String>) -> Self {
                    Self { id: ::core::option::Option::Some(id.into()) }
                }

                /// Calls the checkpoint.
                #visibility fn call(self, #cx: &impl ::kitaru::FlowScope #(, #arguments: #types)*) -> ::kitaru::Result<#value> {
                    ::kitaru::expansion::Outgoing::default()
                        #(.with(#names, #constants, &#arguments)?)*
                        .call(#cx, #name, self.id, __KITARU_RESULT)
                }
            }

            #body

            ::kitaru::expansion::inventory::submit! {
                ::kitaru::expansion::CheckpointEntry { entry: #entry, retries: #retries, kind: #kind }
            }
        };
    })
}
