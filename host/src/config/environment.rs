//! The environment, for the rules about models.

use kitaru_llm::models::Environment;

/// The environment variables of this process. One that is not UTF-8 is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
