//! The function under an attribute, checked and taken apart.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, GenericArgument, Ident, ItemFn, Pat, PatType, PathArguments, Result, ReturnType, Type};

use crate::documentation;

/// A flow's or checkpoint's function.
pub(crate) struct Signature {
    /// The function with its own name, parameters and body, without documentation: what the host runs.
    pub(crate) body: ItemFn,
    pub(crate) parameters: Vec<Parameter>,
    /// The type between `Result<` and `>`.
    pub(crate) value: TokenStream,
    /// `#[doc]` attributes, for the function that callers see.
    pub(crate) doc_attributes: Vec<Attribute>,
    pub(crate) doc: String,
}

/// An argument after the first.
pub(crate) struct Parameter {
    pub(crate) ident: Ident,
    /// As it stands in JSON.
    pub(crate) name: String,
    pub(crate) ty: Type,
}

/// Checks `function`, whose attribute is `#[attribute]` and whose scope is `scope`.
pub(crate) fn analyse(mut function: ItemFn, attribute: &str, scope: &str) -> Result<Signature> {
    let signature = &function.sig;
    let refuse = |span: Span, what: &str| Err(Error::new(span, format!("a {attribute} {what}")));
    if let Some(token) = signature.asyncness.as_ref().filter(|_| attribute == "checkpoint") {
        return refuse(
            token.span(),
            "is an ordinary function: calls return when their outcome is known, so there is nothing to await",
        );
    }
    if let Some(token) = &signature.unsafety {
        return refuse(token.span(), "is called by the host, which knows of no `unsafe` contract: keep `unsafe` inside the body");
    }
    if let Some(token) = &signature.abi {
        return refuse(token.span(), "has no ABI of its own: the SDK exports it");
    }
    if !signature.generics.params.is_empty() {
        return refuse(signature.generics.params.span(), "cannot be generic: the host calls it by name, with JSON");
    }
    let mut inputs = signature.inputs.iter();
    check_scope(inputs.next(), &signature.ident, attribute, scope)?;
    let parameters = inputs.map(|input| parameter(input, attribute)).collect::<Result<_>>()?;
    let value = value(&signature.output, &signature.ident, attribute)?;
    let (doc_attributes, attributes): (Vec<_>, Vec<_>) = function.attrs.drain(..).partition(|a| a.path().is_ident("doc"));
    function.attrs = attributes;
    let doc = documentation::text(&doc_attributes);
    Ok(Signature { body: function, parameters, value, doc_attributes, doc })
}

/// The first parameter is `cx: &Checkpoint` or `cx: &Flow`.
fn check_scope(first: Option<&FnArg>, function: &Ident, attribute: &str, scope: &str) -> Result<()> {
    let wanted = format!("the first parameter of a {attribute} is its scope: `cx: &{scope}`");
    match first {
        None => Err(Error::new(function.span(), wanted)),
        Some(FnArg::Receiver(receiver)) => Err(Error::new(receiver.span(), format!("a {attribute} is no method; {wanted}"))),
        Some(FnArg::Typed(PatType { ty, .. })) => match ty.as_ref() {
            Type::Reference(reference)
                if reference.mutability.is_none() && last_segment(&reference.elem).is_some_and(|i| i == scope) =>
            {
                Ok(())
            }
            other => Err(Error::new_spanned(other, wanted)),
        },
    }
}

fn last_segment(ty: &Type) -> Option<&Ident> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    }
}

fn parameter(input: &FnArg, attribute: &str) -> Result<Parameter> {
    let FnArg::Typed(PatType { pat, ty, .. }) = input else {
        return Err(Error::new(input.span(), format!("a {attribute} is no method")));
    };
    let Pat::Ident(pattern) = pat.as_ref() else {
        return Err(Error::new(
            pat.span(),
            format!("an argument of a {attribute} needs a name, which is its key in the recorded input"),
        ));
    };
    if matches!(ty.as_ref(), Type::ImplTrait(_)) {
        return Err(Error::new(
            ty.span(),
            format!("an argument of a {attribute} needs a type of its own: the host passes it as JSON"),
        ));
    }
    if let Some(advice) = first_borrow(ty, "take") {
        let message =
            format!("an argument of a {attribute} is an owned value, because it crosses to another instance as JSON: {advice}");
        return Err(Error::new_spanned(ty, message));
    }
    let ident = pattern.ident.clone();
    Ok(Parameter { name: ident.unraw().to_string(), ident, ty: ty.as_ref().clone() })
}

/// What to write in place of a reference, if the type holds one, as advice to `take` or `return` it.
fn first_borrow(ty: &Type, verb: &str) -> Option<String> {
    if let Type::Reference(reference) = ty {
        return Some(match reference.elem.as_ref() {
            Type::Path(path) if path.path.is_ident("str") => format!("{verb} a `String`"),
            Type::Slice(slice) => format!("{verb} a `Vec<{}>`", shown(&slice.elem)),
            elem => format!("{verb} a `{}`", shown(elem)),
        });
    }
    holds_ampersand(ty.to_token_stream()).then(|| format!("{verb} types without `&`"))
}

fn holds_ampersand(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Punct(punct) => punct.as_char() == '&',
        proc_macro2::TokenTree::Group(group) => holds_ampersand(group.stream()),
        _ => false,
    })
}

fn shown(ty: &Type) -> String {
    ty.to_token_stream().to_string().replace(" < ", "<").replace(" >", ">").replace(" :: ", "::")
}

/// The type of success: what stands first in `Result<..>`, or in an alias of it whose name ends in `Result`.
fn value(output: &ReturnType, function: &Ident, attribute: &str) -> Result<TokenStream> {
    let ReturnType::Type(_, ty) = output else {
        let message = format!("a {attribute} returns `Result<T>`; where there is nothing to return, `Result<()>`");
        return Err(Error::new(function.span(), message));
    };
    if let Type::Path(path) = ty.as_ref()
        && let Some(last) = path.path.segments.last()
        && last.ident.to_string().ends_with("Result")
        && let PathArguments::AngleBracketed(arguments) = &last.arguments
        && let Some(GenericArgument::Type(value)) = arguments.args.first()
    {
        return match first_borrow(value, "return") {
            None => Ok(value.to_token_stream()),
            Some(advice) => Err(Error::new_spanned(
                value,
                format!("a {attribute} returns an owned value, because it is recorded as JSON: {advice}"),
            )),
        };
    }
    Err(Error::new_spanned(ty, format!("a {attribute} returns `Result<T>`: write `Result<{}>` and return `Ok(..)`", shown(ty))))
}
