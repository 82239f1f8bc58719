//! The expansion of `#[data]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Item, Result};

/// Derives what a value needs that crosses between instances, through the SDK's own copies of serde and schemars.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !options.is_empty() {
        return Err(Error::new_spanned(options, "`#[data]` has no options: use serde's attributes on the type and its fields"));
    }
    match syn::parse2::<Item>(item)? {
        item @ (Item::Struct(_) | Item::Enum(_)) => Ok(quote! {
            #[derive(
                ::kitaru::serde::Serialize,
                ::kitaru::serde::Deserialize,
                ::kitaru::schemars::JsonSchema,
            )]
            #[serde(crate = "::kitaru::serde")]
            #[schemars(crate = "::kitaru::schemars")]
            #item
        }),
        other => Err(Error::new_spanned(other, "`#[data]` stands on a struct or an enum")),
    }
}
