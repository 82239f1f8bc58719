//! The expansion of `#[flow]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::{ItemFn, Result, Type};

use crate::option_values::default_name;
use crate::options::FlowOptions;
use crate::registration::{body, codec_of, codecs, entry};
use crate::signature::analyse;

/// A function that cannot be called, which says why; a type of the same name, by which other flows call it as a child; and the registered
/// body.
pub(crate) fn expand(options: FlowOptions, function: ItemFn) -> Result<TokenStream> {
    let signature = analyse(function, "flow", "Flow")?;
    let ident = &signature.body.sig.ident;
    let visibility = &signature.body.vis;
    let name = options.name.as_ref().map_or_else(|| default_name(ident), |name| Ok(name.value()))?;

    let (body_name, body) = body(&signature);
    let codecs = codecs(&signature);
    let entry = entry(&signature, &name, &body_name, &quote!(::kitaru::Flow));
    let docs = &signature.doc_attributes;
    let value = &signature.value;
    let cx = Ident::new("cx", Span::mixed_site());
    let arguments: Vec<&Ident> = signature.parameters.iter().map(|parameter| &parameter.ident).collect();
    let types: Vec<&Type> = signature.parameters.iter().map(|parameter| &parameter.ty).collect();
    let names: Vec<&str> = signature.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let constants: Vec<Ident> = (0..names.len()).map(codec_of).collect();
    let unused: Vec<Ident> = (0..names.len()).map(|index| format_ident!("_argument_{index}")).collect();
    let missing_docs = docs.is_empty().then(|| quote!(#[allow(missing_docs, reason = "the author's choice is reported once")]));
    let call = format_ident!("__kitaru_call_{}", ident.unraw(), span = ident.span());
    let mirrors = quote!(#[allow(dead_code, clippy::too_many_arguments, reason = "it mirrors the author's signature")]);
    let outgoing = quote!(::kitaru::expansion::Outgoing::default() #(.with(#names, #constants, &#arguments)?)*);

    Ok(quote! {
        #(#docs)*
        #missing_docs
        #[allow(dead_code, clippy::too_many_arguments, reason = "the host calls the body; it mirrors the author's signature")]
        #visibility fn #ident(#cx: &impl ::kitaru::expansion::CalledByHost #(, #unused: #types)*) -> ::kitaru::Result<#value> {
            ::kitaru::expansion::CalledByHost::never(#cx)
        }

        /// The flow of the same name, for flows that call it as a child.
        #[allow(non_camel_case_types, dead_code, reason = "it shares the function's name")]
        #[derive(Debug)]
        #visibility struct #ident {}

        /// A call that is being prepared.
        #[doc(hidden)]
        #[allow(non_camel_case_types, dead_code, reason = "nobody names it")]
        #[derive(Debug)]
        #[must_use = "nothing is called until `.call()`, `.submit()` or `.start()`"]
        #visibility struct #call {
            id: ::core::option::Option<::std::string::String>,
        }

        const _: () = {
            #codecs

            #mirrors
            impl #call {
                /// Starts the flow as a child execution and returns its result.
                #visibility fn call(self, #cx: &impl ::kitaru::FlowScope #(, #arguments: #types)*) -> ::kitaru::Result<#value> {
                    #outgoing.call_flow(#cx, #name, self.id, __KITARU_RESULT)
                }

                /// Starts the flow as a child execution that runs beside this one.
                #visibility fn submit(
                    self,
                    #cx: &impl ::kitaru::FlowScope
                    #(, #arguments: #types)*
                ) -> ::kitaru::Result<::kitaru::Pending<#value>> {
                    #outgoing.submit_flow(#cx, #name, self.id, __KITARU_RESULT)
                }

                /// Starts the flow as an execution that goes its own way, and returns its ID.
                #visibility fn start(
                    self,
                    #cx: &impl ::kitaru::FlowScope
                    #(, #arguments: #types)*
                ) -> ::kitaru::Result<::std::string::String> {
                    #outgoing.start_flow(#cx, #name, self.id)
                }
            }

            #mirrors
            impl #ident {
                /// Prepares a call with an invocation ID of the author's own.
                #visibility fn id(id: impl ::core::convert::Into<::std::string::String>) -> #call {
                    #call { id: ::core::option::Option::Some(id.into()) }
                }

                /// Starts the flow as a child execution and returns its result. It is cancelled when the caller is.
                #visibility fn call(#cx: &impl ::kitaru::FlowScope #(, #arguments: #types)*) -> ::kitaru::Result<#value> {
                    #call { id: ::core::option::Option::None }.call(#cx #(, #arguments)*)
                }

                /// Starts the flow as a child execution that runs beside this one.
                #visibility fn submit(
                    #cx: &impl ::kitaru::FlowScope
                    #(, #arguments: #types)*
                ) -> ::kitaru::Result<::kitaru::Pending<#value>> {
                    #call { id: ::core::option::Option::None }.submit(#cx #(, #arguments)*)
                }

                /// Starts the flow as an execution that goes its own way, and returns its ID.
                #visibility fn start(
                    #cx: &impl ::kitaru::FlowScope
                    #(, #arguments: #types)*
                ) -> ::kitaru::Result<::std::string::String> {
                    #call { id: ::core::option::Option::None }.start(#cx #(, #arguments)*)
                }
            }

            #body

            ::kitaru::expansion::inventory::submit! {
                ::kitaru::expansion::FlowEntry(#entry, #options)
            }
        };
    })
}
