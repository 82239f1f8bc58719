//! Takes what may be a credential out of text that providers write.
//!
//! Some providers repeat the key that they refuse. The sender of a request knows its key and removes it exactly; this is the second line
//! of defence, for keys that it does not know: those of a gateway, or of the provider behind it.

/// What stands in place of a credential.
pub(super) const MASK: &str = "[redacted]";

/// How known credentials begin.
const PREFIXES: [&str; 16] =
    ["sk-", "sk_", "pk-", "rk-", "gsk_", "xai-", "hf_", "r8_", "pplx-", "nvapi-", "aiza", "ya29.", "ghp_", "akia", "asia", "eyj"];

/// Words after which a credential may stand.
const LEADS: [&str; 9] = ["bearer", "basic", "key", "token", "secret", "password", "provided", "authorization", "credential"];

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/' | '~' | '*' | '=')
}

/// Whether `word`, after the word `lead`, looks like a credential. Names of models must not.
fn is_suspect(word: &str, lead: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    if word.len() >= 8 && PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
        return true;
    }
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    if word.len() >= 8 && (has_digit || word.contains('*')) && LEADS.iter().any(|word| lead.ends_with(word)) {
        return true;
    }
    // A long unbroken run of letters and digits. Names of models have hyphens, dots and slashes in them.
    word.split(['-', '.', '/']).any(|run| {
        run.len() >= 20 && run.bytes().any(|byte| byte.is_ascii_digit()) && run.bytes().any(|byte| byte.is_ascii_alphabetic())
    })
}

/// `text` without what looks like a credential.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lead = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (gap, tail) = rest.split_at(start);
        let end = tail.find(|c| !is_word(c)).unwrap_or(tail.len());
        let (word, after) = tail.split_at(end);
        out.push_str(gap);
        // `key=value` in one word, as in a query string: either may be one. Padding at the end of a value is not such a sign.
        let value_at = word.trim_end_matches('=').rfind('=').map_or(0, |at| at + 1);
        let (names, value) = word.split_at(value_at);
        let names = names.split_terminator('=').map(|name| (name, "="));
        for (part, sign) in names.chain([(value, "")]) {
            out.push_str(if is_suspect(part, &lead) { MASK } else { part });
            out.push_str(sign);
            lead = part.trim_end_matches('=').to_ascii_lowercase();
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_and_names_stay() {
        for secret in [
            "sk-proj-abc123DEF456",
            "AIzaSyA1234567890abcdefghijklmnopqrstuv",
            "0123456789abcdef0123456789abcdef",
            "eyJhbGciOiJIUzI1NiJ9.e30.abc",
            "sk-ab***************wxyz",
        ] {
            for text in
                [format!("Incorrect API key provided: {secret}."), format!("key={secret}&x=1"), format!("\"{secret}\" refused")]
            {
                assert!(!redact(&text).contains(secret.trim_end_matches('.')), "{text} -> {}", redact(&text));
            }
        }
        for (text, expected) in [
            ("sk-0123456789abcdef=refused", "[redacted]=refused"),
            ("a=b=sk-0123456789abcdef==&c=d", "a=b=[redacted]&c=d"),
            ("api_key=0a1b2c3d&n=1", "api_key=[redacted]&n=1"),
            ("token= 0a1b2c3d", "token= [redacted]"),
            ("key=0a1b2c==", "key=[redacted]"),
            ("=a==b= c", "=a==b= c"),
        ] {
            assert_eq!(redact(text), expected);
        }
        assert!(!redact("Bearer 550e8400-e29b-41d4-a716-446655440000").contains("550e8400"));
        for text in [
            "The model `claude-haiku-4-5-20251001` does not exist",
            "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8 is overloaded",
            "This model's maximum context length is 128000 tokens",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
