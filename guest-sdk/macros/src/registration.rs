//! What flows and checkpoints share in their expansion: the codecs of their values, and the entry in the registry.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned;

use crate::signature::Signature;

/// The constants with the codecs. Each type's requirement is stated here once, at the place where the author wrote the type.
pub(crate) fn codecs(signature: &Signature) -> TokenStream {
    let parameters = signature.parameters.iter().enumerate().map(|(index, parameter)| {
        let (constant, ty) = (codec_of(index), &parameter.ty);
        quote_spanned!(ty.span()=> const #constant: ::kitaru::expansion::Codec<#ty> = ::kitaru::expansion::codec::<#ty>();)
    });
    let value = &signature.value;
    let result = quote_spanned! {value.span()=>
        const __KITARU_RESULT: ::kitaru::expansion::Codec<#value> = ::kitaru::expansion::codec::<#value>();
    };
    quote!(#(#parameters)* #result)
}

/// The constant of the parameter at `index`.
pub(crate) fn codec_of(index: usize) -> Ident {
    format_ident!("__KITARU_ARGUMENT_{index}")
}

/// The body's function under a name of its own, so that its name in the author's code means the function that callers see.
pub(crate) fn body(signature: &Signature) -> (Ident, TokenStream) {
    let mut body = signature.body.clone();
    // A name that no author has: the body calls the author's own functions by theirs.
    let name = format_ident!("__kitaru_body_{}", body.sig.ident.unraw());
    body.sig.ident = name.clone();
    body.vis = syn::Visibility::Inherited;
    (name, quote!(#body))
}

/// The expression that makes the `Entry`.
pub(crate) fn entry(signature: &Signature, name: &str, body: &Ident, scope: &TokenStream) -> TokenStream {
    let (names, codecs): (Vec<&str>, Vec<Ident>) =
        signature.parameters.iter().enumerate().map(|(index, p)| (p.name.as_str(), codec_of(index))).unzip();
    let doc = &signature.doc;
    let output = &signature.body.sig.output;
    let returned = match output {
        syn::ReturnType::Type(_, ty) => ty.span(),
        syn::ReturnType::Default => Span::call_site(),
    };
    let values: Vec<Ident> = (0..names.len()).map(|index| Ident::new(&format!("value_{index}"), Span::mixed_site())).collect();
    let incoming = Ident::new("incoming", Span::mixed_site());
    let mutable = if names.is_empty() { quote!() } else { quote!(mut) };
    let cx = Ident::new("cx", Span::mixed_site());
    let outcome = match signature.body.sig.asyncness {
        None => quote_spanned!(returned=> ::kitaru::expansion::Outcome::into_result(#body(#cx #(, #values)*))),
        Some(_) => quote_spanned! {returned=>
            ::kitaru::expansion::block_on(async { ::kitaru::expansion::Outcome::into_result(#body(#cx #(, #values)*).await) })
        },
    };
    quote! {
        ::kitaru::expansion::Entry::<#scope> {
            name: #name,
            doc: #doc,
            place: ::core::concat!(::core::file!(), ":", ::core::line!()),
            parameters: &[#(#names),*],
            input: || ::kitaru::expansion::InputSchema::default()#(.with(#names, #codecs))*.finish(),
            result: || ::kitaru::expansion::result_schema(__KITARU_RESULT),
            run: |#cx, input| {
                #[allow(unused_variables, reason = "there may be no arguments")]
                let #mutable #incoming = ::kitaru::expansion::Incoming::new(input, &[#(#names),*])?;
                #(let #values = #incoming.take(#names, #codecs)?;)*
                ::kitaru::expansion::finish(#outcome, __KITARU_RESULT)
            },
        }
    }
}
