//! The values of options: numbers, times, words, and what is said where one is of another kind.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::{Error, Expr, ExprArray, ExprLit, Lit, LitBool, LitStr, Result};

pub(crate) fn count(value: &Expr) -> Result<u32> {
    let wanted = "`retries` is the number of attempts after the first: a whole number from 0";
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
            number.base10_parse().map_err(|error| Error::new(number.span(), format!("{wanted} ({error})")))
        }
        other => Err(Error::new_spanned(other, wanted)),
    }
}

/// A number from `low` to `high`.
pub(crate) fn between(key: &str, value: &Expr, low: f64, high: f64) -> Result<f64> {
    let wanted = format!("`{key}` is a number from {low} to {high}");
    let number: Option<f64> = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse().ok(),
        _ => None,
    };
    number.filter(|number| (low..=high).contains(number)).ok_or_else(|| Error::new_spanned(value, wanted))
}

/// A time such as "250ms", "30s", "5m", "2h" or "7d", in milliseconds.
pub(crate) fn milliseconds(key: &str, value: &Expr) -> Result<u64> {
    let wanted = format!("`{key}` is a time in quotes: \"250ms\", \"30s\", \"5m\", \"2h\" or \"7d\"");
    let written = text(value, &wanted)?;
    let written_text = written.value();
    let split = written_text.find(|c: char| !c.is_ascii_digit()).unwrap_or(written_text.len());
    let (number, unit) = written_text.split_at(split);
    let unit: Option<u64> = match unit.trim() {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let time = number.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    time.filter(|time| *time > 0).ok_or_else(|| Error::new(written.span(), wanted))
}

/// Kinds of failure: `["busy", "closed"]`.
pub(crate) fn kinds(key: &str, value: &Expr) -> Result<Vec<LitStr>> {
    let wanted = format!("`{key}` is a list of kinds of failure: [\"busy\", \"closed\"]");
    match value {
        Expr::Array(ExprArray { elems, .. }) if !elems.is_empty() => elems.iter().map(|kind| text(kind, &wanted)).collect(),
        other => Err(Error::new_spanned(other, wanted)),
    }
}

pub(crate) fn boolean(key: &str, value: &Expr) -> Result<LitBool> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Bool(value), .. }) => Ok(value.clone()),
        other => Err(Error::new_spanned(other, format!("`{key}` is true or false"))),
    }
}

/// One of some words in quotes.
pub(crate) fn one_of(key: &str, value: &Expr, words: &[&str]) -> Result<LitStr> {
    let listed = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
    let wanted = format!("`{key}` is {listed}");
    let word = text(value, &wanted)?;
    if words.contains(&word.value().as_str()) { Ok(word) } else { Err(Error::new(word.span(), wanted)) }
}

pub(crate) fn text(value: &Expr, wanted: &str) -> Result<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text.clone()),
        other => Err(Error::new_spanned(other, wanted)),
    }
}

pub(crate) fn word(value: &Expr) -> Result<LitStr> {
    let wanted = "`type` is a word in quotes, such as \"tool_call\"";
    let word = text(value, wanted)?;
    if word.value().trim().is_empty() { Err(Error::new(word.span(), wanted)) } else { Ok(word) }
}

pub(crate) fn name(value: &Expr) -> Result<LitStr> {
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
