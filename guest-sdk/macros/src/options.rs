//! The options in the attributes' brackets.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Ident, LitBool, LitStr, Result, Token};

use crate::needs::{KINDS, Needs};
use crate::option_values::{between, boolean, count, kinds, milliseconds, name, one_of, text, word};

/// Of `#[checkpoint(..)]`.
#[derive(Default)]
pub(crate) struct CheckpointOptions {
    pub(crate) name: Option<LitStr>,
    retries: u32,
    kind: Option<LitStr>,
    retry_delay: Option<u64>,
    backoff: Option<f64>,
    max_delay: Option<u64>,
    jitter: Option<f64>,
    retry_on: Vec<LitStr>,
    no_retry_on: Vec<LitStr>,
    timeout: Option<u64>,
    effect: Option<LitStr>,
    on_unknown: Option<LitStr>,
    cache: Option<LitBool>,
    cache_key: Option<LitStr>,
    cache_ttl: Option<u64>,
    /// What is declared, if anything is.
    pub(crate) needs: Option<Needs>,
}

/// Of `#[flow(..)]`.
#[derive(Default)]
pub(crate) struct FlowOptions {
    pub(crate) name: Option<LitStr>,
    retries: u32,
    cache: Option<LitBool>,
}

const CHECKPOINT: [&str; 21] = [
    "name",
    "retries",
    "type",
    "retry_delay",
    "backoff",
    "max_delay",
    "jitter",
    "retry_on",
    "no_retry_on",
    "timeout",
    "effect",
    "on_unknown",
    "cache",
    "cache_key",
    "cache_ttl",
    KINDS[0],
    KINDS[1],
    KINDS[2],
    KINDS[3],
    KINDS[4],
    KINDS[5],
];

impl Parse for CheckpointOptions {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        let mut given = Vec::new();
        each(input, "checkpoint", &CHECKPOINT, |key, span, value| {
            given.push((key.to_owned(), span));
            match key {
                "name" => options.name = Some(name(value)?),
                "retries" => options.retries = count(value)?,
                "type" => options.kind = Some(word(value)?),
                "retry_delay" => options.retry_delay = Some(milliseconds(key, value)?),
                "backoff" => options.backoff = Some(between(key, value, 1.0, 100.0)?),
                "max_delay" => options.max_delay = Some(milliseconds(key, value)?),
                "jitter" => options.jitter = Some(between(key, value, 0.0, 1.0)?),
                "retry_on" => options.retry_on = kinds(key, value)?,
                "no_retry_on" => options.no_retry_on = kinds(key, value)?,
                "timeout" => options.timeout = Some(milliseconds(key, value)?),
                "effect" => options.effect = Some(one_of(key, value, &["once"])?),
                "on_unknown" => options.on_unknown = Some(one_of(key, value, &["fail", "retry", "ask"])?),
                "cache" => options.cache = Some(boolean(key, value)?),
                "cache_key" => options.cache_key = Some(text(value, "`cache_key` is a text in quotes")?),
                "cache_ttl" => options.cache_ttl = Some(milliseconds(key, value)?),
                _ => drop(options.needs.get_or_insert_default().take(key, value)?),
            }
            Ok(())
        })?;
        options.check(&given)?;
        Ok(options)
    }
}

impl CheckpointOptions {
    /// Refuses options that say nothing, or opposite things, together.
    fn check(&self, given: &[(String, Span)]) -> Result<()> {
        let refuse = |keys: &[&str], message: &str| match given.iter().find(|(key, _)| keys.contains(&key.as_str())) {
            Some((key, span)) => Err(Error::new(*span, message.replace("{}", key))),
            None => Ok(()),
        };
        if self.retries == 0 {
            refuse(
                &["retry_delay", "backoff", "max_delay", "jitter", "retry_on", "no_retry_on"],
                "`{}` is about retries, and there are none: add `retries = …`",
            )?;
        }
        if self.effect.is_none() {
            refuse(&["on_unknown"], "`on_unknown` is for effects that may happen once: add `effect = \"once\"`")?;
        } else {
            if self.retries > 0 {
                refuse(&["retries"], "an effect that may happen once is not retried: leave `retries` out, or `effect`")?;
            }
            if self.cache.as_ref().is_some_and(LitBool::value) {
                refuse(&["cache"], "an effect that may happen once has to happen: leave `cache` out, or `effect`")?;
            }
        }
        if self.cache.as_ref().is_some_and(|cache| !cache.value()) {
            refuse(&["cache_key", "cache_ttl"], "`{}` is about the cache, and `cache` is false")?;
        }
        Ok(())
    }
}

impl ToTokens for CheckpointOptions {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { name: _, retries, kind, retry_delay, backoff, max_delay, jitter, retry_on, no_retry_on, timeout, .. } = self;
        let Self { effect, on_unknown, cache, cache_key, cache_ttl, .. } = self;
        let (kind, effect, on_unknown, cache, cache_key) =
            (option(kind), option(effect), option(on_unknown), option(cache), option(cache_key));
        let (retry_delay, max_delay, timeout, cache_ttl) =
            (option(retry_delay), option(max_delay), option(timeout), option(cache_ttl));
        let (backoff, jitter) = (option(backoff), option(jitter));
        tokens.extend(quote! {
            ::kitaru::expansion::CheckpointOptions {
                retries: #retries,
                r#type: #kind,
                retry_delay_ms: #retry_delay,
                backoff: #backoff,
                max_delay_ms: #max_delay,
                jitter: #jitter,
                retry_on: &[#(#retry_on),*],
                no_retry_on: &[#(#no_retry_on),*],
                timeout_ms: #timeout,
                effect: #effect,
                on_unknown: #on_unknown,
                cache: #cache,
                cache_key: #cache_key,
                cache_ttl_ms: #cache_ttl,
            }
        });
    }
}

impl Parse for FlowOptions {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Self::default();
        each(input, "flow", &["name", "retries", "cache"], |key, _, value| {
            match key {
                "name" => options.name = Some(name(value)?),
                "retries" => options.retries = count(value)?,
                _ => options.cache = Some(boolean(key, value)?),
            }
            Ok(())
        })?;
        Ok(options)
    }
}

impl ToTokens for FlowOptions {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (retries, cache) = (self.retries, option(&self.cache));
        tokens.extend(quote!(::kitaru::expansion::FlowOptions { retries: #retries, cache: #cache }));
    }
}

pub(crate) fn option(value: &Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// Goes through `key = value, …`, each key known and given once.
pub(crate) fn each(
    input: ParseStream<'_>,
    attribute: &str,
    known: &[&str],
    mut take: impl FnMut(&str, Span, &Expr) -> Result<()>,
) -> Result<()> {
    let mut seen = Vec::new();
    while !input.is_empty() {
        // `type` is a keyword, hence any identifier.
        let key = Ident::parse_any(input)?;
        let text = key.to_string();
        if !known.contains(&text.as_str()) {
            let shown = if attribute.ends_with('!') { attribute.to_owned() } else { format!("#[{attribute}]") };
            let message = format!("`{shown}` has no option `{text}`; it has: {}", known.join(", "));
            return Err(Error::new(key.span(), message));
        }
        if seen.contains(&text) {
            return Err(Error::new(key.span(), format!("`{text}` is given twice")));
        }
        if !input.peek(Token![=]) {
            return Err(Error::new(key.span(), format!("`{text}` needs a value: `{text} = …`")));
        }
        input.parse::<Token![=]>()?;
        take(&text, key.span(), &input.parse()?)?;
        seen.push(text);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}
