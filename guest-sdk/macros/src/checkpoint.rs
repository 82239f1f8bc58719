//! The expansion of `#[checkpoint]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{ItemFn, Result, Type};

use crate::option_values::default_name;
use crate::options::{CheckpointOptions, option};
use crate::registration::{body, codec_of, codecs, entry};
use crate::signature::{Signature, analyse};

/// A function for direct calls, a type of the same name for calls with options, and the registered body.
pub(crate) fn expand(options: CheckpointOptions, function: ItemFn) -> Result<TokenStream> {
    let signature = analyse(function, "checkpoint", "Checkpoint")?;
    let ident = &signature.body.sig.ident;
    let visibility = &signature.body.vis;
    let name = options.name.as_ref().map_or_else(|| default_name(ident), |name| Ok(name.value()))?;

    let (body_name, body) = body(&signature);
    let codecs = codecs(&signature);
    let entry = entry(&signature, &name, &body_name, &quote!(::kitaru::Checkpoint));
    let docs = &signature.doc_attributes;
    let value = &signature.value;
    let arguments: Vec<&Ident> = signature.parameters.iter().map(|parameter| &parameter.ident).collect();
    let types: Vec<&Type> = signature.parameters.iter().map(|parameter| &parameter.ty).collect();
    let names: Vec<&str> = signature.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let constants: Vec<Ident> = (0..names.len()).map(codec_of).collect();
    // Hygienic, so that an argument may be named `cx` too.
    let cx = Ident::new("cx", Span::mixed_site());
    let needs = option(&options.needs);
    let missing_docs = docs.is_empty().then(|| quote!(#[allow(missing_docs, reason = "the author's choice is reported once")]));
    let fan_out = fan_out(&signature, &name, &cx);
    let mirrors = quote!(#[allow(dead_code, clippy::too_many_arguments, reason = "it mirrors the author's signature")]);

    let call = format_ident!("__kitaru_call_{}", ident.unraw(), span = ident.span());
    Ok(quote! {
        #(#docs)*
        #missing_docs
        #[allow(dead_code, clippy::too_many_arguments, reason = "the host knows it by name; it mirrors the author's signature")]
        #visibility fn #ident(#cx: &impl ::kitaru::FlowScope #(, #arguments: #types)*) -> ::kitaru::Result<#value> {
            #call { options: ::core::default::Default::default() }.call(#cx #(, #arguments)*)
        }

        /// The checkpoint of the same name, for calls with options and calls that run beside the flow.
        #[allow(non_camel_case_types, dead_code, reason = "it shares the function's name")]
        #[derive(Debug)]
        #visibility struct #ident {}

        /// A call that is being prepared.
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, reason = "nobody names it")]
        #[derive(Debug)]
        #[must_use = "nothing is called until `.call()` or `.submit()`"]
        #visibility struct #call {
            options: ::kitaru::expansion::CallOptions,
        }

        const _: () = {
            #codecs

            #mirrors
            impl #call {
                /// Gives the call an invocation ID of the author's own.
                #visibility fn id(mut self, id: impl ::core::convert::Into<::std::string::String>) -> Self {
                    self.options.id = ::core::option::Option::Some(id.into());
                    self
                }

                /// Adds to the cache's key what the result depends on beside the arguments.
                #visibility fn cache_key(mut self, key: impl ::core::convert::Into<::std::string::String>) -> Self {
                    self.options.cache_key = ::core::option::Option::Some(key.into());
                    self
                }

                /// Calls the checkpoint.
                #visibility fn call(self, #cx: &impl ::kitaru::FlowScope #(, #arguments: #types)*) -> ::kitaru::Result<#value> {
                    ::kitaru::expansion::Outgoing::default()
                        #(.with(#names, #constants, &#arguments)?)*
                        .call(#cx, #name, self.options, __KITARU_RESULT)
                }

                /// Submits a call of the checkpoint, which runs beside the flow.
                #visibility fn submit(
                    self,
                    #cx: &impl ::kitaru::FlowScope
                    #(, #arguments: #types)*
                ) -> ::kitaru::Result<::kitaru::Pending<#value>> {
                    ::kitaru::expansion::Outgoing::default()
                        #(.with(#names, #constants, &#arguments)?)*
                        .submit(#cx, #name, self.options, __KITARU_RESULT)
                }
            }

            #mirrors
            impl #ident {
                /// Prepares a call with an invocation ID of the author's own.
                #visibility fn id(id: impl ::core::convert::Into<::std::string::String>) -> #call {
                    #call { options: ::core::default::Default::default() }.id(id)
                }

                /// Prepares a call whose result depends on more than its arguments: `key` is added to the cache's key.
                #visibility fn cache_key(key: impl ::core::convert::Into<::std::string::String>) -> #call {
                    #call { options: ::core::default::Default::default() }.cache_key(key)
                }

                /// Submits a call of the checkpoint, which runs beside the flow.
                #visibility fn submit(
                    #cx: &impl ::kitaru::FlowScope
                    #(, #arguments: #types)*
                ) -> ::kitaru::Result<::kitaru::Pending<#value>> {
                    #call { options: ::core::default::Default::default() }.submit(#cx #(, #arguments)*)
                }

                #fan_out
            }

            #body

            ::kitaru::expansion::inventory::submit! {
                ::kitaru::expansion::CheckpointEntry { entry: #entry, options: #options, needs: #needs }
            }
        };
    })
}

/// `map` and `product`, for checkpoints that take arguments.
fn fan_out(signature: &Signature, name: &str, cx: &Ident) -> TokenStream {
    let (visibility, value) = (&signature.body.vis, &signature.value);
    let arguments: Vec<&Ident> = signature.parameters.iter().map(|parameter| &parameter.ident).collect();
    let types: Vec<&Type> = signature.parameters.iter().map(|parameter| &parameter.ty).collect();
    let names: Vec<&str> = signature.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let constants: Vec<Ident> = (0..names.len()).map(codec_of).collect();
    if arguments.is_empty() {
        return quote!();
    }
    let (item, pattern) = match (types.as_slice(), arguments.as_slice()) {
        ([only], [argument]) => (quote!(#only), quote!(#argument)),
        _ => (quote!((#(#types),*)), quote!((#(#arguments),*))),
    };
    let map = quote! {
        /// Submits one call for each item: an argument, or a tuple of them.
        #visibility fn map(
            #cx: &impl ::kitaru::FlowScope,
            items: impl ::core::iter::IntoIterator<Item = #item>,
        ) -> ::kitaru::Result<::kitaru::PendingAll<#value>> {
            let calls = items.into_iter().map(|#pattern| Self::submit(#cx #(, #arguments)*));
            ::core::result::Result::Ok(::kitaru::PendingAll::new(calls.collect::<::kitaru::Result<_>>()?))
        }
    };
    if arguments.len() < 2 {
        return map;
    }
    let lists: Vec<Ident> = (0..arguments.len()).map(|index| format_ident!("list_{index}", span = Span::mixed_site())).collect();
    let texts: Vec<Ident> = (0..arguments.len()).map(|index| format_ident!("text_{index}", span = Span::mixed_site())).collect();
    let calls = Ident::new("calls", Span::mixed_site());
    let submit = quote! {
        #calls.push(
            ::kitaru::expansion::Outgoing::default()
                #(.with_text(#names, #texts)?)*
                .submit(#cx, #name, ::core::default::Default::default(), __KITARU_RESULT)?,
        );
    };
    let nested = texts.iter().zip(&lists).rev().fold(submit, |inner, (text, list)| quote!(for #text in &#list { #inner }));
    quote! {
        #map

        /// Submits one call for each combination of arguments, the last one changing fastest.
        #visibility fn product(
            #cx: &impl ::kitaru::FlowScope
            #(, #lists: impl ::core::iter::IntoIterator<Item = #types>)*
        ) -> ::kitaru::Result<::kitaru::PendingAll<#value>> {
            #(let #lists = ::kitaru::expansion::encode_all(#names, #constants, #lists)?;)*
            let mut #calls = ::std::vec::Vec::new();
            #nested
            ::core::result::Result::Ok(::kitaru::PendingAll::new(#calls))
        }
    }
}
