//! What was spent, and what is set aside for calls that are on their way.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use uuid::Uuid;

use crate::mutex::lock;
use crate::price::NanoUsd;
use crate::usage::UsageScope;

/// One account that a call draws on, and how much may be spent from it altogether.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose account it is.
    pub scope: UsageScope,
    /// The limit; [`NanoUsd::MAX`] where there is none.
    pub limit: NanoUsd,
}

/// An amount that is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReservationId(pub u64);

/// An amount could not be set aside.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// One of the accounts has not so much left. Nothing was set aside in any of them.
    #[error("{} of {} is spent or set aside in {:?}", .used, .account.limit, .account.scope)]
    Exceeded {
        /// Which account.
        account: Account,
        /// What is spent or set aside there.
        used: NanoUsd,
    },
    /// The ledger failed.
    #[error("the ledger of what was spent failed")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where it is written down what was spent. With several hosts it is one that they share.
#[async_trait]
pub trait SpendLedger: Send + Sync {
    /// Sets an amount aside in all the accounts at once, or in none. `call` is the event of the call that it is for, by which a ledger that
    /// keeps the records of calls too knows which record takes the place of what was set aside.
    ///
    /// # Errors
    /// When one of them has not so much left, or the ledger fails.
    async fn reserve(&self, call: Option<Uuid>, accounts: &[Account], amount: NanoUsd) -> Result<ReservationId, LedgerError>;

    /// Replaces what was set aside by what was spent: by nothing, where the call was never made. Only the first time counts.
    ///
    /// # Errors
    /// When the ledger fails; the amount stays set aside.
    async fn settle(&self, reservation: ReservationId, spent: NanoUsd) -> Result<(), LedgerError>;

    /// What is spent or set aside in an account.
    ///
    /// # Errors
    /// When the ledger fails.
    async fn used(&self, scope: &UsageScope) -> Result<NanoUsd, LedgerError>;
}

/// A ledger in memory, for one host. After a start it is filled from the records ([`restore`](Self::restore)).
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    used: HashMap<UsageScope, NanoUsd>,
    open: HashMap<ReservationId, (Vec<UsageScope>, NanoUsd)>,
    last: u64,
}

impl MemoryLedger {
    fn books(&self) -> std::sync::MutexGuard<'_, Books> {
        lock(&self.0)
    }

    /// Says what was spent before this process began; in place of what the ledger believes.
    pub fn restore(&self, scope: UsageScope, spent: NanoUsd) {
        self.books().used.insert(scope, spent);
    }

    /// Forgets an account that nobody will draw on again.
    pub fn forget(&self, scope: &UsageScope) {
        self.books().used.remove(scope);
    }
}

#[async_trait]
impl SpendLedger for MemoryLedger {
    async fn reserve(&self, _: Option<Uuid>, accounts: &[Account], amount: NanoUsd) -> Result<ReservationId, LedgerError> {
        let mut books = self.books();
        for account in accounts {
            let used = books.used.get(&account.scope).copied().unwrap_or_default();
            if used.plus(amount) > account.limit {
                return Err(LedgerError::Exceeded { account: account.clone(), used });
            }
        }
        let scopes: Vec<_> = accounts.iter().map(|account| account.scope.clone()).collect();
        for scope in &scopes {
            let used = books.used.entry(scope.clone()).or_default();
            *used = used.plus(amount);
        }
        books.last = books.last.saturating_add(1);
        let id = ReservationId(books.last);
        books.open.insert(id, (scopes, amount));
        Ok(id)
    }

    async fn settle(&self, reservation: ReservationId, spent: NanoUsd) -> Result<(), LedgerError> {
        let mut books = self.books();
        if let Some((scopes, amount)) = books.open.remove(&reservation) {
            for scope in scopes {
                let used = books.used.entry(scope).or_default();
                *used = used.minus(amount).plus(spent);
            }
        }
        Ok(())
    }

    async fn used(&self, scope: &UsageScope) -> Result<NanoUsd, LedgerError> {
        Ok(self.books().used.get(scope).copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account(scope: UsageScope, limit: u64) -> Account {
        Account { scope, limit: NanoUsd::from_nanos(limit) }
    }

    #[tokio::test]
    async fn an_amount_is_set_aside_in_all_accounts_or_in_none() {
        let ledger = MemoryLedger::default();
        let (flow, day) = (UsageScope::Flow("f".into()), UsageScope::Day(1));
        let accounts = [account(flow.clone(), 10), account(day.clone(), 5)];
        assert!(matches!(
            ledger.reserve(None, &accounts, NanoUsd::from_nanos(6)).await,
            Err(LedgerError::Exceeded { account, used: NanoUsd::ZERO }) if account.scope == day
        ));
        assert_eq!(ledger.used(&flow).await.unwrap(), NanoUsd::ZERO);
        let id = ledger.reserve(None, &accounts, NanoUsd::from_nanos(5)).await.unwrap();
        assert!(ledger.reserve(None, &accounts, NanoUsd::from_nanos(1)).await.is_err());
        ledger.settle(id, NanoUsd::from_nanos(2)).await.unwrap();
        ledger.settle(id, NanoUsd::from_nanos(2)).await.unwrap();
        assert_eq!(ledger.used(&day).await.unwrap(), NanoUsd::from_nanos(2));
        ledger.restore(day.clone(), NanoUsd::from_nanos(4));
        assert!(ledger.reserve(None, &accounts, NanoUsd::from_nanos(2)).await.is_err());
    }

    proptest! {
        #[test]
        fn no_account_goes_beyond_its_limit_while_calls_cost_what_was_set_aside_at_most(
            calls in prop::collection::vec((0_u64..50, 0_u64..=100), 1..40), limit in 0_u64..300,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let ledger = MemoryLedger::default();
                let accounts = [account(UsageScope::Day(0), limit)];
                let mut open = Vec::new();
                for (amount, share) in calls {
                    if let Ok(id) = ledger.reserve(None, &accounts, NanoUsd::from_nanos(amount)).await {
                        open.push((id, amount * share / 100));
                    }
                    if open.len() > 3 {
                        let (id, spent) = open.remove(0);
                        ledger.settle(id, NanoUsd::from_nanos(spent)).await.unwrap();
                    }
                    assert!(ledger.used(&UsageScope::Day(0)).await.unwrap() <= accounts[0].limit);
                }
            });
        }
    }
}
