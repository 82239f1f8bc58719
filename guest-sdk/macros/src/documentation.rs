//! Documentation comments as text for the manifest.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The comment's lines, without the space after `///` and without empty lines around.
pub(crate) fn text(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes.iter().filter_map(line).collect();
    let lines: Vec<&str> = lines.iter().flat_map(|text| text.lines().chain(text.is_empty().then_some(""))).collect();
    let lines: Vec<&str> = lines.into_iter().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()).collect();
    lines.join("\n").trim().to_owned()
}

fn line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    #[test]
    fn lines_are_joined_and_trimmed() {
        let function: syn::ItemFn = parse_quote! {
            /// First.
            ///
            ///   indented
            fn f() {}
        };
        assert_eq!(super::text(&function.attrs), "First.\n\n  indented");
        assert_eq!(super::text(&[]), "");
    }
}
