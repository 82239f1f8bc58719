//! Several texts in one input.

/// The texts of an input, which a line `---` parts. What is not UTF-8 is replaced.
pub(crate) fn texts(data: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(data);
    text.split("\n---\n").map(str::to_owned).collect()
}

/// One of them, as it stands before a line end.
pub(crate) fn text(texts: &[String], at: usize) -> &str {
    texts.get(at).map(|text| text.strip_suffix('\n').unwrap_or(text)).unwrap_or_default()
}
