//! What a gateway needs from the program around it.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::{Clock, SystemClock};
use crate::ids::{Ids, SystemIds};
use crate::models::{Environment, SecretError, SecretSource};
use crate::policy::{MemoryLedger, ResponseStore, SpendLedger};
use crate::provider::{AddressPolicy, AnyAddress, NameService, Secret, SystemNames};

/// Draws numbers from 0 up to 1.
pub type Chance = Arc<dyn Fn() -> f64 + Send + Sync>;

/// What a gateway needs from the program around it. Nothing else is read from the machine, but for the proxy settings of the system.
#[derive(Clone)]
pub struct Services {
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes identifiers of events.
    pub ids: Arc<dyn Ids>,
    /// Keys of providers, `OLLAMA_HOST`, and the variables of the default executor.
    pub environment: Arc<dyn Environment>,
    /// The secrets that aliases name.
    pub secrets: Arc<dyn SecretSource>,
    /// Where it is written down what was spent.
    pub ledger: Arc<dyn SpendLedger>,
    /// Where answers are kept; none for memory. Asked only where a cache is configured.
    pub cache: Option<Arc<dyn ResponseStore>>,
    /// Looks names of hosts up.
    pub names: Arc<dyn NameService>,
    /// Decides which addresses may be connected to.
    pub addresses: Arc<dyn AddressPolicy>,
    /// Draws numbers: for pauses between attempts, and for calls that pass the cache by.
    pub chance: Chance,
}

/// A source without secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

#[async_trait]
impl SecretSource for NoSecrets {
    async fn secret(&self, name: &str) -> Result<BTreeMap<String, Secret>, SecretError> {
        Err(SecretError::NotFound { name: name.to_owned() })
    }
}

impl Services {
    /// The operating system's clock, identifiers and look-up of names, a ledger and a cache in memory, no secrets, and every address allowed.
    pub fn local(environment: Arc<dyn Environment>) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            ids: Arc::new(SystemIds),
            environment,
            secrets: Arc::new(NoSecrets),
            ledger: Arc::new(MemoryLedger::default()),
            cache: None,
            names: Arc::new(SystemNames),
            addresses: Arc::new(AnyAddress),
            chance: Arc::new(fraction),
        }
    }
}

/// A number that nobody foresees; nothing secret depends on it.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn fraction() -> f64 {
    (RandomState::new().build_hasher().finish() >> 11) as f64 / (1_u64 << 53) as f64
}
