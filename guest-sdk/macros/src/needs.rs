//! What a checkpoint or a component declares that it needs.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Expr, ExprArray, LitStr, Result};

use crate::option_values::text;
use crate::options::each;

/// The kinds of need, as options.
pub(crate) const KINDS: [&str; 6] = ["read", "write", "env", "net", "secrets", "llm"];

/// Lists of needs by kind. The host checks their texts.
#[derive(Default)]
pub(crate) struct Needs([Vec<LitStr>; 6]);

impl Needs {
    /// Takes the option `key` in, if it is about needs. Whether it was.
    pub(crate) fn take(&mut self, key: &str, value: &Expr) -> Result<bool> {
        let found = KINDS.iter().zip(&mut self.0).find(|(kind, _)| **kind == key);
        let Some((_, texts)) = found else { return Ok(false) };
        let wanted = format!("`{key}` is a list of what is needed: {}", example(key));
        *texts = match value {
            // An empty one says that nothing of the kind is needed.
            Expr::Array(ExprArray { elems, .. }) => elems.iter().map(|item| text(item, &wanted)).collect::<Result<_>>()?,
            other => return Err(syn::Error::new_spanned(other, wanted)),
        };
        match texts.iter().find(|text| text.value().trim().is_empty()) {
            Some(empty) => Err(syn::Error::new(empty.span(), wanted)),
            None => Ok(true),
        }
    }
}

fn example(key: &str) -> &'static str {
    match key {
        "read" => r#"["docs"]"#,
        "write" => r#"["out"]"#,
        "env" => r#"["LANG"]"#,
        "net" => r#"["api.example.com:443"]"#,
        "secrets" => r#"["gh"]"#,
        _ => r#"["fast"]"#,
    }
}

impl ToTokens for Needs {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let [read, write, env, net, secrets, llm] = &self.0;
        tokens.extend(quote! {
            ::kitaru::expansion::Needs {
                read: &[#(#read),*],
                write: &[#(#write),*],
                env: &[#(#env),*],
                net: &[#(#net),*],
                secrets: &[#(#secrets),*],
                llm: &[#(#llm),*],
            }
        });
    }
}

impl Parse for Needs {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut needs = Self::default();
        each(input, "needs!", &KINDS, |key, _, value| needs.take(key, value).map(drop))?;
        Ok(needs)
    }
}

/// The registration of a component's needs.
pub(crate) fn expand(needs: &Needs) -> TokenStream {
    quote! {
        const _: () = {
            ::kitaru::expansion::inventory::submit! {
                ::kitaru::expansion::ComponentNeeds(#needs)
            }
        };
    }
}
