//! Which labels an issue gets, by the words in it.

/// A label, and the words of which one is enough.
const RULES: [(&str, &[&str]); 4] = [
    ("bug", &["crash", "panic", "error", "broken", "regression"]),
    ("documentation", &["docs", "documentation", "typo", "readme"]),
    ("performance", &["slow", "memory", "latency"]),
    ("question", &["how do i", "how to", "is it possible"]),
];

/// The labels for an issue, in the order of the rules.
pub(crate) fn labels(title: &str, body: &str) -> Vec<String> {
    let text = format!("{title}\n{body}").to_lowercase();
    let fits = |words: &[&str]| words.iter().any(|word| text.contains(word));
    RULES.iter().filter(|(_, words)| fits(words)).map(|(label, _)| (*label).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::labels;

    #[test]
    fn words_give_labels() {
        assert_eq!(labels("Crash on start", "The README says how to start it."), ["bug", "documentation", "question"]);
        assert!(labels("Thanks", "").is_empty());
    }
}
