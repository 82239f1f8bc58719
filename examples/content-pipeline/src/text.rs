//! Reading a document: which sentences mention a topic, and which words stand out.

use std::collections::BTreeMap;

use kitaru::prelude::*;

/// How many words count as standing out.
const TOP_TERMS: usize = 5;

/// What a document says about a topic.
#[data]
pub(crate) struct Findings {
    /// Words in the document.
    pub(crate) words: usize,
    /// Sentences in the document.
    pub(crate) sentences: usize,
    /// The sentences that mention the topic.
    pub(crate) mentions: Vec<String>,
    /// The most frequent words, longer ones only, most frequent first.
    pub(crate) top_terms: Vec<(String, usize)>,
}

/// Reads a document in Markdown or plain text.
pub(crate) fn read(document: &str, topic: &str) -> Findings {
    let prose: Vec<&str> = document.lines().filter(|line| !line.starts_with('#')).collect();
    let prose = prose.join(" ");
    let sentences: Vec<&str> =
        prose.split_inclusive(['.', '!', '?']).map(str::trim).filter(|sentence| !sentence.is_empty()).collect();
    let wanted = topic.to_lowercase();
    let mentions = sentences.iter().filter(|sentence| sentence.to_lowercase().contains(&wanted)).map(|&s| s.to_owned()).collect();
    Findings { words: prose.split_whitespace().count(), sentences: sentences.len(), mentions, top_terms: top_terms(&prose) }
}

fn top_terms(prose: &str) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::<String, usize>::new();
    for word in prose.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 5) {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    let mut terms: Vec<(String, usize)> = counts.into_iter().collect();
    // Stable, so words of one count stay in alphabetical order.
    terms.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    terms.truncate(TOP_TERMS);
    terms
}

impl Findings {
    /// The findings in a few lines.
    pub(crate) fn notes(&self, topic: &str) -> String {
        let terms: Vec<&str> = self.top_terms.iter().map(|(term, _)| term.as_str()).collect();
        let mut notes = format!("a document of {} words about {}:", self.words, terms.join(", "));
        for mention in &self.mentions {
            notes.push_str("\n- ");
            notes.push_str(mention);
        }
        notes.push_str(&format!("\n({} of {} sentences mention {topic}.)", self.mentions.len(), self.sentences));
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_sentences_that_mention_the_topic() {
        let findings = read("# Tides\n\nThe moon pulls the sea.\nTides follow the moon! Fish\ndo not care.\n", "moon");
        assert_eq!(findings.mentions, ["The moon pulls the sea.", "Tides follow the moon!"]);
        assert_eq!((findings.words, findings.sentences), (13, 3));
        assert_eq!(findings.top_terms, [("follow".to_owned(), 1)]);
    }
}
