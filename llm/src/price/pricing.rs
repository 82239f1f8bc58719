//! The price of a call from all that may know it, in order: the provider, one's own catalog, the maintained table.

use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::PriceCatalog;
use super::cost::{Cost, CostSource};
use super::money::NanoUsd;
use super::table::MaintainedTable;
use crate::models::Provider;
use crate::usage::TokenCounts;

/// A call whose price is asked.
#[derive(Clone, Copy, Debug)]
pub struct PriceQuery<'a> {
    /// The provider's prefix.
    pub provider: &'a str,
    /// The provider's name of the model that answered.
    pub model: &'a str,
    /// The tokens.
    pub tokens: &'a TokenCounts,
    /// The class of service that the response names; the one that was asked for is not the one that is charged.
    pub service_tier: Option<&'a str>,
    /// When the call was made.
    pub at: SystemTime,
}

/// What a table says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Priced {
    /// The price.
    Known {
        /// All of it.
        total: NanoUsd,
        /// What the table does not know how to count.
        warnings: Vec<String>,
    },
    /// A class of tokens that occurred has no price: the reason, for people.
    Partly(String),
    /// The table does not have the model.
    Unknown,
    /// The table has it and cannot apply its price: the reason, for people.
    Failed(String),
}

/// A table of prices.
pub trait PriceSource: Send + Sync {
    /// Its name, for records.
    fn label(&self) -> &str;
    /// Its version, for records.
    fn version(&self) -> Option<&str>;
    /// What a call costs.
    fn price(&self, query: &PriceQuery<'_>) -> Priced;
}

impl PriceSource for PriceCatalog {
    fn label(&self) -> &str {
        "catalog"
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn price(&self, query: &PriceQuery<'_>) -> Priced {
        let Some(entry) = self.find(query.provider, query.model) else { return Priced::Unknown };
        let price = entry.rates.price(query.tokens);
        match price.total {
            Some(total) => Priced::Known { total, warnings: Vec::new() },
            None => {
                Priced::Partly(format!("the catalog has no rate of {} tokens of `{}`", price.unpriced.join(" and "), query.model))
            }
        }
    }
}

/// Whether costs that providers do not report are computed: the setting `KITARU_LLM_ESTIMATED_COSTS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EstimatedCosts {
    /// They are, where there is a price.
    #[default]
    Auto,
    /// Only what providers report is recorded. Budgets still compute, for they have to know before.
    Off,
}

/// All that may know a price, the first that does wins.
pub struct Pricing {
    sources: Vec<Box<dyn PriceSource>>,
    estimates: EstimatedCosts,
}

impl std::fmt::Debug for Pricing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<_> = self.sources.iter().map(|source| source.label()).collect();
        f.debug_struct("Pricing").field("sources", &labels).field("estimates", &self.estimates).finish()
    }
}

impl Default for Pricing {
    fn default() -> Self {
        Self::new(Vec::new(), EstimatedCosts::Auto)
    }
}

impl Pricing {
    /// Catalogs of one's own, in order, and after them the maintained table.
    pub fn new(catalogs: Vec<PriceCatalog>, estimates: EstimatedCosts) -> Self {
        let own = catalogs.into_iter().map(|catalog| Box::new(catalog) as Box<dyn PriceSource>);
        Self { sources: own.chain([Box::new(MaintainedTable) as Box<dyn PriceSource>]).collect(), estimates }
    }

    /// Only these tables.
    pub fn of(sources: Vec<Box<dyn PriceSource>>, estimates: EstimatedCosts) -> Self {
        Self { sources, estimates }
    }

    /// What a call cost. `reported` is what the provider says that it charged.
    pub fn cost(&self, query: &PriceQuery<'_>, reported: Option<NanoUsd>) -> Cost {
        match reported {
            Some(amount) => Cost { priced_at: Some(query.at), ..Cost::reported(amount) },
            None if self.estimates == EstimatedCosts::Off => {
                Cost::unknown("costs are not computed (KITARU_LLM_ESTIMATED_COSTS=off)")
            }
            None => self.computed(query),
        }
    }

    /// What a call costs by the tables alone.
    pub fn computed(&self, query: &PriceQuery<'_>) -> Cost {
        if query.tokens.input.is_none() || query.tokens.output.is_none() {
            return Cost::unknown("the provider did not report tokens");
        }
        let computed = |source: &dyn PriceSource, amount, found, warnings| Cost {
            amount,
            source: found,
            source_label: Some(source.label().into()),
            pricing_version: source.version().map(str::to_owned),
            priced_at: Some(query.at),
            warnings,
        };
        for source in &self.sources {
            let source = source.as_ref();
            match price_with_long_writes(source, query) {
                Priced::Known { total, warnings } => return computed(source, Some(total), CostSource::Calculator, warnings),
                Priced::Partly(reason) => return computed(source, None, CostSource::None, vec![reason]),
                Priced::Failed(reason) => return computed(source, None, CostSource::CalculatorError, vec![reason]),
                Priced::Unknown => {}
            }
        }
        if Provider::find(query.provider).is_some_and(Provider::is_local) {
            return Cost {
                source: CostSource::Calculator,
                source_label: Some("local".into()),
                priced_at: Some(query.at),
                ..Cost::nothing()
            };
        }
        Cost::unknown(format!("no price of `{}/{}` is known", query.provider, query.model))
    }

    /// The most that a call can cost with at most so many tokens: all of the input at the dearest of its classes, those among them that are kept for long only
    /// where `query` has some. Nothing when there is no price.
    pub fn ceiling(&self, query: &PriceQuery<'_>) -> Option<NanoUsd> {
        let plain = self.computed(query).amount?;
        let long_cache_write = query.tokens.long_cache_write.and(query.tokens.input);
        let tokens = TokenCounts { cache_write: query.tokens.input, long_cache_write, ..query.tokens.clone() };
        let written = self.computed(&PriceQuery { tokens: &tokens, ..*query }).amount;
        Some(plain.max(written.unwrap_or_default()))
    }
}

/// What a source says of a call, with what it put into the provider's cache for long at its price: twice that of input, which is what
/// Anthropic charges. Tables have a rate of ordinary writes alone.
fn price_with_long_writes(source: &dyn PriceSource, query: &PriceQuery<'_>) -> Priced {
    let long = query.tokens.long_cache_write.unwrap_or(0);
    if long == 0 {
        return source.price(query);
    }
    // Once as input that is not written anywhere, and once more for the writing.
    let written = query.tokens.cache_write.map(|written| written.saturating_sub(long));
    let tokens = TokenCounts { cache_write: written, long_cache_write: None, ..query.tokens.clone() };
    let again = TokenCounts::of(long, 0);
    match (source.price(&PriceQuery { tokens: &tokens, ..*query }), source.price(&PriceQuery { tokens: &again, ..*query })) {
        (Priced::Known { total, warnings }, Priced::Known { total: more, .. }) => {
            Priced::Known { total: total.plus(more), warnings }
        }
        (Priced::Known { .. }, other) | (other, _) => other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn query<'a>(provider: &'a str, model: &'a str, tokens: &'a TokenCounts) -> PriceQuery<'a> {
        PriceQuery { provider, model, tokens, service_tier: None, at: UNIX_EPOCH + Duration::from_secs(1_790_000_000) }
    }

    fn catalog(rates: &str) -> PriceCatalog {
        let json = format!(r#"{{"version":"v7","entries":[{{"provider":"openai","model_id":"gpt-4o-mini","rates":{rates}}}]}}"#);
        PriceCatalog::from_json(&json).unwrap()
    }

    #[test]
    fn the_provider_is_believed_first_then_the_catalog_then_the_table() {
        let tokens = TokenCounts::of(1_000_000, 0);
        let pricing = Pricing::new(vec![catalog(r#"{"input_per_million":9}"#)], EstimatedCosts::Auto);
        let reported = pricing.cost(&query("openai", "gpt-4o-mini", &tokens), Some(NanoUsd::from_nanos(7)));
        assert_eq!((reported.amount, reported.source), (Some(NanoUsd::from_nanos(7)), CostSource::ProviderReported));
        let own = pricing.cost(&query("openai", "gpt-4o-mini", &tokens), None);
        assert_eq!((own.amount, own.pricing_version.as_deref()), (Some(NanoUsd::from_dollars(9)), Some("v7")));
        let table = Pricing::default().cost(&query("openai", "gpt-4o-mini", &tokens), None);
        assert_eq!((table.amount, table.source_label.as_deref()), (Some(NanoUsd::from_nanos(150_000_000)), Some("genai-prices")));
    }

    #[test]
    fn unknown_stays_unknown() {
        let pricing = Pricing::default();
        let tokens = TokenCounts::of(1, 1);
        for (cost, source) in [
            (pricing.cost(&query("openai", "nobody-knows", &tokens), None), CostSource::None),
            (pricing.cost(&query("openai", "gpt-4o-mini", &TokenCounts::default()), None), CostSource::None),
            (
                Pricing::new(vec![catalog(r#"{"input_per_million":1}"#)], EstimatedCosts::Auto)
                    .cost(&query("openai", "gpt-4o-mini", &tokens), None),
                CostSource::None,
            ),
            (Pricing::new(vec![], EstimatedCosts::Off).cost(&query("openai", "gpt-4o-mini", &tokens), None), CostSource::None),
        ] {
            assert_eq!((cost.amount, cost.source, cost.warnings.len()), (None, source, 1));
        }
    }

    #[test]
    fn ones_own_servers_cost_nothing_unless_a_catalog_says_otherwise() {
        let cost = Pricing::default().cost(&query("ollama", "llama3", &TokenCounts::of(5, 5)), None);
        assert_eq!((cost.amount, cost.source_label.as_deref()), (Some(NanoUsd::ZERO), Some("local")));
    }

    /// $1 a million tokens of input: 1.25 for a write of five minutes, 2 for one of an hour.
    #[test]
    fn what_is_written_for_an_hour_costs_twice_the_input() {
        let priced = |tokens: &TokenCounts| Pricing::default().cost(&query("anthropic", "claude-haiku-4-5", tokens), None).amount;
        let written =
            |long: Option<u64>| TokenCounts { cache_write: Some(1000), long_cache_write: long, ..TokenCounts::of(1000, 0) };
        assert_eq!(priced(&written(None)), Some(NanoUsd::from_nanos(1_250_000)));
        assert_eq!(priced(&written(Some(1000))), Some(NanoUsd::from_nanos(2_000_000)));
        assert_eq!(priced(&written(Some(400))), Some(NanoUsd::from_nanos(600 * 1_250 + 400 * 2_000)));
        let asked = TokenCounts { long_cache_write: Some(1), ..TokenCounts::of(1000, 0) };
        let ceiling = Pricing::default().ceiling(&query("anthropic", "claude-haiku-4-5", &asked));
        assert_eq!(ceiling, Some(NanoUsd::from_nanos(2_000_000)));
    }

    #[test]
    fn a_ceiling_holds_when_all_input_goes_into_the_providers_cache() {
        let tokens = TokenCounts::of(1000, 0);
        let ceiling = Pricing::default().ceiling(&query("anthropic", "claude-haiku-4-5", &tokens)).unwrap();
        assert_eq!(ceiling, NanoUsd::from_nanos(1_250_000));
        assert_eq!(Pricing::default().ceiling(&query("openai", "nobody-knows", &tokens)), None);
    }
}
