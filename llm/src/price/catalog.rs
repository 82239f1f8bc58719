//! Prices of one's own: a file with rates that beat the maintained table, for negotiated prices, own servers and models that are newer than it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::money::NanoUsd;
use crate::usage::TokenCounts;

/// Rates by provider and model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceCatalog {
    /// What to write into records as the version of these prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The rates, the first that fits wins.
    #[serde(default)]
    pub entries: Vec<CatalogEntry>,
}

/// The rates of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogEntry {
    /// The provider's prefix, such as `openai`.
    pub provider: String,
    /// The provider's name of the model, without the prefix; `*` at its end stands for any rest.
    pub model_id: String,
    /// Other names of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Must be `USD`.
    #[serde(default = "usd")]
    pub currency: String,
    /// What tokens cost.
    pub rates: Rates,
    /// How the provider counts tokens of its prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_cache: Option<PromptCache>,
    /// The day on which the rates were looked up, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing_as_of: Option<String>,
    /// Where they were looked up, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing_source: Option<String>,
}

fn usd() -> String {
    "USD".into()
}

/// Dollars per million tokens. A class of tokens without a rate has no price, which is another thing than the price zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Tokens read.
    #[serde(default, rename = "input_per_million", skip_serializing_if = "Option::is_none")]
    pub input: Option<NanoUsd>,
    /// Tokens written.
    #[serde(default, rename = "output_per_million", skip_serializing_if = "Option::is_none")]
    pub output: Option<NanoUsd>,
    /// Tokens read from the provider's prompt cache.
    #[serde(default, rename = "cache_read_per_million", skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<NanoUsd>,
    /// Tokens put into the provider's prompt cache.
    #[serde(default, rename = "cache_write_per_million", skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<NanoUsd>,
}

/// How a provider counts tokens of its prompt cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptCache {
    /// Whether they are among the prompt's tokens in what the provider reports. Taken from files for compatibility: token counts here always
    /// include them, the codecs see to that.
    pub read_accounting: ReadAccounting,
}

/// Where a provider counts tokens that it read from its prompt cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadAccounting {
    /// Among the prompt's.
    IncludedInPromptTokens,
    /// Beside them.
    Separate,
}

/// What a catalog says of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogPrice {
    /// The total; nothing when a class of tokens that occurred has no rate.
    pub total: Option<NanoUsd>,
    /// Those classes, for people.
    pub unpriced: Vec<&'static str>,
}

/// A catalog that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// Not JSON of this shape.
    #[error("not a price catalog: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// Another currency.
    #[error("the price of `{model}` is in {currency}, and only USD can be added up")]
    Currency {
        /// Whose price.
        model: String,
        /// Its currency.
        currency: String,
    },
}

impl PriceCatalog {
    /// Reads a catalog from JSON.
    ///
    /// # Errors
    /// When it has another shape or another currency than dollars.
    pub fn from_json(text: &str) -> Result<Self, CatalogError> {
        let wrong = |error: serde_json::Error| CatalogError::Malformed { reason: error.to_string() };
        let map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).map_err(wrong)?;
        let catalog: Self = serde_json::from_value(map.into()).map_err(wrong)?;
        catalog.check()?;
        Ok(catalog)
    }

    /// Checks what the shape does not say.
    ///
    /// # Errors
    /// When an entry is in another currency than dollars.
    pub fn check(&self) -> Result<(), CatalogError> {
        match self.entries.iter().find(|entry| entry.currency != "USD") {
            Some(entry) => Err(CatalogError::Currency { model: entry.model_id.clone(), currency: entry.currency.clone() }),
            None => Ok(()),
        }
    }

    /// The rates of a model.
    pub fn find(&self, provider: &str, model: &str) -> Option<&CatalogEntry> {
        self.entries.iter().find(|entry| entry.provider == provider && entry.names().any(|name| fits(name, model)))
    }
}

impl CatalogEntry {
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.model_id).chain(&self.aliases).map(String::as_str)
    }
}

fn fits(name: &str, model: &str) -> bool {
    match name.strip_suffix('*') {
        Some(beginning) => model.starts_with(beginning),
        None => model == name,
    }
}

impl Rates {
    /// What these tokens cost, rounded up once. Tokens of the prompt cache without a rate of their own make the total unknown.
    pub fn price(&self, tokens: &TokenCounts) -> CatalogPrice {
        let read = tokens.cached_input.unwrap_or(0);
        let written = tokens.cache_write.unwrap_or(0);
        let fresh = tokens.input.unwrap_or(0).saturating_sub(read).saturating_sub(written);
        let classes = [
            ("input", fresh, self.input),
            ("output", tokens.output.unwrap_or(0), self.output),
            ("cache_read", read, self.cache_read),
            ("cache_write", written, self.cache_write),
        ];
        let unpriced: Vec<_> =
            classes.iter().filter(|(_, count, rate)| *count > 0 && rate.is_none()).map(|(name, ..)| *name).collect();
        let micros = classes.iter().fold(0_u128, |sum, (_, count, rate)| {
            sum.saturating_add(u128::from(*count).saturating_mul(u128::from(rate.unwrap_or_default().as_nanos())))
        });
        let total = u64::try_from(micros.div_ceil(1_000_000)).unwrap_or(u64::MAX);
        CatalogPrice { total: unpriced.is_empty().then_some(NanoUsd::from_nanos(total)), unpriced }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOG: &str = r#"{"version":"2026-11","entries":[
        {"provider":"openai","model_id":"gpt-x","aliases":["gpt-x-*"],"rates":{"input_per_million":1.25,"output_per_million":10,"cache_read_per_million":0.125},
         "prompt_cache":{"read_accounting":"included_in_prompt_tokens"},"pricing_as_of":"2026-11-01"}]}"#;

    #[test]
    fn rates_are_found_by_name_and_by_beginning() {
        let catalog = PriceCatalog::from_json(CATALOG).unwrap();
        assert!(catalog.find("openai", "gpt-x").is_some());
        assert!(catalog.find("openai", "gpt-x-2026").is_some());
        assert!(catalog.find("openai", "gpt-y").is_none());
        assert!(catalog.find("azure", "gpt-x").is_none());
    }

    #[test]
    fn a_class_without_a_rate_leaves_the_total_unknown() {
        let catalog = PriceCatalog::from_json(CATALOG).unwrap();
        let rates = catalog.find("openai", "gpt-x").unwrap().rates;
        let mut tokens = TokenCounts { cached_input: Some(400), ..TokenCounts::of(1000, 10) };
        assert_eq!(rates.price(&tokens).total, Some(NanoUsd::from_nanos(600 * 1250 + 400 * 125 + 10 * 10_000)));
        tokens.cache_write = Some(1);
        assert_eq!(rates.price(&tokens), CatalogPrice { total: None, unpriced: vec!["cache_write"] });
    }

    #[test]
    fn other_currencies_and_shapes_are_refused() {
        assert!(matches!(
            PriceCatalog::from_json(&CATALOG.replace("\"aliases\"", "\"currency\":\"EUR\",\"aliases\"")),
            Err(CatalogError::Currency { .. })
        ));
        assert!(matches!(PriceCatalog::from_json(&CATALOG.replace("1.25", "-1")), Err(CatalogError::Malformed { .. })));
        assert!(matches!(PriceCatalog::from_json("[]"), Err(CatalogError::Malformed { .. })));
    }
}
