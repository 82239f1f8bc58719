//! The maintained table of prices, by provider and moment. Decoding it takes a while, so that happens when it is first asked.

use genai_prices::{Calculator, ErrorKind, PriceRequest, Usage, UsageKey};

use super::money::NanoUsd;
use super::pricing::{PriceQuery, PriceSource, Priced};
use crate::models::Provider;

/// The version of the embedded data, which is that of the crate.
const VERSION: &str = "0.2";

/// The price table of the crate `genai-prices`.
///
/// The table does not tell a price of zero from no price, so for a class of tokens that occurred zero counts as no price, except for models that
/// are called free.
#[derive(Clone, Copy, Debug, Default)]
pub struct MaintainedTable;

impl MaintainedTable {
    /// Decodes the table now, so that no call waits for it.
    pub fn load() -> Self {
        let _ = Calculator::bundled();
        Self
    }
}

/// The table's name of a provider.
fn table_provider(prefix: &str) -> &str {
    Provider::find(prefix).map_or(prefix, |provider| provider.price_name)
}

#[expect(clippy::cast_precision_loss, reason = "no call has 2^53 tokens")]
fn usage_of(query: &PriceQuery<'_>) -> Usage {
    let tokens = query.tokens;
    let classes = [
        (UsageKey::INPUT_TOKENS, tokens.input),
        (UsageKey::OUTPUT_TOKENS, tokens.output),
        (UsageKey::CACHE_READ_TOKENS, tokens.cached_input),
        (UsageKey::CACHE_WRITE_TOKENS, tokens.cache_write),
    ];
    classes.into_iter().filter_map(|(key, count)| Some((key, count? as f64))).collect()
}

impl PriceSource for MaintainedTable {
    fn label(&self) -> &str {
        "genai-prices"
    }

    fn version(&self) -> Option<&str> {
        Some(VERSION)
    }

    fn price(&self, query: &PriceQuery<'_>) -> Priced {
        match price_as(query, query.model) {
            Priced::Unknown => dotted(query.model).map_or(Priced::Unknown, |model| price_as(query, &model)),
            found => found,
        }
    }
}

/// OpenRouter's spelling of a model whose version its maker writes with a hyphen: `claude-haiku-4.5` for `claude-haiku-4-5`.
fn dotted(model: &str) -> Option<String> {
    let (head, minor) = model.rsplit_once('-')?;
    let is_version = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let major = head.rsplit('-').next()?;
    (model.contains('/') && is_version(major) && is_version(minor)).then(|| format!("{head}.{minor}"))
}

/// What the table says of the call under this name of the model.
fn price_as(query: &PriceQuery<'_>, model: &str) -> Priced {
    let usage = usage_of(query);
    let mut request = PriceRequest::new(model, &usage).with_provider_id(table_provider(query.provider)).with_timestamp(query.at);
    if let Some(tier) = query.service_tier {
        request = request.with_price_context("service_tier", tier);
    }
    let price = match genai_prices::calculate(&request) {
        Ok(price) => price,
        Err(error) => {
            return match error.kind() {
                ErrorKind::ProviderNotFound | ErrorKind::ModelNotFound => Priced::Unknown,
                _ => Priced::Failed(error.to_string()),
            };
        }
    };
    let free = query.model.ends_with(":free");
    let missing = |count: Option<u64>, amount: f64| !free && count.unwrap_or(0) > 0 && amount <= 0.0;
    let unpriced: Vec<&str> =
        [("input", query.tokens.input, price.input_price), ("output", query.tokens.output, price.output_price)]
            .into_iter()
            .filter(|(_, count, amount)| missing(*count, *amount))
            .map(|(class, ..)| class)
            .collect();
    if !unpriced.is_empty() {
        return Priced::Partly(format!("the table has no price of {} tokens of `{}`", unpriced.join(" and "), price.model_id));
    }
    match NanoUsd::from_dollars_rounded_up(price.total_price) {
        Some(total) => Priced::Known { total, warnings: price.warnings },
        None => Priced::Failed(format!("the table's price of `{}` is no amount", price.model_id)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::usage::TokenCounts;

    fn price(provider: &str, model: &str, tokens: &TokenCounts, day: u64) -> Priced {
        let at = UNIX_EPOCH + Duration::from_secs(day * 86_400);
        MaintainedTable.price(&PriceQuery { provider, model, tokens, service_tier: None, at })
    }

    fn nanos(priced: Priced) -> u64 {
        match priced {
            Priced::Known { total, .. } => total.as_nanos(),
            other => panic!("{other:?}"),
        }
    }

    /// 1 February 2025 and 1 September 2026.
    const BEFORE: u64 = 20_120;
    const AFTER: u64 = 20_697;

    #[test]
    fn prices_are_those_of_the_day() {
        let tokens = TokenCounts::of(1000, 100);
        assert_eq!(nanos(price("openai", "o3", &tokens, BEFORE)), 14_000_000);
        assert_eq!(nanos(price("openai", "o3", &tokens, AFTER)), 2_800_000);
    }

    #[test]
    fn cached_tokens_are_cheaper_and_among_the_input() {
        let cached = TokenCounts { cached_input: Some(1000), ..TokenCounts::of(1000, 0) };
        assert_eq!(nanos(price("anthropic", "claude-haiku-4-5", &cached, AFTER)), 100_000);
        assert_eq!(nanos(price("anthropic", "claude-haiku-4-5", &TokenCounts::of(1000, 1), AFTER)), 1_005_000);
    }

    #[test]
    fn what_is_not_in_the_table_is_unknown_and_not_free() {
        let tokens = TokenCounts::of(1, 1);
        assert_eq!(price("openai", "no-such-model", &tokens, AFTER), Priced::Unknown);
        assert_eq!(price("ollama", "llama3", &tokens, AFTER), Priced::Unknown);
        assert!(matches!(price("openai", "text-embedding-3-small", &tokens, AFTER), Priced::Partly(_)));
        assert_eq!(nanos(price("openrouter", "openai/gpt-oss-20b:free", &tokens, AFTER)), 0);
    }

    #[test]
    fn the_model_that_is_asked_when_none_is_configured_has_a_price() {
        let tokens = TokenCounts::of(1000, 100);
        let model = crate::models::DEFAULT_OPENROUTER_MODEL;
        assert_eq!(nanos(price("openrouter", model, &tokens, AFTER)), 1_500_000);
        assert_eq!(price("openrouter", "nobody/knows-1-2", &tokens, AFTER), Priced::Unknown);
    }

    #[test]
    fn wrong_counts_are_an_error_and_no_price() {
        let wrong = TokenCounts { cached_input: Some(5), ..TokenCounts::of(1, 1) };
        assert!(matches!(price("openai", "gpt-4o-mini", &wrong, AFTER), Priced::Failed(_)));
    }
}
