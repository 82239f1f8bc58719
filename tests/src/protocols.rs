//! Models that are spoken to in each protocol, all at one provider.

use serde_json::{Value, json};

use crate::models::told;
use crate::{Models, Reply};

/// The aliases of [`Models::add_protocols`], one for each protocol.
pub const PROTOCOLS: [&str; 4] = ["chat", "responses", "claude", "google"];

const KEYS: [(&str, &str); 3] =
    [("OPENAI_API_KEY", Models::KEY), ("ANTHROPIC_API_KEY", Models::KEY), ("GEMINI_API_KEY", Models::KEY)];

impl Models {
    /// Registers an alias for each protocol.
    pub fn add_protocols(&self) {
        let (openai, anthropic) = (self.provider.openai(), self.provider.anthropic());
        let _ = self.alias("chat", "openai/gpt-4o-mini", &openai, &[]);
        let _ = self.alias("responses", "openai/gpt-4o-mini", &openai, &["--api", "openai_responses"]);
        let _ = self.alias("claude", "anthropic/claude-3-5-haiku-latest", &anthropic, &[]);
        let _ = self.alias("google", "gemini/gemini-2.0-flash", &self.provider.gemini(), &[]);
    }

    /// Runs a flow with the keys of all of them.
    pub fn run_protocols(&self, flow: &str, input: &Value) -> Value {
        Reply::from(self.flow_with(&KEYS, flow, input)).item()
    }

    /// Makes these calls with the keys of all of them, in a flow (`model_calls`) or in a checkpoint (`model_body`): what became of each.
    pub fn ask_protocols(&self, flow: &str, requests: &Value) -> Vec<Value> {
        told(&self.run_protocols(flow, &json!({ "requests": requests })))
    }
}
