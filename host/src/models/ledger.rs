//! Budgets that all processes of a data folder share.

use std::sync::Arc;

use async_trait::async_trait;
use kitaru_llm::policy::{Account, LedgerError, ReservationId, SpendLedger};
use kitaru_llm::price::NanoUsd;
use kitaru_llm::usage::UsageScope;
use uuid::Uuid;

use crate::clock::Clock;
use crate::store::{NewReservation, Reserved, SpendAccount, SpendScope, Store, StoreError};

/// The ledger of a store. What it says is spent is what the records of model calls tell, and what is set aside beside them: see
/// [`Spending`](crate::store::Spending).
pub struct StoredLedger {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for StoredLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredLedger").finish_non_exhaustive()
    }
}

impl StoredLedger {
    /// The ledger of this store: the one that the executions are driven with, because a record ends what the same store set aside.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }
}

/// The store's account of a scope. None where it has none: checkpoints have no budgets, nor has an execution that no store can have.
pub fn account_of(scope: &UsageScope) -> Option<SpendScope> {
    match scope {
        UsageScope::Checkpoint(_) => None,
        UsageScope::Execution(id) => id.parse().ok().map(SpendScope::Execution),
        UsageScope::Tree(id) => id.parse().ok().map(SpendScope::Tree),
        UsageScope::Flow(name) => Some(SpendScope::Flow(name.clone())),
        UsageScope::Day(day) => Some(SpendScope::Day(*day)),
    }
}

fn known(scope: &UsageScope) -> Result<SpendScope, LedgerError> {
    account_of(scope).ok_or_else(|| LedgerError::Unavailable(format!("the store has no account for {scope:?}").into()))
}

fn unavailable(error: StoreError) -> LedgerError {
    LedgerError::Unavailable(Box::new(error))
}

#[async_trait]
impl SpendLedger for StoredLedger {
    async fn reserve(&self, call: Option<Uuid>, accounts: &[Account], amount: NanoUsd) -> Result<ReservationId, LedgerError> {
        let mut drawn = Vec::with_capacity(accounts.len());
        for account in accounts {
            let limit = (account.limit < NanoUsd::MAX).then(|| account.limit.as_nanos());
            drawn.push(SpendAccount { scope: known(&account.scope)?, limit });
        }
        let new = NewReservation { event: call, accounts: drawn, amount: amount.as_nanos(), at: self.clock.now() };
        match self.store.reserve(new).await.map_err(unavailable)? {
            Reserved::Kept(id) => Ok(ReservationId(id)),
            Reserved::Exceeded { account, used } => {
                let full = accounts.iter().find(|asked| account_of(&asked.scope).as_ref() == Some(&account.scope));
                let full = full.cloned().ok_or_else(|| LedgerError::Unavailable("another account is spent".into()))?;
                Err(LedgerError::Exceeded { account: full, used: NanoUsd::from_nanos(used) })
            }
        }
    }

    async fn settle(&self, reservation: ReservationId, spent: NanoUsd) -> Result<(), LedgerError> {
        self.store.settle(reservation.0, spent.as_nanos()).await.map_err(unavailable)
    }

    async fn used(&self, scope: &UsageScope) -> Result<NanoUsd, LedgerError> {
        let spent = self.store.spent(&known(scope)?).await.map_err(unavailable)?;
        Ok(NanoUsd::from_nanos(spent.total()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kitaru_llm::chat::{ChatRequest, Message};
    use kitaru_llm::policy::{Budget, BudgetError, BudgetLimits, BudgetedCall, TokenEstimate};
    use kitaru_llm::price::{Cost, Pricing};

    use super::*;
    use crate::clock::SystemClock;
    use crate::ids::{Ids as _, SystemIds};
    use crate::store::sqlite::SqliteStore;

    fn ledger(folder: &Path) -> Arc<StoredLedger> {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(folder).unwrap());
        Arc::new(StoredLedger::new(store, Arc::new(SystemClock)))
    }

    fn nanos(nanos: u64) -> NanoUsd {
        NanoUsd::from_nanos(nanos)
    }

    #[tokio::test]
    async fn a8_processes_share_their_budgets() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (ledger(folder.path()), ledger(folder.path()));
        let id = SystemIds.execution().to_string();
        let mut request = ChatRequest::new("gpt-4o-mini", vec![Message::user("x".repeat(984))]);
        request.params.max_tokens = Some(1000);
        // 1000 tokens at $0.15 and 1000 at $0.60 a million, once and not twice.
        let limits = BudgetLimits { per_day: Some(nanos(1_499_999)), ..BudgetLimits::default() };
        let budget = |ledger: &Arc<StoredLedger>| {
            Budget::new(limits, TokenEstimate::SURE, Arc::new(Pricing::default()), Arc::clone(ledger) as Arc<dyn SpendLedger>)
        };
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_000);
        let call = BudgetedCall {
            resolved_model: "openai/gpt-4o-mini",
            request: &request,
            event: None,
            execution: Some(&id),
            root: None,
            flow: Some("f"),
            execution_limit: None,
            spent_before: NanoUsd::ZERO,
            now,
        };
        let first = budget(&one).reserve(call).await.unwrap();
        let refused = budget(&other).reserve(call).await.unwrap_err();
        let BudgetError::Account { account, left, .. } = refused else { panic!("{refused}") };
        assert_eq!((account.scope, left), (UsageScope::day_of(now), nanos(749_999)));
        budget(&one).settle(&first, &Cost::reported(nanos(10))).await.unwrap();
        budget(&other).reserve(call).await.unwrap();
        let own = [UsageScope::Execution(id.clone()), UsageScope::Tree(id.clone())];
        for scope in [UsageScope::day_of(now), UsageScope::Flow("f".into())].into_iter().chain(own) {
            assert_eq!(one.used(&scope).await.unwrap(), nanos(750_010), "{scope:?}");
        }
    }

    #[tokio::test]
    async fn what_the_store_has_no_account_for_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path());
        for scope in [UsageScope::Checkpoint("c".into()), UsageScope::Execution("no id".into()), UsageScope::Tree("no id".into())]
        {
            let error = ledger.used(&scope).await.unwrap_err();
            assert!(matches!(error, LedgerError::Unavailable(_)), "{error:?}");
            let accounts = [Account { scope, limit: nanos(1) }];
            assert!(ledger.reserve(None, &accounts, NanoUsd::ZERO).await.is_err());
        }
    }
}
