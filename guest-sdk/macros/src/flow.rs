//! The expansion of `#[flow]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{ItemFn, Result};

use crate::options::{FlowOptions, default_name};
use crate::registration::{body, codecs, entry};
use crate::signature::analyse;

/// A function that cannot be called, which says why, and the registered body.
pub(crate) fn expand(options: FlowOptions, function: ItemFn) -> Result<TokenStream> {
    let signature = analyse(function, "flow", "Flow")?;
    let ident = &signature.body.sig.ident;
    let visibility = &signature.body.vis;
    let name = options.name.map_or_else(|| default_name(ident), |name| Ok(name.value()))?;

    let (body_name, body) = body(&signature);
    let codecs = codecs(&signature);
    let entry = entry(&signature, &name, &body_name, &quote!(::kitaru::Flow));
    let docs = &signature.doc_attributes;
    let value = &signature.value;
    let cx = Ident::new("cx", Span::mixed_site());
    let arguments = signature.parameters.iter().enumerate().map(|(index, parameter)| {
        let (ident, ty) = (format_ident!("_argument_{index}"), &parameter.ty);
        quote!(#ident: #ty)
    });
    let missing_docs = docs.is_empty().then(|| quote!(#[allow(missing_docs, reason = "the author's choice is reported once")]));

    Ok(quote! {
        #(#docs)*
        #missing_docs
        #[allow(dead_code, clippy::too_many_arguments, reason = "the host calls the body; it mirrors the author's signature")]
        #visibility fn #ident(#cx: &impl ::kitaru::expansion::CalledByHost #(, #arguments)*) -> ::kitaru::Result<#value> {
            ::kitaru::expansion::CalledByHost::never(#cx)
        }

        const _: () = {
            #codecs

            #body

            ::kitaru::expansion::inventory::submit! {
                ::kitaru::expansion::FlowEntry(#entry)
            }
        };
    })
}
