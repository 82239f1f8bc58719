//! The options in the attributes' brackets.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Result, Token};

/// Of `#[checkpoint(..)]`.
#[derive(Default)]
pub(crate) struct CheckpointOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) retries: u32,
    pub(crate) kind: Option<LitStr>,
}

/// Of `#[flow(..)]`.
#[derive(Default)]
pub(crate) struct FlowOptions {
    pub(crate) name: Option<LitStr>,
}

impl Parse for CheckpointOptions {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        each(input, "checkpoint", &["name", "retries", "type"], |key, value| {
            match key {
                "name" => options.name = Some(name(value)?),
                "retries" => options.retries = count(value)?,
                _ => options.kind = Some(word(value)?),
            }
            Ok(())
        })?;
        Ok(options)
    }
}

impl Parse for FlowOptions {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        each(input, "flow", &["name"], |_, value| {
            options.name = Some(name(value)?);
            Ok(())
        })?;
        Ok(options)
    }
}

/// Goes through `key = value, …`, each key known and given once.
fn each(input: ParseStream<'_>, attribute: &str, known: &[&str], mut take: impl FnMut(&str, &Expr) -> Result<()>) -> Result<()> {
    let mut seen = Vec::new();
    while !input.is_empty() {
        // `type` is a keyword, hence any identifier.
        let key = Ident::parse_any(input)?;
        let text = key.to_string();
        if !known.contains(&text.as_str()) {
            let message = format!("`#[{attribute}]` has no option `{text}`; it has: {}", known.join(", "));
            return Err(Error::new(key.span(), message));
        }
        if seen.contains(&text) {
            return Err(Error::new(key.span(), format!("`{text}` is given twice")));
        }
        if !input.peek(Token![=]) {
            return Err(Error::new(key.span(), format!("`{text}` needs a value: `{text} = …`")));
        }
        input.parse::<Token![=]>()?;
        take(&text, &input.parse()?)?;
        seen.push(text);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

fn count(value: &Expr) -> Result<u32> {
    let wanted = "`retries` is the number of attempts after the first: a whole number from 0";
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
            number.base10_parse().map_err(|error| Error::new(number.span(), format!("{wanted} ({error})")))
        }
        other => Err(Error::new_spanned(other, wanted)),
    }
}

fn text(value: &Expr, wanted: &str) -> Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        other => Err(Error::new_spanned(other, wanted)),
    }
}

fn word(value: &Expr) -> Result<LitStr> {
    let wanted = "`type` is a word in quotes, such as \"tool_call\"";
    let word = text(value, wanted)?;
    if word.value().trim().is_empty() { Err(Error::new(word.span(), wanted)) } else { Ok(word) }
}

fn name(value: &Expr) -> Result<LitStr> {
    let name = text(value, "`name` is a name in quotes")?;
    check_name(&name.value(), name.span())?;
    Ok(name)
}

/// The function's own name.
pub(crate) fn default_name(function: &Ident) -> Result<String> {
    let name = function.unraw().to_string();
    check_name(&name, function.span())?;
    Ok(name)
}

/// A name is typed in commands and stands in selectors, so it is one plain word. The host checks the same.
fn check_name(name: &str, span: Span) -> Result<()> {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if first && name.len() <= 100 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return Ok(());
    }
    Err(Error::new(span, "a name has at most 100 letters (a to z), digits, `_` and `-`, and does not start with a digit or `-`"))
}
